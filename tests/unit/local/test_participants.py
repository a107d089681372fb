"""Participants are seeded clients; what they ask for is on tick and lot, and stops at their limits."""

import re
from decimal import Decimal
from typing import Any

import pytest

from services.client.listed import Listed
from services.client.pool_view import PoolView
from services.client.views import AccountView, Balance, Margin, Order, Position
from services.local.participants.arbitrage import Arbitrageur
from services.local.participants.borrowers import SLICE, TAKES_RATE, Borrower, wealth
from services.local.participants.crowd import Crowd, Mix
from services.local.participants.makers import AGE_MAX_MS, LEVELS, Maker
from services.local.participants.takers import Follower, Gambler, Passer
from services.local.participants.view import MarketView, NoSuchMarket, View
from vigil.v1 import common_pb2, market_data_pb2
from vigil.v1 import trading_pb2 as pb

NOWHERE = "127.0.0.1:1"
PERPETUAL = "BTC_USDC_PERP"
SPOT = "BTC_USDC"


def listings() -> market_data_pb2.Listings:
    usdc = common_pb2.Asset(id=1, symbol="USDC", decimals=8)
    btc = common_pb2.Asset(id=2, symbol="BTC", decimals=8, faucet_max=100 * 10**8)
    common: dict[str, Any] = {
        "settlement_asset": 1,
        "order_size_max": 10**7,
        "index": "BTC_USD",
        "price_decimals": 2,
        "size_decimals": 5,
        "tick": 10,
        "lot": 1,
    }
    perpetual = common_pb2.Market(id=1, symbol=PERPETUAL, kind=1, **common)
    spot = common_pb2.Market(id=4, symbol=SPOT, kind=2, base_asset=2, **common)
    return market_data_pb2.Listings(assets=[usdc, btc], markets=[perpetual, spot])


def falling() -> View:
    """Ten minutes in which both marks fall from 8,000 to 7,900."""
    view = View()
    view.begin(Listed(listings()), ())
    view.now_ms = 600_000
    for market in view.markets.values():
        for minute in range(11):
            market.look(minute * 60_000, Decimal(8_000 - 10 * minute), Decimal(8_000))
    return view


def account(size: str = "0", equity: str = "20000", base: str = "50", quotes: int = 0) -> AccountView:
    margin = Margin(0, "USDC", Decimal(equity), Decimal(0), Decimal(0))
    position = Position(0, PERPETUAL, Decimal(size), Decimal(8_000), Decimal(0))
    balance = Balance(0, "BTC", Decimal(base), Decimal(0), Decimal(0))
    orders = [
        Order(0, symbol, number, number, "buy", Decimal(7_900), Decimal(1), Decimal(1))
        for symbol in (PERPETUAL, SPOT)
        for number in range(1, quotes + 1)
    ]
    return AccountView(1, 1, 1, (balance,), (position,), tuple(orders), (margin,), ())


def perpetual() -> MarketView:
    return falling().markets[PERPETUAL]


async def test_the_same_seed_has_the_same_keys() -> None:
    keys = [[one.vigil.key for one in Crowd(NOWHERE, Mix(2, 5, 1), seed).participants] for seed in (1, 1, 2)]
    accounts = [[key.account for key in some if key is not None] for some in keys]
    assert accounts[0] == accounts[1]
    assert len({*accounts[0], *accounts[2]}) == 16


def test_only_listed_markets_are_traded() -> None:
    with pytest.raises(NoSuchMarket, match=re.escape("no market DOGE_USDC; the venue lists BTC_USDC_PERP, BTC_USDC")):
        View().begin(Listed(listings()), ["DOGE_USDC"])
    view = View()
    view.begin(Listed(listings()), [SPOT])
    assert list(view.markets) == [SPOT]
    assert view.markets[SPOT].base_faucet == 100


def test_moves_are_relative_to_the_mark_then() -> None:
    assert perpetual().move(600_000) == Decimal(7_900) / 8_000 - 1
    assert perpetual().move(0) == 0


def quotes_of(commands: list[pb.Command]) -> dict[str, list[pb.Quote]]:
    assert all(command.WhichOneof("request") == "mass_quote" for command in commands)
    return {command.mass_quote.symbol: list(command.mass_quote.quotes) for command in commands}


async def test_a_maker_quotes_both_sides_of_every_market_on_tick_and_lot() -> None:
    quotes = quotes_of(await Maker(NOWHERE, "maker", 1).decide(falling(), account()))
    assert set(quotes) == {PERPETUAL, SPOT}
    for ladder in quotes.values():
        bids = [Decimal(quote.price) for quote in ladder if quote.side == common_pb2.SIDE_BID]
        asks = [Decimal(quote.price) for quote in ladder if quote.side == common_pb2.SIDE_ASK]
        assert len(bids) == len(asks) == len(LEVELS)
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < Decimal(7_950) < asks[0], "round the middle of mark and index"
        assert all(Decimal(quote.price) % Decimal("0.1") == 0 for quote in ladder)
        assert all(Decimal(quote.size) > 0 for quote in ladder)
        assert len({quote.client_id for quote in ladder}) == len(ladder)


INVENTORIES = [
    ("long: asks alone, below the middle", "400", "50", PERPETUAL, common_pb2.SIDE_ASK),
    ("short: bids alone", "-400", "50", PERPETUAL, common_pb2.SIDE_BID),
    ("more of the base than it wants", "0", "300", SPOT, common_pb2.SIDE_ASK),
    ("hardly any base left", "0", "0", SPOT, common_pb2.SIDE_BID),
]


@pytest.mark.parametrize(
    ("size", "base", "symbol", "side"), [row[1:] for row in INVENTORIES], ids=[row[0] for row in INVENTORIES]
)
async def test_a_full_maker_withdraws_one_side(
    size: str, base: str, symbol: str, side: "common_pb2.Side.ValueType"
) -> None:
    ladder = quotes_of(await Maker(NOWHERE, "maker", 1).decide(falling(), account(size, base=base)))[symbol]
    assert {quote.side for quote in ladder if Decimal(quote.size)} == {side}
    assert len(ladder) == 2 * len(LEVELS), "the other side is withdrawn, not forgotten"


async def test_a_maker_offers_no_more_of_a_spot_asset_than_it_has() -> None:
    ladder = quotes_of(await Maker(NOWHERE, "maker", 1).decide(falling(), account(base="2")))[SPOT]
    offered = sum(Decimal(quote.size) for quote in ladder if quote.side == common_pb2.SIDE_ASK)
    assert Decimal(1) < offered <= 2


async def test_a_maker_leaves_good_quotes_alone() -> None:
    maker, view, all_ = Maker(NOWHERE, "maker", 1), falling(), 2 * len(LEVELS)
    await maker.decide(view, account())
    assert await maker.decide(view, account(quotes=all_)) == []
    assert set(quotes_of(await maker.decide(view, account("0.1", quotes=all_)))) == {PERPETUAL}, (
        "its quotes traded there"
    )
    view.markets[SPOT].look(601_000, Decimal(7_902), Decimal(8_000))
    assert set(quotes_of(await maker.decide(view, account("0.1", quotes=all_)))) == {SPOT}, "the middle moved there"
    assert len(await maker.decide(view, account("0.1", quotes=all_ - 1))) == 2, "the venue cancelled some"
    for market in view.markets.values():
        market.now_ms += AGE_MAX_MS
    assert len(await maker.decide(view, account("0.1", quotes=all_))) == 2, "they are old"


async def test_takers_spread_over_the_perpetuals() -> None:
    listed = listings()
    for number, symbol in enumerate(("ETH_USDC_PERP", "SOL_USDC_PERP"), 2):
        copy = listed.markets.add()
        copy.CopyFrom(listed.markets[0])
        copy.id, copy.symbol = number, symbol
    view = View()
    view.begin(Listed(listed), ())
    markets = [Gambler(NOWHERE, "gambler", 1, place=place).market(view) for place in range(6)]
    assert [market.symbol.partition("_")[0] for market in markets if market] == [
        *("BTC", "ETH", "BTC", "SOL", "BTC", "ETH"),
    ]
    spot_alone = View()
    spot_alone.begin(Listed(listed), [SPOT])
    assert await Gambler(NOWHERE, "gambler", 1).decide(spot_alone, account()) == []


INVERSE = "BTC_USD_IPERP"
FUTURE = "BTC_USD_20200313"


def with_coins() -> market_data_pb2.Listings:
    """The listings with an inverse perpetual, a future that ends after an hour, and a unit of account."""
    listed = listings()
    listed.assets[0].collateral.SetInParent()
    listed.assets[1].collateral.index = "BTC_USD"
    contract = {"settlement_asset": 2, "order_size_max": 10**6, "index": "BTC_USD", "price_decimals": 2, "lot": 1}
    listed.markets.add(id=7, symbol=INVERSE, kind=3, tick=10, face=100, mark_interval_ms=2_000, **contract)
    ends = {"expires_ms": 3_600_000, "mark_interval_ms": 5_000}
    listed.markets.add(id=8, symbol=FUTURE, kind=5, tick=10, face=10_000, **ends, **contract)
    return listed


def marked(listed: Listed, now_ms: int = 1_000) -> View:
    view = View()
    view.begin(listed, ())
    for market in view.markets.values():
        market.look(now_ms, Decimal(8_000), Decimal(8_000))
    view.now_ms = now_ms
    return view


async def test_contracts_are_worth_their_face_and_equity_is_in_one_money() -> None:
    view = marked(Listed(with_coins()))
    inverse, future = view.markets[INVERSE], view.markets[FUTURE]
    assert inverse.size_worth(Decimal(20_000)) == 20_000
    assert future.size_worth(Decimal(20_000)) == 200
    assert inverse.worth(Decimal(-5)) == -5
    assert view.markets[PERPETUAL].worth(Decimal(-5)) == -40_000
    assert {market.money for market in view.markets.values()} == {"USDC"}
    assert Gambler(NOWHERE, "gambler", 1).endowment(view) == [("USDC", Gambler.deposit)]
    assert [(spot.symbol, perpetual.symbol) for spot, perpetual in view.pairs()] == [(SPOT, PERPETUAL)]


async def test_what_is_marked_rarely_is_quoted_rarely_and_on_fewer_levels() -> None:
    maker, view = Maker(NOWHERE, "maker", 1), marked(Listed(with_coins()))
    first = quotes_of(await maker.decide(view, account()))
    assert len(first[PERPETUAL]) == 2 * len(first[INVERSE]) == 2 * len(first[FUTURE]) == 2 * len(LEVELS)
    quoted: list[str] = []
    for second in range(2, 19):
        for market in view.markets.values():
            market.look(second * 1_000, Decimal(8_000 + 10 * second), Decimal(8_000))
        quoted += quotes_of(await maker.decide(view, account()))
    assert (quoted.count(PERPETUAL), quoted.count(INVERSE), quoted.count(FUTURE)) == (17, 4, 1)


async def test_a_future_comes_with_its_listing_and_goes_with_its_end() -> None:
    view, both = marked(Listed(listings())), Listed(with_coins())
    assert FUTURE not in view.markets
    view.take_up(both)
    assert view.markets[FUTURE].mark == 0
    assert view.markets[PERPETUAL].mark == 8_000, "what was seen stays"
    taker = Gambler(NOWHERE, "gambler", 1, place=3)
    taker.symbol = FUTURE
    chosen = taker.market(view)
    assert chosen is not None
    assert chosen.symbol == FUTURE
    view.look(3_600_000, [])
    view.take_up(Listed(with_coins()))
    assert FUTURE not in view.markets
    assert taker.market(view) is view.markets[INVERSE]


async def test_a_gambler_stops_at_its_leverage() -> None:
    gambler = Gambler(NOWHERE, "gambler", 1)
    size = Decimal(20_000) * gambler.leverage / perpetual().mark
    assert await gambler.decide(falling(), account(size=str(size))) == []
    assert len(await gambler.decide(falling(), account(size="0.1"))) == 1


async def test_a_follower_joins_a_move_and_leaves_when_it_turns() -> None:
    follower = Follower(NOWHERE, "follower", 1)
    (entry,) = await follower.decide(falling(), account())
    assert entry.place_order.side == common_pb2.SIDE_ASK
    (way_out,) = await follower.decide(falling(), account(size="1"))
    assert way_out.place_order.reduce_only
    assert await follower.decide(falling(), account(size="-1")) == []


async def test_a_passer_sells_no_more_of_a_spot_market_than_it_has() -> None:
    passer, market = Passer(NOWHERE, "passer", 1), falling().markets[SPOT]
    for _ in range(50):
        for command in await passer.trade(market, account(base="0.1")):
            order = command.place_order
            assert order.side == common_pb2.SIDE_BID or Decimal(order.size) < Decimal("0.1")


BASES = [
    ("perpetual dearer: spot is bought", 7_900, 7_950, "25", common_pb2.SIDE_BID),
    ("spot dearer: spot is sold", 7_950, 7_900, "25", common_pb2.SIDE_ASK),
    ("no basis, nothing held", 7_900, 7_901, "25", None),
    ("no basis any more: what was bought is sold", 7_900, 7_901, "26", common_pb2.SIDE_ASK),
    ("a basis that pays for no more than it has", 7_900, 7_910, "26", None),
    ("full", 7_900, 7_950, "37.5", None),
]


@pytest.mark.parametrize(("spot", "perp", "base", "side"), [row[1:] for row in BASES], ids=[row[0] for row in BASES])
async def test_an_arbitrageur_trades_both_legs_against_each_other(
    spot: int, perp: int, base: str, side: "common_pb2.Side.ValueType | None"
) -> None:
    view = falling()
    for symbol, price in ((SPOT, spot), (PERPETUAL, perp)):
        view.markets[symbol].best_bid, view.markets[symbol].best_ask = Decimal(price), Decimal(price) + 1
    ((first, second),) = view.pairs()
    legs = Arbitrageur(NOWHERE, "arbitrageur", 1).legs(first, second, account(base=base))
    sides = [leg.place_order.side for leg in legs]
    assert sides == ([] if side is None else [side, 3 - side])
    assert len({leg.place_order.size for leg in legs}) <= 1, "as much of one as of the other"


def indebted(dollars: str = "0", coins: str = "0", owed: str = "", amount: str = "0") -> AccountView:
    """Somebody who lends dollars and coins, and owes an amount of one of them."""
    nothing = Decimal(0)
    lent = {"USDC": Decimal(dollars), "BTC": Decimal(coins)}
    balances = tuple(
        Balance(0, asset, nothing, nothing, nothing, lent[asset], Decimal(amount) if asset == owed else nothing)
        for asset in lent
    )
    return AccountView(1, 1, 1, balances, (), (), (), ())


def pool_at(rate: Decimal, asset: str) -> PoolView:
    n = Decimal(0)
    return PoolView(asset, "open", "calm", 7, 0, n, n, n, n, n, n, rate, n, n, n, n, n, n, 0, 0)


CHEAP, DEAR = TAKES_RATE, 2 * TAKES_RATE + Decimal("0.01")
BUYS, SELLS = common_pb2.SIDE_BID, common_pb2.SIDE_ASK
BORROWERS = [
    ("dollars are cheap", 0, indebted(coins="100"), CHEAP, (BUYS, True)),
    ("enough is owed", 0, indebted(coins="100", owed="USDC", amount="500000"), CHEAP, None),
    ("between cheap and dear", 0, indebted(coins="100"), TAKES_RATE * 3 / 2, None),
    ("dollars are dear", 0, indebted(coins="100", owed="USDC", amount="90000"), DEAR, (SELLS, False)),
    ("dear, and nothing is owed", 0, indebted(coins="100"), DEAR, None),
    ("coins are cheap", 1, indebted(dollars="800000"), CHEAP, (SELLS, True)),
    ("coins are dear", 1, indebted(dollars="900000", owed="BTC", amount="10"), DEAR, (BUYS, False)),
]


@pytest.mark.parametrize(
    ("place", "account", "rate", "expected"), [row[1:] for row in BORROWERS], ids=[row[0] for row in BORROWERS]
)
async def test_a_borrower_owes_its_part_while_that_is_cheap(
    place: int, account: AccountView, rate: Decimal, expected: tuple[int, bool] | None
) -> None:
    borrower, spot = Borrower(NOWHERE, "borrower", 1, place=place), falling().markets[SPOT]
    commands = borrower.trade(spot, account, pool_at(rate, "BTC" if place else "USDC"))
    orders = [command.place_order for command in commands]
    assert [(order.side, order.auto_borrow) for order in orders] == ([] if expected is None else [expected])
    assert all(order.auto_borrow is not order.auto_borrow_repay for order in orders)
    assert all(abs(Decimal(order.size) * 7_900 - SLICE) < 1 for order in orders)
    assert borrower.endowment(falling()) == [("USDC", borrower.deposit) if place else ("BTC", Decimal(100))]


def test_what_is_lent_counts_and_what_is_owed_does_not() -> None:
    spot = falling().markets[SPOT]
    assert spot.held(indebted(coins="3", owed="BTC", amount="1")) == 2
    assert wealth(spot, indebted("1000", "3", "USDC", "400")) == 3 * 7_900 + 600
