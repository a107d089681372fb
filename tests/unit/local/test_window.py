"""What a run shows: every figure is there, also before there is anything to show."""

from collections import deque
from decimal import Decimal

from prometheus_client import CollectorRegistry, Gauge
from rich.console import Console

from services.client.views import BookView, MarkView, Trade
from services.local.window import Seen, Sources, Window, line_of, picture, sparkline, told, totals_of
from vigil.v1 import feeds_pb2


def seen() -> Seen:
    mark = MarkView("BTC_USDC_PERP", Decimal("6055.8"), Decimal("6056.6"), Decimal("0.0001"), 0)
    book = BookView("BTC_USDC_PERP", 1, 0, ((Decimal("6050.1"), Decimal(2)),), ((Decimal("6060.1"), Decimal(3)),))
    trade = Trade("BTC_USDC_PERP", 1, 1_584_009_710_000, Decimal("6055.0"), Decimal(1), "sell", is_liquidation=True)
    return Seen(
        time_ms=1_584_009_710_000,
        mark=mark,
        book=book,
        open_interest=Decimal("125.2567"),
        funds=[("main", Decimal("251393.17"))],
        entries=2_638,
        trades=1_216,
        last_trades=deque([trade]),
        marks=deque([Decimal(1), Decimal(2)]),
    )


async def shown(now: Seen) -> str:
    async def nothing() -> list[object]:
        return []

    window = Window(Sources("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:9464", nothing))  # type: ignore[arg-type]
    window.seen = now
    console = Console(width=140, record=True, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(picture(window, 60))
    await window.close()
    return capture.get()


async def test_the_dashboard_has_every_figure() -> None:
    text = await shown(seen())
    for figure in (
        "10:41:50",
        "6055.8",
        "6056.6",
        "0.0100 %",
        "6050.1",
        "6060.1",
        "liquidation",
        "125.2567",
        "251393.17",
    ):
        assert figure in text
    assert "trial balance" in text
    assert "OK" in text


async def test_it_shows_an_empty_venue_and_books_that_do_not_balance() -> None:
    text = await shown(Seen(balanced=False))
    assert "NOT BALANCED" in text
    assert "none yet" in text


def test_the_plain_line() -> None:
    assert "mark 6055.8 index 6056.6  OI 125.2567  trades 1216" in line_of(seen())
    assert line_of(Seen()).startswith("1970-01-01 00:00:00  no mark yet")


def test_liquidations_are_told_in_a_line() -> None:
    started = feeds_pb2.FeedRecord(at_ms=1_584_009_710_000)
    started.liquidation_started.equity, started.liquidation_started.maintenance_margin = (
        393_203_983_760,
        394_224_000_000,
    )
    assert told(started) == "10:41:50 000000 equity 3932 < 3942"
    ended = feeds_pb2.FeedRecord(at_ms=1_584_009_710_000)
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
