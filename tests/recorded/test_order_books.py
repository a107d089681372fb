"""Real order books through matching: the client's book, built from matching's own changes, has the venue's best prices at every point.

A point is a depth update whose id is also that of a bookTicker: there the venue itself names best bid and ask with their sizes.
"""

import time

import pytest

from services.core.markets import Market
from tests.builders import BTC, INVERSE, SPOT, but
from tests.recorded.feed import Feed
from tests.recorded.recordings import Reader, Recording

RECORDINGS = [
    ("linear perpetual", BTC, Recording("l2_btcusdt_binance_usdm_2024-08-08.jsonl.gz", 2, 3, 10), 629),
    ("inverse perpetual", INVERSE, Recording("l2_btcusd_perp_binance_coinm_2024-08-08.jsonl.gz", 1, 0, 1), 1_124),
    ("spot", SPOT, Recording("l2_btcusdt_binance_spot_2024-08-08.jsonl.gz", 2, 8, 1), 564),
]


def market_of(kind: Market, recording: Recording) -> Market:
    """Market of a kind with the recording's grid; its limits hold whatever a real book holds."""
    return but(
        kind,
        id=1,
        face=100 * 10**recording.price_decimals if kind.is_inverse else 0,
        price_decimals=recording.price_decimals,
        size_decimals=recording.size_decimals,
        tick=recording.tick,
        lot=1,
        price_max=10**9,
        order_size_max=10**13,
        position_max=10**13,
    )


@pytest.mark.parametrize(
    ("kind", "recording", "points"), [row[1:] for row in RECORDINGS], ids=[row[0] for row in RECORDINGS]
)
def test_the_clients_book_has_the_venues_best_prices(
    kind: Market, recording: Recording, points: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    feed = Feed(recording, market_of(kind, recording))
    compared, mismatches = 0, []
    for number, update in enumerate(Reader(recording).play()):
        feed.take(update)
        if update.best is not None:
            compared += 1
            if feed.best() != update.best:
                mismatches.append((number, feed.best(), update.best))
    feed.judge()
    with capsys.disabled():
        print(
            f"\n{recording.file}: {compared} points, {len(mismatches)} mismatches,"
            f" {feed.records} records, {feed.client.update_id} changes, {time.monotonic() - began:.1f} s"
        )
    assert mismatches == []
    assert compared == points
