"""Every machine with its queries: the one place where all services meet."""

from collections.abc import Callable
from typing import Any, NamedTuple

from services.core.process import Hosts
from services.core.rpc import Service
from services.core.spine import Machine
from services.funding.api import services_of as funding_services
from services.funding.machine import MACHINE as FUNDING
from services.funding.metrics import METRICS as FUNDING_METRICS
from services.insurance_fund.api import services_of as insurance_fund_services
from services.insurance_fund.machine import MACHINE as INSURANCE_FUND
from services.insurance_fund.metrics import METRICS as INSURANCE_FUND_METRICS
from services.lending_pool.api import services_of as lending_pool_services
from services.lending_pool.machine import MACHINE as LENDING_POOL
from services.lending_pool.metrics import METRICS as LENDING_POOL_METRICS
from services.matching.api import services_of as matching_services
from services.matching.machine import MACHINE as MATCHING
from services.matching.metrics import METRICS as MATCHING_METRICS
from services.risk.api import services_of as risk_services
from services.risk.machine import MACHINE as RISK
from services.risk.metrics import METRICS as RISK_METRICS
from services.settlement.api import services_of as settlement_services
from services.settlement.machine import MACHINE as SETTLEMENT
from services.settlement.metrics import METRICS as SETTLEMENT_METRICS


class Composed(NamedTuple):
    """A machine and what it serves."""

    machine: Machine[Any]
    services_of: Callable[[Hosts], list[Service]]


MACHINES = (
    Composed(SETTLEMENT, settlement_services),
    Composed(FUNDING, funding_services),
    Composed(MATCHING, matching_services),
    Composed(RISK, risk_services),
    Composed(INSURANCE_FUND, insurance_fund_services),
    Composed(LENDING_POOL, lending_pool_services),
)

METRICS = {
    "settlement": SETTLEMENT_METRICS,
    "funding": FUNDING_METRICS,
    "matching": MATCHING_METRICS,
    "risk": RISK_METRICS,
    "insurance_fund": INSURANCE_FUND_METRICS,
    "lending_pool": LENDING_POOL_METRICS,
}
"""What each machine shows of its state."""
