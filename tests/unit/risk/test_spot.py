"""Spot at risk: what is given is held, both assets move against clearing, nothing is lent; transfers and delisting beside it."""

import pytest

from services.core import messages as m
from services.core.reasons import Reason
from tests.builders import ALICE, BITCOIN, BOB, COIN, DOLLAR, SPOT, USDC_UNIT, Driven, only, reason_of, the

MARK = 8_000 * DOLLAR
USD = USDC_UNIT
WHO = ALICE.subaccount


@pytest.fixture
def spot(risk: Driven) -> Driven:
    """Risk with a spot market at 8,000.00 beside the perpetual, fee 0.1 %."""
    risk.tell(m.AssetListed(BITCOIN))
    risk.tell(m.MarketListed(SPOT))
    risk.tell(m.SettlementMarked(2, MARK))
    return risk


def money(risk: Driven) -> tuple[dict[int, int], dict[int, int]]:
    """Idle money and holds of Alice."""
    subaccount = risk.state.subaccounts[WHO]
    return dict(subaccount.idle), dict(subaccount.holds)


def test_a_purchase_holds_all_it_pays_and_exchanges_both_assets(spot: Driven) -> None:
    tenth = COIN // 10
    ref = the(m.OrderAdmitted, spot.tell(spot.commands.place(ALICE, 1, tenth, MARK, market=2))).ref
    assert money(spot)[1] == {1: 800 * USD + 8 * USD // 10}
    fill = m.OrderFilled(WHO, 2, ref, 21, 1, MARK - 1_000, tenth, -799 * USD, is_maker=False, remaining=0)
    events = spot.tell(fill)
    fee = 799 * USD // 1_000
    assert money(spot) == ({1: 201 * USD - fee, 2: 10**7}, {1: 0})
    assert [(one.asset, one.idle) for one in only(m.BalanceChanged, events)] == [(2, 10**7), (1, 201 * USD - fee)]
    assert not only(m.PositionChanged, events)
    ref = the(m.OrderAdmitted, spot.tell(spot.commands.place(ALICE, -1, tenth, MARK, market=2))).ref
    assert money(spot)[1] == {1: 0, 2: 10**7}
    spot.tell(m.OrderFilled(WHO, 2, ref, 22, 2, MARK, -tenth, 800 * USD, is_maker=True, remaining=0))
    assert money(spot) == ({1: 1_001 * USD - fee, 2: 0}, {1: 0, 2: 0})


def test_nobody_sells_what_he_has_not_or_pays_with_margin_in_use(spot: Driven) -> None:
    sale = the(m.CommandResolved, spot.tell(spot.commands.place(ALICE, -1, 100, MARK, market=2)))
    assert (sale.reason, sale.limit) == (Reason.INSUFFICIENT_FUNDS, 0)
    spot.tell(spot.commands.place(ALICE, 1, 2 * COIN, MARK))
    purchase = the(m.CommandResolved, spot.tell(spot.commands.place(ALICE, 1, COIN // 10, MARK, market=2)))
    assert (purchase.reason, purchase.limit) == (Reason.INSUFFICIENT_MARGIN, 800 * USD + 8 * USD // 10 - 192 * USD)
    reduce_only = spot.commands.place(ALICE, -1, 100, MARK, market=2, reduce_only=True)
    assert reason_of(spot.tell(reduce_only)) is Reason.INVALID_ORDER


def test_unrealised_profit_buys_no_coins(spot: Driven) -> None:
    spot.tell(spot.commands.place(ALICE, 1, COIN, MARK))
    spot.tell(m.OrderFilled(WHO, 1, 1, 11, 1, MARK, COIN, -8_000 * USD, is_maker=False, remaining=0))
    spot.tell(m.MarksUpdated([(1, 2 * MARK, MARK), (2, MARK, MARK)]))
    asked = spot.commands.place(ALICE, 1, COIN // 4, MARK, market=2)
    refused = the(m.CommandResolved, spot.tell(asked))
    assert (refused.reason, refused.limit) == (Reason.INSUFFICIENT_FUNDS, 996 * USD)


def test_coins_are_withdrawn_but_for_what_a_sale_holds(spot: Driven) -> None:
    spot.tell(m.DepositCredited(WHO, 2, 10**8, 2))
    spot.tell(spot.commands.place(ALICE, -1, COIN // 4, MARK, market=2))
    refused = the(m.CommandResolved, spot.tell(spot.commands.withdraw(ALICE, 10**8, asset=2)))
    assert (refused.reason, refused.limit) == (Reason.INSUFFICIENT_FUNDS, 75_000_000)


def test_a_transfer_moves_what_may_leave(spot: Driven) -> None:
    events = spot.tell(spot.commands.transfer(ALICE, 400 * USD))
    assert [one.cause for one in only(m.BalanceChanged, events)] == ["transfer", "transfer"]
    assert spot.state.subaccounts[WHO + 1].idle == {1: 400 * USD}
    spot.tell(spot.commands.place(ALICE, 1, COIN, MARK))
    refused = the(m.CommandResolved, spot.tell(spot.commands.transfer(ALICE, 600 * USD)))
    assert (refused.reason, refused.limit) == (Reason.INSUFFICIENT_FUNDS, 196 * USD)
    for receiver in (0, 256):
        assert reason_of(spot.tell(spot.commands.transfer(ALICE, USD, receiver))) is Reason.INVALID_SUBACCOUNT


def test_a_transfer_settles_the_receivers_debt_first(spot: Driven) -> None:
    receiver = spot.state.subaccount(WHO + 1)
    receiver.unsettled[1], receiver.idle[1] = -100 * USD, 100 * USD
    spot.tell(spot.commands.transfer(ALICE, 150 * USD))
    assert (receiver.unsettled[1], receiver.idle[1]) == (0, 150 * USD)


def test_a_tier_pays_its_share_of_the_fees(spot: Driven) -> None:
    spot.tell(m.FeeScheduleSet([(3, 0, 5 * 10**11)]))
    spot.tell(m.AccountTierSet(ALICE.account, 3))
    for trade, is_maker in ((1, True), (2, False)):
        ref = the(m.OrderAdmitted, spot.tell(spot.commands.place(ALICE, 1, 1_000, MARK))).ref
        fill = m.OrderFilled(WHO, 1, ref, trade, trade, MARK, 1_000, -80 * USD, is_maker=is_maker, remaining=0)
        fee = the(m.FillBooked, spot.tell(fill)).fee
        assert fee == (0 if is_maker else 80 * USD // 4_000)


def test_a_delisted_market_closes_every_position_at_one_price(risk: Driven) -> None:
    risk.tell(risk.commands.open(BOB))
    risk.tell(m.DepositCredited(BOB.subaccount, 1, 1_000 * USD, 2))
    for who, side in ((ALICE, 1), (BOB, -1)):
        ref = the(m.OrderAdmitted, risk.tell(risk.commands.place(who, side, COIN, MARK))).ref
        fill = m.OrderFilled(who.subaccount, 1, ref, ref, 1, MARK, side * COIN, -side * 8_000 * USD, False, 0)  # noqa: FBT003
        risk.tell(fill)
    risk.tell(m.MarketDelisted(1, MARK + 100 * DOLLAR))
    left = [risk.state.subaccounts[who.subaccount] for who in (ALICE, BOB)]
    assert [one.idle[1] for one in left] == [1_096 * USD, 896 * USD]
    assert not any(one.exposures for one in left)
    assert risk.state.house[m.Book.CLEARING][0][1] == {-1: 0, 1: 0}
    refused = the(m.CommandResolved, risk.tell(risk.commands.place(ALICE, 1, COIN, MARK)))
    assert (refused.reason, refused.limit) == (Reason.MARKET_STATE, m.MarketState.DELISTED)
