"""Drills do what they say, when they say, to whom they say; and funding leaves out what they do."""

import pytest

from services.core.messages import PriceObserved
from services.oracle.drills import BACK_MS, FOREVER_MS, Drill, Drills, Misbehaviour, read_drills

BEGINS_MS = 1_000_000


def test_drills_are_read() -> None:
    assert read_drills("spot-east:lies@60, binance:dies@5+10") == (
        Drill("spot-east", Misbehaviour.LIES, 60_000, FOREVER_MS),
        Drill("binance", Misbehaviour.DIES, 5_000, 15_000),
    )
    assert read_drills("") == ()


@pytest.mark.parametrize("text", ["lies@1", "a:sleeps@1", "a:lies", "a:lies@", "a:lies@x", "a:lies@1+", "a:lies@-1"])
def test_others_are_refused_with_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match="dies, lies, freezes, back-in-time"):
        read_drills(text)


def said(kind: str, seconds: list[int]) -> list[tuple[int, int] | None]:
    """Price and time of what a source says in a drill from second 10 to 20; it sees its second as its price."""
    drills = Drills(read_drills(f"one:{kind}@10+10"), BEGINS_MS)
    told: list[tuple[int, int] | None] = []
    for second in seconds:
        now_ms = BEGINS_MS + second * 1_000
        other = PriceObserved("two", "BTC_USD", second, now_ms)
        bent = drills.bend([PriceObserved("one", "BTC_USD", second, now_ms), other], now_ms)
        assert bent[-1] == other
        mine = [one for one in bent if one.source == "one"]
        told.append((mine[0].price, now_ms - mine[0].observed_ms) if mine else None)
    return told


KINDS: list[tuple[str, list[tuple[int, int] | None]]] = [
    ("dies", [(9, 0), None, None, (20, 0), (21, 0)]),
    ("lies", [(9, 0), (20, 0), (38, 0), (20, 0), (21, 0)]),
    ("freezes", [(9, 0), (10, 0), (10, 0), (20, 0), (21, 0)]),
    ("back-in-time", [(9, 0), (10, BACK_MS), (19, BACK_MS), (20, 0), (21, 0)]),
]


@pytest.mark.parametrize(("kind", "expected"), KINDS, ids=[row[0] for row in KINDS])
def test_misbehaviour(kind: str, expected: list[tuple[int, int] | None]) -> None:
    assert said(kind, [9, 10, 19, 20, 21]) == expected
