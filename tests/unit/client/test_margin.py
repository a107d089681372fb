"""Margin as it is asked for, read and explained: exact, aligned, and no wider than a terminal."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from services.client.cli.order_terms import SIDES
from services.client.errors import DefiniteReject
from services.client.listed import Listed
from services.client.margin_lines import margin_page, max_size_line
from services.client.margin_view import margin_view
from services.client.show import collateral_table, content_of, markets_table, time_left, triggers_table
from tests.unit.client.fake_gateway import BTC, COIN, INVERSE, USDC, Fake, served
from vigil.v1 import common_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

LISTED = Listed(market_data_pb2.Listings(assets=[USDC, COIN], markets=[BTC, INVERSE]))
ONE = 10**12
UNIT = 10**8
REPORT = pb.MarginReport(
    subaccount=256 * 9 + 3,
    machine="risk/0",
    seq=12,
    at_ms=1_000,
    equity=6_195 * UNIT + 12_345_677,
    equity_initial=6_185 * UNIT + 12_345_677,
    initial_margin=295 * UNIT + 50_000_000,
    maintenance_margin=168 * UNIT,
    free_collateral=5_889 * UNIT + 62_345_677,
    leverage=88 * ONE // 100,
    leverage_max=20,
    binding=pb.MARGIN_BINDING_WITHDRAWAL,
    binding_text="5889.62345677 USDC are free",
    assets=[
        pb.MarginAsset(
            asset=1,
            symbol="USDC",
            idle=10_045 * UNIT + 12_345_678,
            hold=10 * UNIT,
            unrealised=150 * UNIT,
            net=10_195 * UNIT + 12_345_678,
            price=10**10,
            weight_initial=ONE,
            weight_maintenance=ONE,
            value_initial=10_185 * UNIT + 12_345_678,
            value_maintenance=10_195 * UNIT + 12_345_678,
            withdrawable=9_000 * UNIT,
        ),
        pb.MarginAsset(
            asset=2,
            symbol="BTC",
            idle=50_000_000,
            net=-50_000_000,
            price=8_000 * 10**10 + 1,
            value_initial=-4_000 * UNIT - 1,
            value_maintenance=-4_000 * UNIT - 1,
            weight_initial=ONE,
            weight_maintenance=ONE,
            borrow_initial=15 * UNIT + 50_000_000,
            borrow_maintenance=6 * UNIT,
        ),
    ],
    positions=[
        pb.MarginPosition(
            market=1,
            symbol="BTC_USDC_PERP",
            size=150_000,
            entry_price=790_000,
            mark_price=800_000,
            notional=12_000 * UNIT,
            unrealised_pnl=150 * UNIT,
            initial_fraction=2 * ONE // 100,
            maintenance_fraction=125 * ONE // 10_000,
            initial=240 * UNIT,
            maintenance=150 * UNIT,
            liquidation_price=681_250,
            cause=pb.FRACTION_CAUSE_SIZE,
        ),
        pb.MarginPosition(
            market=2,
            symbol="BTC_USD_20260626",
            size=-12,
            entry_price=78_900,
            mark_price=80_000,
            notional=15_000_000,
            unrealised_pnl=-123_000,
            initial_fraction=249_871 * ONE // 10_000_000,
            maintenance_fraction=ONE // 100,
            initial=24 * UNIT,
            maintenance=12 * UNIT,
            cause=pb.FRACTION_CAUSE_OPEN_INTEREST,
        ),
    ],
    orders=[
        pb.MarginOrders(
            market=1,
            symbol="BTC_USDC_PERP",
            buys=10_000,
            worst_size=160_000,
            hold=10 * UNIT,
            hold_asset=1,
            initial=16 * UNIT,
        )
    ],
)
PAGE = """\
margin of subaccount 3 in USDC, 01-01 00:00:01.000 UTC
                                                maintenance          initial
assets: what they count
USDC  10,195.12345678                       10,195.12345678  10,185.12345678
    10,045.12345678 idle, 150 in positions
    10 held by orders: not for opening
BTC  -0.5 at 8,000.0000000001               -4,000.00000001  -4,000.00000001
    a debt: counts in full
= equity                                     6,195.12345677   6,185.12345677
margin: what is needed
BTC_USDC_PERP  long 1.5                        150.00000000     240.00000000
    worth 12,000 USDC at mark 8,000
    1.25 % / 2 %, by size
    profit 150 USDC since 7,900
    liquidated at 6,812.5, 14.84 % below
BTC_USD_20260626  short 12                      12.00000000      24.00000000
    worth 0.15 BTC at mark 8,000
    1 % / 2.5 %, by open interest
    loss 0.00123 BTC since 7,890
    no price of it would liquidate
BTC_USDC_PERP  open buys 0.1, sales 0                            16.00000000
    at worst long 1.6; 10 USDC held
debt of 0.5 BTC                                  6.00000000      15.50000000
= margin                                       168.00000000     295.50000000
= equity less margin                         6,027.12345677   5,889.62345677

leverage       0.88, at most 20 by own limit
binds          withdrawal: 5889.62345677 USDC are free
withdrawable   9,000 USDC
"""


def drawn(content: object, width: int) -> list[str]:
    """Lines as a terminal of a width shows them."""
    console = Console(file=io.StringIO(), width=width)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_margin_is_explained_line_by_line_on_eighty_columns() -> None:
    assert drawn(margin_page(margin_view(REPORT, LISTED), "USDC"), 80) == PAGE.splitlines()


@pytest.mark.parametrize("width", [40, 60, 72])
def test_a_narrow_terminal_folds_words_and_never_cuts_a_number(width: int) -> None:
    lines = drawn(margin_page(margin_view(REPORT, LISTED), "USDC"), width)
    assert max(map(len, lines)) <= width
    assert all(number in "\n".join(lines) for number in ("6,195.12345677", "295.50000000", "5,889.62345677"))


def test_what_spot_orders_bring_is_a_line_of_its_own() -> None:
    brought = pb.MarginReport()
    brought.CopyFrom(REPORT)
    brought.received = 570 * UNIT
    (line,) = (line for line in drawn(margin_page(margin_view(brought, LISTED), "USDC"), 80) if "spot orders" in line)
    assert line.split() == ["open", "spot", "orders", "bring", "at", "least", "570.00000000"]


def test_sums_are_those_of_the_lines_shown() -> None:
    view = margin_view(REPORT, LISTED)
    assert sum(one.maintenance_value for one in view.assets) == view.equity
    needs = [one.initial_margin for one in view.positions] + [one.initial_margin for one in view.orders]
    assert sum(needs) + sum(one.borrow_initial for one in view.assets) == view.initial_margin
    assert view.equity_initial - view.initial_margin == view.free_collateral


def test_scripts_get_every_digit_as_text() -> None:
    content = content_of(margin_view(REPORT, LISTED))
    assert (content["equity"], content["binding"], content["positions"][1]["liquidation_price"]) == (
        "6195.12345677",
        "withdrawal",
        None,
    )
    assert content["assets"][1]["price"] == "8000.0000000001"


async def test_questions_name_their_subject_and_are_answered_in_decimals() -> None:
    stop = pb.Trigger(subaccount=256 * 9 + 3, market=1, trigger_id=5, kind=common_pb2.TRIGGER_KIND_STOP, size=5_000)
    largest = pb.MaxOrderSize(size=12_000, bound=pb.SIZE_BOUND_POSITION_LIMIT, price=800_000)
    terms = market_data_pb2.CollateralTerms(
        asset=2, symbol="BTC", collateral=common_pb2.Collateral(initial_weight=ONE // 2, account_max=7 * UNIT)
    )
    answers = {
        "margin": REPORT,
        "max_order_size": largest,
        "triggers": pb.Triggers(triggers=[stop]),
        "collateral": market_data_pb2.CollateralPrices(assets=[terms]),
    }
    fake = Fake(answers=answers)
    async with served(fake) as client:
        assert (await client.margin(3)).equity == Decimal("6195.12345677")
        found = await client.max_order_size("BTC_USDC_PERP", SIDES["buy"], price="8000.5", reduce_only=True)
        (waiting,) = await client.triggers("BTC_USDC_PERP", 3)
        (coin,) = await client.collateral()
        with pytest.raises(DefiniteReject, match=r"UNKNOWN_MARKET.*there are BTC_USDC_PERP, BTC_USD_20260626"):
            await client.max_order_size("NOPE", SIDES["buy"])
    margin, largest_of, triggers = fake.asked
    assert (margin.margin.subaccount, triggers.triggers.symbol) == (3, "BTC_USDC_PERP")
    assert (largest_of.max_order_size.price, largest_of.max_order_size.reduce_only) == ("8000.5", True)
    assert max_size_line("buy", found) == "buy at most 0.12 BTC_USDC_PERP, reckoned at 8,000: position limit"
    assert (waiting.kind, waiting.size, waiting.price, waiting.subaccount) == ("stop", Decimal("0.05"), None, 3)
    assert (coin.initial_weight, coin.account_max, coin.venue_max, coin.price) == (
        Decimal("0.5"),
        Decimal(7),
        None,
        None,
    )


LEFT = [
    (0, "over"),
    (-5, "over"),
    (999, "over"),
    (61_000, "1m 1s"),
    (3_600_000, "1h 0m"),
    (90_061_000, "1d 1h"),
    (59_999, "59s"),
]


@pytest.mark.parametrize(("left_ms", "text"), LEFT)
def test_time_left_is_said_in_its_two_largest_units(left_ms: int, text: str) -> None:
    assert time_left(left_ms) == text


def test_tables_keep_whole_symbols_on_eighty_columns() -> None:
    waits = LISTED.trigger(
        pb.Trigger(
            market=2,
            trigger_id=4,
            kind=common_pb2.TRIGGER_KIND_TWAP,
            side=common_pb2.SIDE_BID,
            size=10,
            remaining=7,
            next_ms=61_000,
            client_id=8,
        )
    )
    shown = [
        drawn(triggers_table((waits,), 1_000), 80),
        drawn(markets_table([LISTED.market("BTC_USD_20260626")], {}, 0, wide=False), 80),
    ]
    assert all(any("BTC_USD_20260626" in line for line in lines) for lines in shown)
    assert any("1d 1h" in line for line in shown[1])
    cells = [line.split("│")[3:5] for line in shown[0] if "│" in line]
    assert [" ".join(part.strip() for part in column).strip() for column in zip(*cells, strict=True)] == [
        "buy 10 at market, client id 8",
        "twap: 7 left, next slice in 1m 0s",
    ]
    assert drawn(collateral_table((), "USDC"), 80)[0] == "collateral, prices in USDC"
