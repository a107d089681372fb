"""What a run shows: every figure is there, also before there is anything to show."""

from collections import deque
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, Metric
from rich.console import Console

from services.client.pool_view import PoolOpening, PoolView
from services.client.views import BookView, CollateralView, MarkView, Trade
from services.local.picture import amount_text, left_text, line_of, picture, price_text, sparkline, told
from services.local.seen import MARKETS_FIRST, MARKETS_SHOWN, MarketSeen, PoolSeen, Seen
from services.local.window import Sources, Window, save_picture, totals_of
from vigil.v1 import feeds_pb2

PERPETUAL = "BTC_USDC_PERP"
SPOT = "SOL_USDC"
FUTURE = "BTC_USD_20200313"
AT_MS = 1_584_009_710_000


def worth(asset: str, price: str | None, weight: str) -> CollateralView:
    nothing, known = Decimal(0), None if price is None else Decimal(price)
    return CollateralView(asset, known, 0, Decimal(weight), Decimal(1), nothing, nothing, nothing, nothing, None, None)


def pool(asset: str = "USDC", stress: str = "calm") -> PoolView:
    n = Decimal(0)
    rates = (Decimal("0.915"), Decimal("0.95"), Decimal("0.2"), Decimal("0.1647"))
    amounts = (Decimal(2_000_000), Decimal(1_830_000), n, n)
    return PoolView(asset, "open", stress, 7, 0, *amounts, *rates, n, n, n, n, n, 0, 0)


def opening(period: int, supply_index: str, supplied: str) -> PoolOpening:
    n = Decimal(0)
    return PoolOpening(period, 0, Decimal(supply_index), Decimal(1), Decimal(supplied), n, n, n, n, n, n)


def seen() -> Seen:
    book = BookView(PERPETUAL, 1, 0, ((Decimal("6050.1"), Decimal(2)),), ((Decimal("6060.1"), Decimal(3)),))
    trade = Trade(PERPETUAL, 1, AT_MS, Decimal("6055.0"), Decimal(2), "sell", is_liquidation=True)
    perpetual, spot = MarketSeen(PERPETUAL, open_interest=Decimal("125.2567")), MarketSeen(SPOT, is_spot=True)
    perpetual.see_mark(MarkView(PERPETUAL, Decimal("6055.8"), Decimal("6056.6"), Decimal("0.0001"), 0))
    perpetual.see_book(book)
    for _ in range(100):
        perpetual.see_trade(trade)
    spot.see_mark(MarkView(SPOT, Decimal("20.4500"), Decimal("20.4300"), Decimal(0), 0))
    future = MarketSeen(FUTURE, face=Decimal(100), expires_ms=AT_MS + 45 * 3_600_000)
    future.see_trade(Trade(FUTURE, 1, AT_MS, Decimal(6_000), Decimal(7), "buy", is_liquidation=False))
    return Seen(
        time_ms=AT_MS,
        markets={PERPETUAL: perpetual, SPOT: spot, FUTURE: future},
        book=book,
        funds=[("main USDC", Decimal("251393.17"))],
        collateral=(worth("PEPE", "0.0000085123", "0.5"), worth("BTC", "6055.8", "0.95"), worth("TBILL", None, "0.98")),
        pools={"USDC": PoolSeen(pool(stress="steep"), earned=Decimal("12.34567"))},
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
    "fund's asset": "main USDC",
    "cheap collateral": "0.000008512",
    "weight": "x 0.95",
    "collateral without a price": "TBILL",
    "time until a future ends": "in 1 d 21 h",
    "dated future": FUTURE,
    "entries": "2,638",
    "trades": "trades (101)",
    "volume of an inverse market": "700.00",
    "load": "4,321 records/s",
    "what a pool lends": "2.0M",
    "utilisation": "91.50 %",
    "what borrowers pay": "20.00 %",
    "what lenders get": "16.47 %",
    "what idle margin has earned": "12.35",
    "stress of a pool": "steep",
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


def test_what_idle_margin_has_earned_is_how_far_the_index_has_come_on_what_was_supplied() -> None:
    usdc = PoolSeen(pool())
    usdc.see_openings([opening(3, "1", "1000"), opening(4, "1.01", "3000"), opening(5, "1.02", "0")])
    assert usdc.earned.quantize(Decimal("0.0001")) == Decimal("39.7030"), "10 on 1,000, then 3,000 / 1.01 * 0.01"
    earned = usdc.earned
    usdc.see_openings([opening(4, "1.01", "3000"), opening(5, "1.02", "0"), opening(6, "9", "1")])
    assert (usdc.earned, usdc.counted) == (earned, 6), "openings seen before, and nothing supplied"


def test_the_plain_line() -> None:
    assert "pools USDC 91.50 % earned 12.35" in line_of(seen())
    assert "BTC_USDC_PERP 6055.8  SOL_USDC 20.4500  OI 125.2567 0  trades 101" in line_of(seen())
    assert line_of(Seen()).startswith("1970-01-01 00:00:00  no mark yet")


AMOUNTS = [("0.5", "0.50"), ("-999", "-999.00"), ("1500", "1.5k"), ("2340000", "2.3M"), ("7e12", "7000.0G")]


@pytest.mark.parametrize(("amount", "text"), AMOUNTS)
def test_amounts_are_short(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


PRICES = [
    ("8000.12", "8,000.1"),
    ("20.435", "20.44"),
    ("1", "1.000"),
    ("0.99991", "0.9999"),
    ("0.0000085123", "0.000008512"),
]


@pytest.mark.parametrize(("price", "text"), PRICES)
def test_prices_of_any_coin_can_be_read(price: str, text: str) -> None:
    assert price_text(Decimal(price)) == text


LEFT = [(-5, "0 min 00 s"), (65_000, "1 min 05 s"), (7_500_000, "2 h 05 min"), (180_000_000, "2 d 2 h")]


@pytest.mark.parametrize(("left_ms", "text"), LEFT)
def test_time_that_is_left(left_ms: int, text: str) -> None:
    assert left_text(left_ms) == text


def test_of_many_markets_the_first_the_next_to_end_and_the_busiest_are_shown() -> None:
    many = Seen(time_ms=AT_MS, markets={f"M{number}": MarketSeen(f"M{number}") for number in range(30)})
    for number, left_ms in ((20, 9_000), (21, 5_000), (22, 0)):
        many.markets[f"M{number}"].expires_ms = AT_MS + left_ms
    for number in range(22, 30):
        many.markets[f"M{number}"].volume = Decimal(number)
    shown = [market.symbol for market in many.shown]
    assert len(shown) == MARKETS_SHOWN
    assert shown[:MARKETS_FIRST] == [f"M{number}" for number in range(MARKETS_FIRST)]
    assert shown[MARKETS_FIRST:] == ["M21", "M27", "M28", "M29"]


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
