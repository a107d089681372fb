"""Looked at together, orders never leave a subaccount more than looked at one by one: so whoever has room at a glance has room."""

import random

from hypothesis import given, settings

from services.risk.box import LADDER, box_of, prices_around
from services.risk.margin_call import POINT, least
from tests.properties.histories import seeds
from tests.properties.portfolios import Shard, equip, some_answer, some_order

STEPS = 60


@settings(max_examples=30)
@given(seed=seeds)
def test_a_glance_at_all_orders_never_says_more_than_a_look_at_each(seed: int) -> None:
    chance = random.Random(seed)
    shard = Shard(chance)
    equip(shard, chance)
    looks = 0
    for _ in range(STEPS):
        some_order(shard, chance)
        some_answer(shard, chance)
        shard.wait(chance.choice((100, 1_000, 9_000)))
        for index in shard.prices:
            shard.move(index, chance.uniform(-2.0, 2.0))
        shard.see_prices()
        for one in shard.subaccounts:
            if one.liquidation is None and any(exposure.orders for exposure in one.exposures.values()):
                ranges = box_of(shard.state, prices_around(shard.state, one), chance.choice(LADDER))
                for box in (POINT, ranges):
                    glance = least(shard.state, one, box, 0, singly=False)
                    assert glance <= least(shard.state, one, box, 0, singly=True)
                    looks += 1
    assert looks
