"""What one owner's accounts may hold together, exactly at the match."""

import pytest

from services.core import messages as m
from services.core.messages import MarketState
from services.core.reasons import Reason
from tests.builders import BTC, COIN, Driven, but, only, the
from tests.unit.matching.book_terms import FIRST, MARK, ONE, THREE, TWO, change, order, queue, why

FOUR, FIVE = 1_024, 1_280
ALICE = 7
LIMIT = 3 * COIN


@pytest.fixture
def owned(matching: Driven) -> Driven:
    """ONE and TWO are accounts of one owner."""
    change(matching, owner_position_max=LIMIT)
    for account in (1, 2):
        assert matching.tell(m.OwnerSet(account, ALICE)) == []
    return matching


def trade(matching: Driven, buyer: int, seller: int, size: int, price: int = MARK) -> list[m.Message]:
    """Let the seller's order rest and the buyer's take it."""
    matching.tell(order(seller, -1, size, price))
    return matching.tell(order(buyer, 1, size, price))


def test_positions_of_one_owner_stop_together_whatever_their_sides(owned: Driven) -> None:
    trade(owned, ONE, FOUR, 2 * COIN)
    trade(owned, FIVE, TWO, COIN)
    events = trade(owned, TWO + 1, FOUR, COIN)
    assert why(events) == (Reason.OWNER_LIMIT, LIMIT)
    owned.tell(order(THREE, 1))
    assert owned.state.trading[1].owner_sizes == {ALICE: LIMIT, -3: COIN, -4: LIMIT, -5: COIN}


def test_the_takers_rest_is_cancelled_when_it_is_the_takers_limit(owned: Driven) -> None:
    owned.tell(order(FOUR, -1, 2 * COIN))
    owned.tell(order(FIVE, -1, 2 * COIN))
    events = owned.tell(order(ONE, 1, 4 * COIN))
    assert sum(one.size for one in only(m.TradeExecuted, events)) == LIMIT
    assert why(events) == (Reason.OWNER_LIMIT, LIMIT)
    assert the(m.OrderCancelled, events).remaining == COIN


def test_the_makers_rest_is_cancelled_when_it_is_the_makers_and_the_taker_goes_on(owned: Driven) -> None:
    trade(owned, ONE, FOUR, 2 * COIN)
    owned.tell(order(TWO, -1, 4 * COIN))
    owned.tell(order(FIVE, -1, COIN, MARK + 10))
    events = owned.tell(order(THREE, 1, 2 * COIN, MARK + 10))
    assert [(one.price, one.size) for one in only(m.TradeExecuted, events)] == [(MARK, COIN), (MARK + 10, COIN)]
    gone = the(m.OrderCancelled, events)
    assert (gone.subaccount, gone.remaining, gone.reason) == (TWO, 3 * COIN, Reason.OWNER_LIMIT)


def test_when_both_are_at_their_limits_the_order_that_rests_stays(owned: Driven) -> None:
    trade(owned, ONE, FOUR, 3 * COIN)
    owned.tell(order(FOUR, -1, COIN))
    assert why(owned.tell(order(TWO, 1, COIN))) == (Reason.OWNER_LIMIT, LIMIT)
    assert queue(owned, -1) == [(3, MARK, COIN)]


def test_who_closes_may_turn_around_but_not_grow(owned: Driven) -> None:
    """From long 3 the owner may sell 6, which leaves it as much, short."""
    trade(owned, ONE, FOUR, 3 * COIN)
    owned.tell(order(FIVE, 1, 3 * COIN))
    owned.tell(order(THREE, 1, 3 * COIN, MARK - 10))
    owned.tell(order(FOUR, 1, COIN, MARK - 20))
    events = owned.tell(order(ONE, -1, 7 * COIN, MARK - 20))
    assert sum(one.size for one in only(m.TradeExecuted, events)) == 6 * COIN
    assert why(events) == (Reason.OWNER_LIMIT, LIMIT)
    assert owned.state.trading[1].size_seen[ONE] == -LIMIT


def test_two_accounts_of_one_owner_grow_by_both_sides_of_a_trade(owned: Driven) -> None:
    """Half of an odd number of lots is rounded down."""
    change(owned, owner_position_max=3 * BTC.lot)
    events = trade(owned, ONE, TWO, 2 * BTC.lot)
    assert the(m.TradeExecuted, events).size == BTC.lot
    assert why(events) == (Reason.OWNER_LIMIT, 3 * BTC.lot)
    assert owned.state.trading[1].owner_sizes == {ALICE: 2 * BTC.lot}


def test_a_limit_that_falls_and_an_owner_that_is_named_close_nothing(owned: Driven) -> None:
    trade(owned, ONE, FOUR, 2 * COIN)
    owned.tell(m.OwnerSet(4, ALICE))
    assert owned.state.trading[1].owner_sizes == {ALICE: 4 * COIN}
    assert why(trade(owned, TWO, FIVE, COIN)) == (Reason.OWNER_LIMIT, LIMIT)
    owned.tell(m.CancelAllRequested(FIVE, 1))
    closing = trade(owned, FIVE, ONE, COIN)
    assert the(m.TradeExecuted, closing).size == COIN
    owned.tell(m.OwnerSet(4, 0))
    assert owned.state.trading[1].owner_sizes == {ALICE: COIN, -4: 2 * COIN, -5: COIN}
    change(owned, owner_position_max=0)
    assert owned.state.trading[1].owner_sizes == {}
    change(owned, owner_position_max=1)
    assert owned.state.trading[1].owner_sizes == {ALICE: COIN, -4: 2 * COIN, -5: COIN}


def test_the_open_interest_is_named_before_the_owner(owned: Driven) -> None:
    change(owned, open_interest_max=LIMIT)
    assert why(trade(owned, ONE, FOUR, 4 * COIN)) == (Reason.OPEN_INTEREST_LIMIT, LIMIT)


def test_an_auction_cuts_the_order_whose_owner_is_at_the_limit(owned: Driven) -> None:
    owned.tell(m.MarketStateSet(1, MarketState.AUCTION, owned.now_ms + 1_000))
    owned.tell(order(ONE, 1, 4 * COIN))
    owned.tell(order(FOUR, -1, 2 * COIN))
    owned.tell(order(FIVE, -1, 2 * COIN))
    events = owned.wait(1_000)
    cut = the(m.OrderReduced, events)
    assert (cut.order_id - FIRST, cut.reason, cut.size) == (1, Reason.OWNER_LIMIT, LIMIT)
    assert sum(one.size for one in only(m.TradeExecuted, events)) == LIMIT


def test_spot_has_no_positions_to_bound() -> None:
    machine = Driven("matching")
    spot = but(BTC, kind=2, base_asset=2, base_decimals=8, owner_position_max=1)
    machine.tell(m.MarketListed(spot))
    machine.tell(m.SettlementMarked(1, MARK))
    assert len(only(m.TradeExecuted, trade(machine, ONE, FOUR, COIN))) == 1
