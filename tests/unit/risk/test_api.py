"""Questions about margin, sizes and what waits: whom they are about, what they contain, and what is refused."""

from dataclasses import dataclass
from typing import Any

import pytest

from services.core.reasons import Reason
from services.core.rpc import Refused
from services.risk.api import Servicer
from tests.builders import ALICE, BOB, COIN, DOLLAR, Driven
from tests.unit.risk.unified import COINS, pay_in, take, unified
from tests.unit.risk.waiting import STOP, trigger
from vigil.v1 import common_pb2, queries_pb2

WHO = ALICE.subaccount


@dataclass
class Hosted:
    """A host as questions see it."""

    risk: Driven
    partition: int = 0

    @property
    def engine(self) -> Any:
        """Engine of the machine."""
        return self.risk.engine

    def query(self) -> Any:
        """State between two records."""
        return self.risk.state


@pytest.fixture
def risk() -> Driven:
    """Alice long half a bitcoin with a stop, in two of three markets at 8,000."""
    machine = unified(8_000)
    pay_in(machine, 1_000, COINS // 4)
    take(machine, 1, 1, COIN // 2, 8_000)
    machine.tell(trigger(machine, STOP, -1, 7_500 * DOLLAR))
    machine.tell(trigger(machine, STOP, -1, 7_500 * DOLLAR, market=3, size=100))
    return machine


@pytest.fixture
def servicer(risk: Driven) -> Servicer:
    """Who answers for the partition."""
    hosts: Any = {0: Hosted(risk)}
    return Servicer(hosts)


async def test_margin_says_whose_and_how_new_it_is(servicer: Servicer, risk: Driven) -> None:
    answer = await servicer.GetMargin(queries_pb2.MarginQuery(subaccount=WHO), None)  # type: ignore[arg-type]
    assert (answer.subaccount, answer.machine, answer.at_ms) == (WHO, "risk/0", risk.state.now_ms)
    assert answer.seq == risk.engine.spine.sent["feed.account/0"].seq
    assert [one.market for one in answer.positions] == [1]


async def test_who_was_never_here_has_nothing(servicer: Servicer, risk: Driven) -> None:
    margin = await servicer.GetMargin(queries_pb2.MarginQuery(subaccount=BOB.subaccount), None)  # type: ignore[arg-type]
    waiting = await servicer.GetTriggers(queries_pb2.TriggersQuery(subaccount=BOB.subaccount), None)  # type: ignore[arg-type]
    assert (margin.equity, len(margin.assets), len(waiting.triggers)) == (0, 0, 0)
    assert BOB.subaccount not in risk.state.subaccounts


@pytest.mark.parametrize(("market", "found"), [(0, [1, 3]), (1, [1]), (3, [3]), (2, [])])
async def test_what_waits_in_a_market_or_in_all(servicer: Servicer, market: int, found: list[int]) -> None:
    query = queries_pb2.TriggersQuery(subaccount=WHO, market=market)
    answer = await servicer.GetTriggers(query, None)  # type: ignore[arg-type]
    assert [one.market for one in answer.triggers] == found


@pytest.mark.parametrize(("side", "size"), [(common_pb2.SIDE_BID, 0), (common_pb2.SIDE_ASK, COIN // 2)])
async def test_the_side_asked_for_is_the_one_answered(servicer: Servicer, side: Any, size: int) -> None:
    query = queries_pb2.MaxOrderSizeQuery(subaccount=WHO, market=1, side=side, price=8_000 * DOLLAR, reduce_only=True)
    assert (await servicer.GetMaxOrderSize(query, None)).size == size  # type: ignore[arg-type]


REFUSED = [
    ("no such market", {"market": 9, "side": common_pb2.SIDE_BID}, Reason.UNKNOWN_MARKET, "market 9: no such market"),
    ("no side", {"market": 1}, Reason.MALFORMED, "SIDE_BID and SIDE_ASK are accepted"),
    ("another partition", {"market": 1, "partition": 7}, Reason.MALFORMED, r"hosted: \[0\]"),
]


@pytest.mark.parametrize(("terms", "reason", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_questions_about_nothing_are_refused(
    servicer: Servicer, terms: dict[str, Any], reason: Reason, text: str
) -> None:
    with pytest.raises(Refused, match=text) as refused:
        await servicer.GetMaxOrderSize(queries_pb2.MaxOrderSizeQuery(subaccount=WHO, **terms), None)  # type: ignore[arg-type]
    assert refused.value.reason is reason
