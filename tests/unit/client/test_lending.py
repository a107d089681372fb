"""Lending as it is asked for, read, explained and drawn: exact, aligned, and no wider than a terminal."""

import io
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from services.client.cli.pool import save_curve
from services.client.errors import ClientError, Unreachable
from services.client.events import event_line
from services.client.lending import modes_command
from services.client.listed import Listed
from services.client.mirror import AccountMirror
from services.client.pool_lines import interest_page, pool_page, pools_table, shortened, withdrawable_page
from services.client.pool_view import accrual_view, interest_view, pool_detail, withdrawable_view
from services.client.rate_curve import rate_curve
from services.client.show import account_tables, content_of
from services.core.markets import PoolTerms
from services.core.pool import borrow_rate, lend_rate
from tests.unit.client.fake_gateway import BTC, COIN, INVERSE, USDC, Fake, served
from vigil.v1 import common_pb2, feeds_pb2, market_data_pb2, pool_pb2
from vigil.v1 import trading_pb2 as pb

LISTED = Listed(market_data_pb2.Listings(assets=[USDC, COIN], markets=[BTC, INVERSE]))
ONE = 10**12
UNIT = 10**8
TERMS = PoolTerms(9 * ONE // 10, ONE // 20, ONE, reserve_factor=ONE // 10)
USED = 8_125 * ONE // 10_000
POOL = feeds_pb2.PoolUpdated(
    asset=1,
    indices=common_pb2.PoolIndices(
        period=1_234, supply=10**15 + 1, mint=10**15 + 2, borrow=10**15 + 3, burn=10**15, closes_at_ms=60_000
    ),
    supplied=123_456_712_345_678,
    borrowed=100_308_578_780_863,
    cash=23_148_133_564_815,
    lines=500 * UNIT,
    used=USED,
    bound=92 * ONE // 100,
    borrow_rate=borrow_rate(TERMS, USED),
    lend_rate=lend_rate(TERMS, USED),
    reserve=12 * UNIT,
    state=common_pb2.POOL_STATE_OPEN,
    stress=common_pb2.POOL_STRESS_STEEP,
    late_ms=120,
    full_at_ms=7_500_000,
)
REPORT = pool_pb2.PoolReport(
    machine="lending_pool/0",
    at_ms=18_000,
    pool=POOL,
    terms=common_pb2.PoolTerms(optimal=TERMS.optimal),
    curve=[
        pool_pb2.RatePoint(used=used, borrow_rate=borrow_rate(TERMS, used), lend_rate=lend_rate(TERMS, used))
        for used in range(0, ONE + 1, ONE // 100)
    ],
    levels=[
        pool_pb2.StressLevel(stress=common_pb2.POOL_STRESS_STEEP, used=8 * ONE // 10),
        pool_pb2.StressLevel(stress=common_pb2.POOL_STRESS_THROTTLED, used=92 * ONE // 100),
    ],
    state_next=common_pb2.POOL_STATE_REPAY_ONLY,
)
PAGE = """\
pool of USDC: open, steep, 01-01 00:00:18.000 UTC
supplied     1,234,567.12345678 USDC
borrowed     1,003,085.78780863 USDC
cash           231,481.33564815 USDC, 500 of it on credit lines
reserve             12.00000000 USDC
used         81.25 %, by borrows and redemptions up to 92 %
rates        borrow 4.51 %, lend 3.3 % a year
period       1234, closes in 42s, the last one 120 ms late
forecast     full in 2h 4m at the pace of the last periods
next state   repay only
stress, from
    80 % > the rate is steep
    92 %   borrows and redemptions wait for the throttle

  105 % ┤                                                                    ⢀⠎
        ┤                                                                   ⢠⠃⠃
        ┤                                                                  ⢠⠊⠁
59.06 % ┤                                                                 ⢀⠇⠁
        ┤                                                                 ⡸⠃
        ┤                                                                ⡰⠁
26.25 % ┤                                                               ⢀⠇
        ┤                                                               ⡜⠁
        ┤                                                              ⢰⠁
 6.56 % ┤                                                              ⢸
        ┤                            ⢀⣀⣀⣀⣀⣀⣀⣀⡠⠤⠤⠤⠤⠤⠤⠤⠤⠔⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒◆⠉⠉⠉⠉⠉⠉
        ┤      ⣀⣀⣀⣀⠤⠤⠤⠤⠤⠒⠒⠒⠒⠒⠒⠊⠉⠉⠉⠉⠉⠉⠁⠤⠤⠤⠤⠤⠔⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉
    0 % ┤⡠⠒⠒⠊⠉⠉⠤⠤⠤⠔⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉
        └──────────────────────────────────────────────────────────────────────
         0 %                                                         90 % 100 %
         ⠒⠒ borrow  ⠒⠒ lend    now ◆ 4.51 %  ◇ 3.3 %  at 81.25 % used
"""
OWN = 256 * 9 + 3


def drawn(content: object, width: int = 80) -> list[str]:
    """Lines as a terminal of a width shows them."""
    console = Console(file=io.StringIO(), width=width)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def accrual(seq: int, amount: int, *, fee: bool = False, asset: int = 1) -> pb.Accrual:
    return pb.Accrual(
        seq=seq,
        at_ms=60_000 * seq,
        subaccount=OWN,
        asset=asset,
        amount=amount,
        from_period=seq,
        to_period=seq if fee else seq + 2,
        entry_fee=fee,
    )


def test_a_pool_is_explained_and_its_rates_drawn_on_eighty_columns() -> None:
    assert drawn(pool_page(pool_detail(REPORT, LISTED), 80)) == PAGE.splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_curve_is_no_wider_than_its_terminal_and_marks_the_point_of_now_once(width: int) -> None:
    lines = drawn(rate_curve(pool_detail(REPORT, LISTED), width), width)
    plot = [line for line in lines if "┤" in line]
    assert max(map(len, plot)) <= width
    assert "".join(plot).count("◆") == 1


@pytest.mark.parametrize("used", [0, 9 * ONE // 10, ONE, 2 * ONE])
def test_the_point_of_now_stays_on_the_picture_whatever_is_used(used: int) -> None:
    report = pool_pb2.PoolReport()
    report.CopyFrom(REPORT)
    report.pool.used, report.pool.borrow_rate = used, borrow_rate(TERMS, used)
    plot = [line for line in drawn(rate_curve(pool_detail(report, LISTED), 80)) if "┤" in line]
    assert "".join(plot).count("◆") == 1


def test_a_pool_without_a_curve_is_drawn_as_empty() -> None:
    empty = pool_pb2.PoolReport(pool=feeds_pb2.PoolUpdated(asset=1), machine="lending_pool/0")
    detail = pool_detail(empty, LISTED)
    assert drawn(pool_page(detail, 80))[0] == "pool of USDC: not open yet, 01-01 00:00:00.000 UTC"


def test_the_picture_is_the_same_curve_and_the_same_bytes(tmp_path: Path) -> None:
    detail = pool_detail(REPORT, LISTED)
    for name in ("one.svg", "two.svg"):
        save_curve(detail, tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert one == two
    assert one.startswith(b"<svg")
    assert "◆" in one.decode()
    with pytest.raises(ClientError, match="cannot be written"):
        save_curve(detail, tmp_path)


def test_pools_fit_on_eighty_columns() -> None:
    pool = pool_detail(REPORT, LISTED).pool
    lines = drawn(pools_table((pool,)))
    assert [cell.strip() for cell in lines[4].split("│")[1:-1]] == [
        *("USDC", "81.25 %", "4.51 %", "3.3 %", "1.234M", "1.003M", "231.4k", "open,"),
    ]


SHORT = [
    ("0", "0"),
    ("0.00012345", "0.0001234"),
    ("0.5", "0.5"),
    ("999.99", "999.9"),
    ("1000", "1k"),
    ("-1234567", "-1.234M"),
    ("12e15", "12000T"),
]


@pytest.mark.parametrize(("amount", "text"), SHORT)
def test_amounts_are_shortened_towards_zero(amount: str, text: str) -> None:
    assert shortened(Decimal(amount)) == text


async def test_a_statement_is_read_page_by_page_and_summed_by_asset() -> None:
    pages = {
        0: pb.InterestPage(
            accruals=[accrual(1, -7, fee=True), accrual(2, -3)], next_place=40, read_to_seq=5, begins_ms=9
        ),
        40: pb.InterestPage(
            accruals=[accrual(6, 100), accrual(7, 5, asset=2)], next_place=80, read_to_seq=7, read_to_ms=11
        ),
        80: pb.InterestPage(read_to_seq=7),
    }
    fake = Fake(answers={"interest": pages})
    async with served(fake) as client:
        view = await client.interest(since_ms=4)
    assert [(one.interest.since_ms, one.interest.place, one.interest.after_seq) for one in fake.asked] == [
        *((4, 0, 0), (4, 40, 5), (4, 80, 7)),
    ]
    assert [(one.seq, one.amount) for one in view.accruals][:2] == [
        (1, Decimal("-0.00000007")),
        (2, Decimal("-0.00000003")),
    ]
    totals = {one.asset: (one.earned, one.paid, one.net) for one in view.totals}
    assert totals["USDC"] == (Decimal("0.00000100"), Decimal("0.00000010"), Decimal("0.00000090"))
    assert (totals["BTC"][2], view.begins_ms, view.read_to_ms) == (Decimal("0.00000005"), 9, 11)
    assert content_of(view)["totals"][1]["earned"] == "0.000001"


async def test_a_gateway_that_does_not_get_on_is_left() -> None:
    stuck = pb.InterestPage(next_place=1)
    async with served(Fake(answers={"interest": {0: stuck, 1: stuck}})) as client:
        with pytest.raises(Unreachable, match="does not get on"):
            await client.interest()


def test_a_statement_says_why_and_fits_on_eighty_columns() -> None:
    lines = (accrual(1, -7 * UNIT, fee=True), accrual(2, -3), accrual(4, 123_456 * UNIT))
    view = interest_view(60_000, 240_000, [accrual_view(line, LISTED) for line in lines])
    page = drawn(interest_page(view))
    assert max(map(len, page)) <= 80
    text = "\n".join(page)
    for words in ("entry fee", "owed", "lent", "123,456.00000000", "2-4", "7.00000003", "01-01 00:04:00"):
        assert words in text
    assert drawn(interest_page(interest_view(0, 0, []))) == ["no interest"]


WITHDRAWABLE = pb.Withdrawable(
    subaccount=OWN,
    machine="risk/0",
    at_ms=30_000,
    asset=1,
    amount=350 * UNIT,
    binding=pb.WITHDRAWAL_BOUND_MATURITY,
    binding_text="150 USDC of profit have not matured",
    lines=[
        pb.WithdrawableLine(name="idle", amount=100 * UNIT),
        pb.WithdrawableLine(name="lent", amount=450 * UNIT + 1),
        pb.WithdrawableLine(name="held by orders", amount=-50 * UNIT - 1),
        pb.WithdrawableLine(name="profit that has not matured", amount=-150 * UNIT),
        pb.WithdrawableLine(name="cash of the pool here", amount=400 * UNIT, is_limit=True),
    ],
    maturing=150 * UNIT,
    matures_at_ms=72_000,
)
WITHDRAWABLE_PAGE = """\
withdrawable of subaccount 3 in USDC, 01-01 00:00:30.000 UTC
idle                             100.00000000
lent                             450.00000001
held by orders                   -50.00000001
profit that has not matured     -150.00000000
at most: cash of the pool here   400.00000000
= withdrawable                   350.00000000

binds     maturity: 150 USDC of profit have not matured
matures   150 USDC in 42s
"""


async def test_what_may_leave_is_explained_in_numbers() -> None:
    fake = Fake(answers={"withdrawable": WITHDRAWABLE})
    async with served(fake) as client:
        view = await client.withdrawable("USDC", 3)
    (asked,) = fake.asked
    assert (asked.withdrawable.asset, asked.withdrawable.subaccount) == ("USDC", 3)
    assert drawn(withdrawable_page(view)) == WITHDRAWABLE_PAGE.splitlines()
    assert sum(line.amount for line in view.lines if not line.is_limit) == view.amount


def test_when_profit_matures_may_be_unknown() -> None:
    later = pb.Withdrawable()
    later.CopyFrom(WITHDRAWABLE)
    later.matures_at_ms = 0
    assert (
        drawn(withdrawable_page(withdrawable_view(later, LISTED)))[-1] == "matures   150 USDC at a time not known yet"
    )


async def test_pools_and_their_history_are_read_in_decimals() -> None:
    opening = pool_pb2.PoolOpening(
        period=5, at_ms=6, supply_index=10**15 + 1, supplied=UNIT, used=ONE // 2, lend_rate=ONE // 100
    )
    answers = {
        "pools": pool_pb2.Pools(pools=[POOL]),
        "USDC": REPORT,
        "history of USDC": pool_pb2.PoolHistory(openings=[opening]),
    }
    async with served(Fake(answers=answers)) as client:
        (pool,) = await client.pools()
        detail = await client.pool("USDC")
        (past,) = await client.pool_history("USDC", 1)
    assert pool == detail.pool
    assert (pool.used, pool.borrow_index, pool.stress) == (Decimal("0.8125"), Decimal("1.000000000000003"), "steep")
    assert (past.supply_index, past.supplied, past.used) == (Decimal("1.000000000000001"), Decimal(1), Decimal("0.5"))


SNAPSHOT = pb.Account(
    account=9,
    machine="risk/0",
    seq=1,
    subaccounts=[
        pb.Subaccount(
            subaccount=OWN,
            balances=[pb.Balance(asset=1, idle=5 * UNIT, lent=10 * UNIT), pb.Balance(asset=2, owed=UNIT // 4)],
            modes=27,
        )
    ],
)


def test_an_account_shows_what_is_lent_and_owed_and_its_modes() -> None:
    view = LISTED.account(SNAPSHOT)
    assert [(one.asset, one.lent, one.owed) for one in view.balances] == [
        ("USDC", Decimal(10), Decimal(0)),
        ("BTC", Decimal(0), Decimal("0.25")),
    ]
    assert view.modes[0].modes == ("lend", "redeem", "repay", "realise")
    header = next(line for line in drawn(account_tables(view)) if "asset" in line)
    assert header.replace("┃", " ").split() == ["asset", "idle", "hold", "lent", "owed"]


def test_the_mirror_of_an_account_follows_claims_debts_and_modes() -> None:
    mirror = AccountMirror(SNAPSHOT, LISTED)
    changed = feeds_pb2.BalanceChanged(subaccount=OWN, asset=1, idle=UNIT, lent=14 * UNIT, cause="lend")
    mirror.take(feeds_pb2.FeedRecord(machine="risk/0", seq=2, balance_changed=changed))
    owed = feeds_pb2.BalanceChanged(subaccount=OWN + 1, asset=1, owed=7, cause="pulse")
    mirror.take(feeds_pb2.FeedRecord(machine="risk/0", seq=3, balance_changed=owed))
    modes = feeds_pb2.ModesSet(subaccount=OWN, modes=4)
    mirror.take(feeds_pb2.FeedRecord(machine="risk/0", seq=4, modes_set=modes))
    view = mirror.view()
    assert [(one.subaccount, one.lent, one.owed) for one in view.balances if one.asset == "USDC"] == [
        (3, Decimal(14), Decimal(0)),
        (4, Decimal(0), Decimal("0.00000007")),
    ]
    assert {one.subaccount: one.modes for one in view.modes} == {
        3: ("borrow",),
        4: ("lend", "redeem", "repay", "realise"),
    }


def test_modes_are_named_and_no_others_taken() -> None:
    assert modes_command(["repay", "lend"], subaccount=2).set_modes == pb.SetModes(subaccount=2, modes=9)
    assert modes_command([]).set_modes.modes == 0
    with pytest.raises(ValueError, match="no mode sleep: there are lend"):
        modes_command(["sleep"])


LINES = [
    (
        feeds_pb2.FeedRecord(
            interest_accrued=feeds_pb2.InterestAccrued(
                subaccount=OWN, asset=1, amount=-5, shares=7, from_period=1, to_period=2
            )
        ),
        "asset=USDC amount=-0.00000005 shares=7",
    ),
    (feeds_pb2.FeedRecord(modes_set=feeds_pb2.ModesSet(subaccount=OWN, modes=5)), "modes=lend,borrow"),
    (feeds_pb2.FeedRecord(pool_updated=POOL), "supply=1.000000000000001"),
    (feeds_pb2.FeedRecord(pool_updated=POOL), "cash=231,481.33564815 used=0.8125 "),
    (feeds_pb2.FeedRecord(pool_updated=POOL), "stress=steep"),
    (
        feeds_pb2.FeedRecord(loss_borne=feeds_pb2.LossBorne(asset=1, period=3, by_reserve=UNIT)),
        "by_reserve=1",
    ),
]


@pytest.mark.parametrize(("record", "text"), LINES)
def test_events_of_lending_are_told_in_decimals(record: feeds_pb2.FeedRecord, text: str) -> None:
    assert text in event_line(record, LISTED)
