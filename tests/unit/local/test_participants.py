"""Participants are seeded clients; what they ask for is on tick and lot."""

from decimal import Decimal

from services.client.views import AccountView, Margin, Position
from services.local.participants import SYMBOL, Crowd, Gambler, Maker, MarketView


def view() -> MarketView:
    seen = MarketView(tick=Decimal("0.1"), lot=Decimal("0.0001"))
    for minute in range(11):
        seen.look(minute * 60_000, Decimal(8_000 - 10 * minute), Decimal(8_000))
    return seen


def account(size: str = "0", equity: str = "20000") -> AccountView:
    margin = Margin(0, "USDC", Decimal(equity), Decimal(0), Decimal(0))
    position = Position(0, SYMBOL, Decimal(size), Decimal(8_000), Decimal(0))
    return AccountView(1, 1, 1, (), (position,), (), (margin,), ())


async def test_the_same_seed_has_the_same_keys() -> None:
    keys = [[one.vigil.key for one in Crowd("127.0.0.1:1", 8, seed).participants] for seed in (1, 1, 2)]
    accounts = [[key.account for key in some if key is not None] for some in keys]
    assert accounts[0] == accounts[1]
    assert len({*accounts[0], *accounts[2]}) == 16


def test_moves_are_relative_to_the_mark_then() -> None:
    assert view().move(600_000) == Decimal(7_900) / 8_000 - 1
    assert view().move(0) == 0


async def test_a_maker_quotes_both_sides_on_tick_and_lot_and_one_side_at_its_limit() -> None:
    maker = Maker("127.0.0.1:1", "maker", 1)
    orders = [command.place_order for command in await maker.decide(view(), account())]
    assert len(orders) == 6
    bids = [Decimal(order.price) for order in orders if order.side == 1]
    asks = [Decimal(order.price) for order in orders if order.side == 2]
    assert max(bids) < min(asks)
    assert all(Decimal(order.price) % view().tick == 0 for order in orders)
    assert all(Decimal(order.size) % view().lot == 0 for order in orders)
    assert len({order.client_id for order in orders}) == 6
    full = await maker.decide(view(), account(size="400"))
    assert {command.place_order.side for command in full} == {2}


async def test_a_gambler_stops_at_its_leverage() -> None:
    gambler = Gambler("127.0.0.1:1", "gambler", 1)
    size = Decimal(20_000) * gambler.leverage / view().mark
    assert await gambler.decide(view(), account(size=str(size))) == []
    assert len(await gambler.decide(view(), account(size="0.1"))) == 1
