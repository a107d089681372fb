"""What the insurance fund shows of its state; it changes nothing. It knows assets by number: settlement says their units."""

from collections.abc import Iterator

from services.core.metrics import Family, Metrics, Reading
from services.insurance_fund.state import State

BALANCE = Family(
    "vigil_insurance_fund_units", "Balance, in units of the asset: see vigil_asset_unit", ("group", "asset_id")
)
FAMILIES = (BALANCE,)


def measure(state: State) -> Iterator[Reading | None]:
    """Look at every fund."""
    for funds in state.funds.values():
        for fund in funds.values():
            yield Reading(BALANCE, (fund.group, str(fund.asset)), fund.balance)


METRICS = Metrics(FAMILIES, measure)
