"""Laws of the lending pool, with naive shards that are late in any order: M-9, M-10, M-13, M-14."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core import pool as p
from tests.properties.naive_pool import NaiveVenue
from tests.properties.pool_histories import History

seeds = st.integers(0, 2**32)


@settings(max_examples=100)
@given(seed=seeds)
def test_what_is_claimed_is_always_covered_and_no_line_lacks_cash(seed: int) -> None:
    History(seed).run()


def at_rest(venue: NaiveVenue) -> tuple[int, int]:
    """What debts have cost and claims have brought in all, when nothing is under way, without the interest of the open period."""
    paid = earned = 0
    index = venue.updates[-2].indices.borrow
    for shard in venue.shards:
        paid += shard.paid + sum(-(-holder.debt * index // p.INDEX_ONE) for holder in shard.holders)
        earned += shard.earned + sum(shard.worth(holder) for holder in shard.holders)
    return paid, earned


def interest_adds_up(seed: int) -> None:
    """What debts have cost is what claims have brought, the reserve, what is kept back, and dust of rounding."""
    venue = History(seed, rough=False).run()
    venue.all()
    venue.all()
    paid, earned = at_rest(venue)
    now = venue.updates[-1]
    dust = paid - earned - now.reserve - now.kept_back
    holders = sum(len(shard.holders) for shard in venue.shards)
    assert 0 <= dust <= 2 * holders + 2


@settings(max_examples=60)
@given(seed=seeds)
def test_interest_paid_is_interest_earned_and_the_reserves_part_and_what_is_kept_back(seed: int) -> None:
    interest_adds_up(seed)


@settings(max_examples=60)
@given(seed=seeds)
def test_all_is_redeemable_when_borrowers_have_repaid(seed: int) -> None:
    venue = History(seed, rough=False).run()
    for shard in venue.shards:
        venue.settle(shard)
        for holder in shard.holders:
            shard.pay(holder, shard.owes(holder, venue.past_ms(shard)), venue.past_ms(shard))
        shard.line, shard.held = shard.line + shard.held, 0
    for _ in range(12):
        venue.all()
        for shard in venue.shards:
            for holder in shard.holders:
                shard.draw(holder, shard.worth(holder))
    assert not any(shard.worth(holder) for shard in venue.shards for holder in shard.holders)
    assert venue.lendable() >= 0
