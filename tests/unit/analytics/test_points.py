"""Shares sum to what is given, places and ranks are fair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analytics.points import largest_remainder, places, rank_of
from services.core.fixed import FRACTION_ONE

SHARED: dict[str, tuple[int, dict[int, int], dict[int, int]]] = {
    "TV-5.20: equal remainders by account": (10, {1: 1, 2: 1, 3: 1}, {1: 4, 2: 3, 3: 3}),
    "the largest remainder gets what is left": (10, {1: 10, 2: 15, 3: 25}, {1: 2, 2: 3, 3: 5}),
    "largest remainder before smallest account": (10, {1: 1, 2: 2}, {1: 3, 2: 7}),
    "who did nothing gets nothing": (7, {1: 0, 2: 5}, {2: 7}),
    "nobody did anything": (10, {1: 0}, {}),
    "more accounts than points": (1, {9: 1, 8: 1}, {8: 1, 9: 0}),
}


@pytest.mark.parametrize(("total", "scores", "shares"), SHARED.values(), ids=SHARED)
def test_largest_remainder(total: int, scores: dict[int, int], shares: dict[int, int]) -> None:
    assert largest_remainder(total, scores) == shares


@given(st.integers(0, 10**7), st.dictionaries(st.integers(0, 2**54), st.integers(0, 10**40), min_size=1))
def test_shares_sum_to_the_total_and_are_never_a_point_off(total: int, scores: dict[int, int]) -> None:
    shares, everything = largest_remainder(total, scores), sum(scores.values())
    assert sum(shares.values()) == (total if everything else 0)
    assert all(abs(share * everything - total * scores[key]) < everything for key, share in shares.items())


def test_equal_points_have_one_place() -> None:
    assert places({5: 10, 3: 20, 4: 10, 9: 1}) == [(1, 3, 20), (2, 4, 10), (2, 5, 10), (4, 9, 1)]


@pytest.mark.parametrize(("place", "rank"), [(1, 0), (2, 1), (10, 1), (11, 2), (101, 2)])
def test_ranks_by_share_of_the_best(place: int, rank: int) -> None:
    assert rank_of(place, 101, [FRACTION_ONE // 101, FRACTION_ONE // 11, FRACTION_ONE]) == rank
