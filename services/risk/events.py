"""Events about balances, built in one place."""

from services.core.fixed import AssetId
from services.core.messages import BalanceChanged
from services.risk.state import Subaccount


def balance_changed(subaccount: Subaccount, asset: AssetId, cause: str) -> BalanceChanged:
    """Say what a subaccount has of an asset, and why it changed."""
    return BalanceChanged(
        subaccount.id,
        asset,
        subaccount.idle.get(asset, 0),
        subaccount.holds.get(asset, 0),
        subaccount.unsettled.get(asset, 0),
        cause,
    )
