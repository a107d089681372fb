"""Laws of closing at the market: whoever is short of initial margin gets out, and is never worse off by it (F-DX-6)."""

import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.core import messages as m
from services.core.collateral import worth
from services.core.markets import Market
from services.core.messages import TimeInForce
from services.risk.health import Health, health, price_of
from services.risk.margin import lowers_risk, protection_price
from services.risk.state import Exposure
from tests.builders import BTC, FUTURE, INVERSE, USDC_UNIT, Person, only
from tests.properties.histories import seeds
from tests.properties.portfolios import STEEP, Shard

ROUNDING = 4
"""Units of worth that a fill, its fee and a sum over assets may round away."""
CONTRACTS = (BTC, INVERSE, FUTURE, STEEP)


def person_in_need(chance: random.Random, needs: int, positions: int) -> tuple[Shard, Person]:
    """Shard of somebody with positions, who has lost so much that `needs` thousandths of what lies between his margins are left."""
    shard = Shard(chance, count=1)
    who = shard.people[0]
    state = shard.state
    shard.deposit(who, 1, 200_000 * USDC_UNIT)
    if chance.random() < 0.5:
        shard.deposit(who, 2, 2 * USDC_UNIT)
    for market in chance.sample(CONTRACTS, positions):
        mark, side = state.marks[market.id].price, chance.choice((1, -1))
        lots = chance.randint(10, 50_000) if market.is_inverse else chance.randint(100, 100_000)
        for sent in only(m.OrderAdmitted, shard.place(who, market, side, lots * market.lot, mark)):
            shard.fill(shard.open[sent.subaccount, sent.ref], sent.size, mark)
    assume(state.subaccount(who.subaccount).exposures)
    for _ in range(4):
        now = health(state, state.subaccount(who.subaccount))
        wanted = now.maintenance + (now.initial - now.maintenance) * needs // 1_000
        if now.equity > wanted:
            shard.owe(who, 1, (now.equity - wanted) // worth(state.assets[1], 1, price_of(state, state.assets[1])))
    return shard, who


def is_in_need(now: Health) -> bool:
    """Whether initial margin is lacking, but not maintenance margin."""
    return now.equity >= now.maintenance and now.equity_initial < now.initial


def close(shard: Shard, who: Person, market: Market, exposure: Exposure) -> m.OrderAdmitted | None:
    """Sell or buy back a whole position at the market, reduce-only."""
    side = -1 if exposure.size > 0 else 1
    said = shard.place(who, market, side, abs(exposure.size), 0, tif=TimeInForce.IOC, reduce_only=True)
    return next(iter(only(m.OrderAdmitted, said)), None)


@settings(max_examples=60)
@given(seed=seeds, needs=st.integers(0, 999), positions=st.integers(1, 3))
def test_whoever_lacks_initial_margin_gets_out_at_the_market_and_is_not_riskier(
    seed: int, needs: int, positions: int
) -> None:
    """A whole position; a fill of all or of a part at the price that risk bounds it by leaves at least as much equity per margin."""
    chance = random.Random(seed)
    shard, who = person_in_need(chance, needs, positions)
    state = shard.state
    one = state.subaccount(who.subaccount)
    before = health(state, one)
    assume(is_in_need(before))
    exposure = chance.choice(list(one.exposures.values()))
    market = state.markets[exposure.market]
    sent = close(shard, who, market, exposure)
    assert sent is not None
    edge = protection_price(market, sent.side, state.marks[market.id].price)
    assert sent.side * sent.price <= sent.side * edge
    assert sent.price % market.tick == 0
    part = sent.size if chance.random() < 0.7 else max(1, sent.size // market.lot // 2) * market.lot
    shard.fill(shard.open[sent.subaccount, sent.ref], part, sent.price)
    after = health(state, one)
    assert lowers_risk(before.equity, before.maintenance, after.equity + ROUNDING, after.maintenance)


@settings(max_examples=40)
@given(seed=seeds, needs=st.integers(0, 999))
def test_the_price_is_the_worst_that_lowers_risk(seed: int, needs: int) -> None:
    """A tick worse, as a limit, is refused."""
    chance = random.Random(seed)
    shard, who = person_in_need(chance, needs, 2)
    state = shard.state
    one = state.subaccount(who.subaccount)
    assume(is_in_need(health(state, one)))
    exposure = chance.choice(list(one.exposures.values()))
    market = state.markets[exposure.market]
    sent = close(shard, who, market, exposure)
    assert sent is not None
    edge = protection_price(market, sent.side, state.marks[market.id].price)
    shard.cancel(shard.open[sent.subaccount, sent.ref])
    for price, is_taken in ((sent.price, True), (sent.price + sent.side * market.tick, False)):
        said = shard.place(who, market, sent.side, sent.size, price, tif=TimeInForce.IOC, reduce_only=True)
        if sent.side * price <= sent.side * edge:
            assert bool(only(m.OrderAdmitted, said)) is is_taken
        for order in list(shard.open.values()):
            shard.cancel(order)
