"""Market-maker protection at risk: what is kept and told to matching, and what is refused."""

from typing import Any

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from services.risk.protection import TIME_MAX_MS
from tests.builders import ALICE, BTC, COIN, SPOT, Driven, only, reason_of, the
from tests.unit.risk.waiting import MARK, WHO


def protect(risk: Driven, **terms: Any) -> list[m.Message]:
    """Protect Alice's quotes: 20 coins in 5 s."""
    fields = {"market": 1, "interval_ms": 5_000, "quantity_max": 20 * COIN, "delta_max": 0, "frozen_ms": 0} | terms
    return risk.tell(m.SetProtection(risk.commands.header(ALICE), WHO, **fields))


def test_what_is_set_is_told_to_matching_and_again_by_a_reset(risk: Driven) -> None:
    events = protect(risk, frozen_ms=700)
    told = m.ProtectionSet(WHO, 1, 5_000, 20 * COIN, 0, 700)
    assert (reason_of(events), the(m.ProtectionSet, events)) == (Reason.NONE, told)
    assert the(m.ProtectionSet, risk.tell(m.ResetProtection(risk.commands.header(ALICE), WHO, 1))) == told
    protect(risk, interval_ms=0)
    none = m.ProtectionSet(WHO, 1, 0, 0, 0, 0)
    assert the(m.ProtectionSet, risk.tell(m.ResetProtection(risk.commands.header(ALICE), WHO, 1))) == none
    assert not risk.state.subaccounts[WHO].protections


def test_quotes_of_a_spot_market_are_protected_too(risk: Driven) -> None:
    risk.tell(m.MarketListed(SPOT))
    risk.tell(m.SettlementMarked(SPOT.id, MARK))
    told = the(m.ProtectionSet, protect(risk, market=SPOT.id))
    assert told.market == SPOT.id
    quotes = risk.tell(risk.commands.quote(ALICE, (1, 1, MARK, COIN // 100), market=SPOT.id))
    assert the(m.QuotesAdmitted, quotes).market == SPOT.id


def test_a_trip_is_told_to_the_account(risk: Driven) -> None:
    tripped = m.ProtectionTripped(WHO, 1, 28 * COIN, 9 * COIN, 0)
    assert risk.tell(tripped) == [tripped]


REFUSED: list[tuple[str, Reason, int, dict[str, Any]]] = [
    ("no market", Reason.UNKNOWN_MARKET, 0, {"market": 9}),
    ("nothing trips it", Reason.INVALID_SIZE, BTC.position_max, {"quantity_max": 0}),
    ("below zero", Reason.INVALID_SIZE, BTC.position_max, {"delta_max": -1}),
    ("too much", Reason.INVALID_SIZE, BTC.position_max, {"quantity_max": BTC.position_max + 1}),
    ("before now", Reason.INVALID_EXPIRY, 1, {"interval_ms": -1}),
    ("too long", Reason.INVALID_EXPIRY, TIME_MAX_MS, {"interval_ms": TIME_MAX_MS + 1}),
    ("frozen too long", Reason.INVALID_EXPIRY, TIME_MAX_MS, {"frozen_ms": TIME_MAX_MS + 1}),
]


@pytest.mark.parametrize(("reason", "limit", "terms"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_protects_nobody_is_refused(risk: Driven, reason: Reason, limit: int, terms: dict[str, Any]) -> None:
    events = protect(risk, **terms)
    result = the(m.CommandResolved, events)
    assert (Reason(result.reason), result.limit) == (reason, limit)
    assert not only(m.ProtectionSet, events)
