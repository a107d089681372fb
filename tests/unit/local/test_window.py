"""What a run shows: every figure is there, also before there is anything to show."""

from collections import deque
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, Metric
from rich.console import Console

from services.client.views import BookView, MarkView, Trade
from services.local.picture import amount_text, line_of, picture, sparkline, told
from services.local.seen import MarketSeen, Seen
from services.local.window import Sources, Window, save_picture, totals_of
from vigil.v1 import feeds_pb2

PERPETUAL = "BTC_USDC_PERP"
SPOT = "SOL_USDC"
AT_MS = 1_584_009_710_000


def seen() -> Seen:
    book = BookView(PERPETUAL, 1, 0, ((Decimal("6050.1"), Decimal(2)),), ((Decimal("6060.1"), Decimal(3)),))
    trade = Trade(PERPETUAL, 1, AT_MS, Decimal("6055.0"), Decimal(2), "sell", is_liquidation=True)
    perpetual, spot = MarketSeen(PERPETUAL, open_interest=Decimal("125.2567")), MarketSeen(SPOT, is_spot=True)
    perpetual.see_mark(MarkView(PERPETUAL, Decimal("6055.8"), Decimal("6056.6"), Decimal("0.0001"), 0))
    perpetual.see_book(book)
    for _ in range(100):
        perpetual.see_trade(trade)
    spot.see_mark(MarkView(SPOT, Decimal("20.4500"), Decimal("20.4300"), Decimal(0), 0))
    return Seen(
        time_ms=AT_MS,
        markets={PERPETUAL: perpetual, SPOT: spot},
        book=book,
        funds=[("main", Decimal("251393.17"))],
        entries=2_638,
        records_per_s=4_321,
        last_trades=deque([trade]),
    )


def shown(now: Seen, speed: int | None = 60) -> str:
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(now, speed, "gRPC 127.0.0.1:50051"))
    return capture.get()


FIGURES = {
    "time": "10:41:50",
    "mark": "6,055.8",
    "index": "6,056.6",
    "funding": "0.0100 %",
    "spread in basis points": "16.5",
    "volume": "1.2M",
    "open interest": "125.26",
    "bid": "6,050.1",
    "ask": "6,060.1",
    "what a trade was": "liquidation",
    "spot market": "20.45",
    "fund": "251,393.17",
    "entries": "2,638",
    "trades": "trades (100)",
    "load": "4,321 records/s",
    "where": "127.0.0.1:50051",
    "books": "OK",
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_the_dashboard_has_every_figure(figure: str) -> None:
    assert figure in shown(seen())


async def test_the_dashboard_is_kept_as_a_picture(tmp_path: Path) -> None:
    async def nothing() -> list[Metric]:
        return []

    window = Window(Sources("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:9464", nothing))
    window.seen = seen()
    save_picture(window, 60, tmp_path / "run.svg")
    await window.close()
    drawn = (tmp_path / "run.svg").read_text()
    assert drawn.startswith("<svg")
    assert all(text in drawn for text in (PERPETUAL, "6,055.8", "251,393.17"))


def test_a_spot_market_has_no_funding_and_no_open_interest() -> None:
    (row,) = [line for line in shown(seen()).splitlines() if SPOT in line and PERPETUAL not in line]
    assert "%" not in row
    assert row.split()[:6] == ["│", SPOT, "20.45", "20.43", "-", "0.00"]


def test_it_shows_an_empty_venue_and_books_that_do_not_balance() -> None:
    text = shown(Seen(balanced=False), speed=None)
    assert "NOT BALANCED" in text
    assert "none yet" in text
    assert "real time" in text


def test_the_plain_line() -> None:
    assert "BTC_USDC_PERP 6055.8  SOL_USDC 20.4500  OI 125.2567  trades 100" in line_of(seen())
    assert line_of(Seen()).startswith("1970-01-01 00:00:00  no mark yet")


AMOUNTS = [("0.5", "0.50"), ("-999", "-999.00"), ("1500", "1.5k"), ("2340000", "2.3M"), ("7e12", "7000.0G")]


@pytest.mark.parametrize(("amount", "text"), AMOUNTS)
def test_amounts_are_short(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


def test_liquidations_are_told_in_a_line() -> None:
    started = feeds_pb2.FeedRecord(at_ms=AT_MS)
    started.liquidation_started.equity, started.liquidation_started.maintenance_margin = (
        393_203_983_760,
        394_224_000_000,
    )
    assert told(started) == "10:41:50 000000 equity 3932 < 3942"
    ended = feeds_pb2.FeedRecord(at_ms=AT_MS)
    ended.liquidation_ended.deficit = 21_115_289_048
    assert told(ended).endswith("done, fund pays 211")
    ended.liquidation_ended.deficit, ended.liquidation_ended.contributed = 0, 10**8
    assert told(ended).endswith("done, fund gets 1")


def test_metrics_are_summed_over_machines() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("vigil_inbox_lag_records", "Lag", ["machine"], registry=registry)
    gauge.labels("risk/0").set(2)
    gauge.labels("risk/1").set(3)
    assert totals_of(registry.collect()) == {"vigil_inbox_lag_records": 5}


def test_the_course_of_the_mark() -> None:
    assert sparkline([]) == ""
    assert sparkline([Decimal(5), Decimal(5)]) == "▁▁"
    assert sparkline([Decimal(1), Decimal(2), Decimal(3)]) == "▁▄█"
