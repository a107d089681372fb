"""What settlement shows of its state: assets, custody, deposits; it changes nothing."""

from collections.abc import Iterator

from services.core.metrics import Family, Metrics, Reading
from services.settlement.state import State

CUSTODY = Family("vigil_custody", "What the venue really holds", ("asset",))
ASSET_UNIT = Family(
    "vigil_asset_unit", "One unit of an asset, to read amounts that are in units", ("asset_id", "asset")
)
DEPOSITS = Family("vigil_deposits", "Deposits credited, ever", (), "counter")
FAMILIES = (CUSTODY, ASSET_UNIT, DEPOSITS)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every asset."""
    yield Reading(DEPOSITS, (), state.deposits)
    for asset_id, asset in state.assets.items():
        yield Reading(ASSET_UNIT, (str(asset_id), asset.symbol), 1, asset.decimals)
        yield Reading(CUSTODY, (asset.symbol,), state.custody.get(asset_id, 0), asset.decimals)


METRICS = Metrics(FAMILIES, measure)
