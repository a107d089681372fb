"""Events about balances, built in one place."""

from services.core.fixed import AssetId
from services.core.messages import BalanceChanged
from services.risk.shares import lent_and_owed
from services.risk.state import State, Subaccount


def balance_changed(state: State, subaccount: Subaccount, asset: AssetId, cause: str) -> BalanceChanged:
    """Say what a subaccount has of an asset, and why it changed."""
    return BalanceChanged(
        subaccount.id,
        asset,
        subaccount.idle.get(asset, 0),
        subaccount.holds.get(asset, 0),
        subaccount.unsettled.get(asset, 0),
        cause,
        *lent_and_owed(state, subaccount, asset),
    )
