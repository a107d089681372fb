"""The period barrier at risk: when a shard reports, what it reports, what an opening does first (M-9, M-12)."""

import msgspec

from services.core import messages as m
from services.core.messages import Book, Mode
from services.core.pool import INDEX_ONE, PARTS_ONE, join
from services.risk.state import State
from tests.builders import ALICE, BOB, COIN, USDC_UNIT, Driven, but, genesis, only, the
from tests.pools import POOLED_USDC, account, claim, modes, opens, order, pay_in, pool_of, pooled, pulse, see, take

USD = USDC_UNIT


def test_a_pool_is_reported_as_soon_as_it_is_listed() -> None:
    risk = Driven("risk", partition=1, founding=genesis(risk=2))
    nothing = (0, 0)
    report = the(m.PoolDelta, risk.tell(m.AssetListed(POOLED_USDC)))
    assert report == m.PoolDelta(1, 1, 0, nothing, nothing, nothing, nothing, 0, 0)
    assert not only(m.PoolDelta, risk.tell(m.AssetListed(POOLED_USDC)))


def test_a_shard_reports_once_at_its_first_record_past_the_end() -> None:
    risk = pooled()
    opens(risk)
    assert not only(m.PoolDelta, risk.wait(59_999))
    assert the(m.PoolDelta, risk.wait(1)).period == 1
    assert not only(m.PoolDelta, risk.wait(120_000))


def test_who_hears_of_a_period_after_its_end_reports_at_the_next_record() -> None:
    risk = pooled()
    opens(risk, closes_at_ms=risk.now_ms - 1)
    assert the(m.PoolDelta, risk.tell(m.Tick())).period == 1


def test_a_report_has_what_waits_and_what_is_held() -> None:
    risk = pooled(line=1_000 * USD)
    pay_in(risk, 2_000)
    take(risk, 1, COIN // 2, 8_000)
    order(risk, 1, COIN // 10, 8_000, market=2)
    pulse(risk, 8_200)
    held = 800 * USD + 8 * USD // 10
    report = next(one for one in only(m.PoolDelta, risk.wait(60_000)) if one.asset == 1)
    assert (join(report.supply), report.debt) == (2_100 * USD * PARTS_ONE, (0, 0))
    assert join(report.cash) == 2_100 * USD * PARTS_ONE
    assert join(report.clearing) == -100 * USD * PARTS_ONE
    assert (report.line, report.held) == (1_000 * USD - held, held)


def test_a_part_of_a_unit_is_reported_and_snapshots_keep_it() -> None:
    risk = pooled(7_919)
    pay_in(risk, coins=10**7)
    take(risk, 1, 501, 7_919, market=3)
    take(risk, -1, 500, 7_919, market=3, who=ALICE)
    pulse(risk, 8_111, market=3)
    carry = risk.state.pulses[3].carry
    assert 0 < carry < PARTS_ONE
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(risk.state), type=State) == risk.state
    report = next(
        one for one in only(m.PoolDelta, risk.wait(3_600_000) + opens(risk, 2) + risk.wait(60_000)) if one.asset == 2
    )
    assert report.cash[1] == carry
    assert join(report.clearing) + join(report.cash) == 10**7 * PARTS_ONE


def test_series_beyond_64_bits_survive_a_snapshot() -> None:
    risk = pooled()
    pay_in(risk, 10_000_000)
    take(risk, 1, 100 * COIN, 8_000)
    for price in (8_100, 9_900, 13_000):
        pulse(risk, price)
        see(risk, price)
    series = join(risk.state.pulses[1].series[0])
    assert series > 2**64
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(risk.state), type=State)
    assert state == risk.state
    assert join(state.pulses[1].series[0]) == series


def test_an_opening_redeems_what_is_due_to_funds_then_fees_then_who_waits() -> None:
    risk = pooled()
    pay_in(risk, 2_000)
    pay_in(risk, 100_000, who=BOB)
    take(risk, 1, COIN, 8_000)
    pulse(risk, 6_200)
    sent = the(m.OrderAdmitted, [one for _ in range(3) for one in see(risk, 6_150)])
    fee, state = 4 * USD, risk.state
    risk.tell(
        m.OrderFilled(sent.subaccount, 1, sent.ref, 1, 1, 620_000, -COIN, 6_200 * USD, is_maker=False, remaining=0)
    )
    shares = {book: state.house.get(book, {}).get(0, {}) for book in (Book.FUND_DUE, Book.FEES)}
    due = sum(sum(assets.values()) for assets in shares[Book.FUND_DUE].values())
    assert (due > 0, claim(risk)[1]) == (True, 0)
    assert sum(shares[Book.FEES][0].values()) == fee
    events = opens(risk, line=due + fee // 2)
    assert only(m.FundContributed, events) == [m.FundContributed("main", 1, due)]
    assert shares[Book.FEES][0][1] == fee // 2
    assert state.pools[1].line == 0
    opens(risk, line=fee)
    assert (shares[Book.FEES][0][1], state.pools[1].line) == (fee, fee // 2)


def test_a_line_is_taken_back_at_most_as_far_as_it_is_unused() -> None:
    risk = pooled(line=100 * USD)
    pay_in(risk, 1_000)
    risk.tell(risk.commands.withdraw(ALICE, 70 * USD))
    opens(risk, line=-50 * USD)
    assert risk.state.pools[1].line == 0
    opens(risk, line=20 * USD)
    opens(risk, line=-5 * USD)
    assert risk.state.pools[1].line == 15 * USD


def test_a_write_down_takes_from_who_leaves_and_has_everybody_judged() -> None:
    risk = pooled(line=1_000 * USD)
    pay_in(risk, 1_000)
    modes(risk, Mode.REDEEM)
    risk.state.touched.clear()
    opens(risk, burn=INDEX_ONE * 9 // 10)
    assert account(risk).idle[1] == 900 * USD
    assert ALICE.subaccount in risk.state.touched
    assert pool_of(risk) == (0, 0, 100 * USD)


def test_what_is_minted_in_a_lossy_period_costs_the_mint_index() -> None:
    risk = pooled()
    opens(risk, burn=INDEX_ONE * 9 // 10)
    pay_in(risk, 1_000)
    assert account(risk).claims[1].supply == 1_000 * USD
    assert claim(risk) == (900 * USD, 0)


def test_periods_of_another_asset_do_not_matter() -> None:
    risk = pooled()
    opens(risk, asset=2, supply=2 * INDEX_ONE, mint=2 * INDEX_ONE, burn=2 * INDEX_ONE)
    pay_in(risk, 1_000, 10**8)
    assert (claim(risk), claim(risk, 2)) == ((1_000 * USD, 0), (10**8, 0))
    assert but(risk.state.pools[1].indices, closes_at_ms=0).period == 0
