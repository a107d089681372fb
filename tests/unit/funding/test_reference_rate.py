"""The reference rate: medians by volume of equal parts of a window, and their mean."""

import pytest

from services.funding.reference_rate import PRICES_MAX, Observation, Partition, reference_rate, volume_weighted_median
from services.funding.settlement_price import nearest

TV_1_6: list[list[Observation]] = [
    [(10_000, 10), (10_100, 20), (9_900, 15)],
    [(10_200, 10), (10_250, 30), (10_150, 10)],
    [(10_300, 5), (10_400, 5), (9_000, 4)],
]
"""Prices in cents, volumes in tenths."""


def test_the_rate_is_the_mean_of_the_medians() -> None:
    """TV-1.6: medians 100, 102.5 and 103, rate 101.83."""
    assert [volume_weighted_median(one) for one in TV_1_6] == [10_000, 10_250, 10_300]
    assert reference_rate(TV_1_6) == (30_550, 3)
    assert nearest(*reference_rate(TV_1_6)) == 10_183


MEDIANS: list[tuple[str, list[Observation], int]] = [
    ("none", [], 0),
    ("one", [(7, 1)], 7),
    ("at exactly half, that price", [(1, 5), (2, 5)], 1),
    ("just below half, the next", [(1, 4), (2, 5)], 2),
    ("in whatever order", [(3, 1), (1, 1), (2, 1)], 2),
    ("a heavy one alone", [(1, 1), (9, 100), (5, 1)], 9),
]


@pytest.mark.parametrize(("observations", "expected"), [row[1:] for row in MEDIANS], ids=[row[0] for row in MEDIANS])
def test_medians(observations: list[Observation], expected: int) -> None:
    assert volume_weighted_median(observations) == expected


def test_empty_parts_have_no_say() -> None:
    assert reference_rate([[], [(10, 1)], [], [(21, 3)]]) == (31, 2)
    assert reference_rate([[], []]) == (0, 0)


def test_a_partition_adds_up_what_was_seen_at_a_price_and_counts_nothing_as_one() -> None:
    partition = Partition()
    for price, volume in ((5, 3), (3, 0), (5, 4), (4, -1), (3, 2**62)):
        partition.add(price, volume)
    assert partition.observations() == [(3, 2**62), (4, 1), (5, 7)]


def test_a_full_partition_lets_others_join_the_nearest_below() -> None:
    partition = Partition()
    for number in range(PRICES_MAX):
        partition.add(1_000 + 10 * number, 1)
    partition.add(1_015, 5)
    partition.add(1, 7)
    assert len(partition.prices) == len(partition.volumes) == PRICES_MAX
    assert partition.observations()[:3] == [(1_000, 8), (1_010, 6), (1_020, 1)]
