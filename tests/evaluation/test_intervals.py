"""Intervals over rows in clusters: by hand, and against simulated test sets of known rates."""

import random
from dataclasses import dataclass

import pytest
from scipy.stats import binom

from benchmarks.coverage import coverage
from platypus.evaluation.intervals import FLIPS, Ratio, difference, interval, mcnemar, summarise

RIGHT, WRONG, ABSENT = Ratio(1, 1), Ratio(0, 1), Ratio(0, 0)


@dataclass(frozen=True)
class One:
    """A row with one metric."""

    ratio: Ratio

    @property
    def ratios(self) -> dict[str, Ratio]:
        return {"exact": self.ratio}


def test_independent_rows_have_the_interval_of_a_binomial() -> None:
    measured = interval([RIGHT] * 30 + [WRONG] * 10, clusters=range(40), resamples=4000, seed=1)
    assert measured and (measured.value, measured.rows, measured.clusters) == (0.75, 40, 40)
    assert measured.low == pytest.approx(binom.ppf(0.025, 40, 0.75) / 40, abs=1 / 40)
    assert measured.high == pytest.approx(binom.ppf(0.975, 40, 0.75) / 40, abs=1 / 40)
    assert str(measured).startswith("75.0% [")


def test_clusters_that_agree_on_a_part_have_bounds_too() -> None:
    measured = interval([Ratio(4, 5)] * 2, clusters=range(2), resamples=200, seed=0)
    assert measured and measured.low < 0.5 and measured.high == 1
    thirds = interval([Ratio(2, 3)] * 40, clusters=range(40), resamples=200, seed=0)
    assert thirds and thirds.low < 0.6 and thirds.high > 0.7


def test_one_cluster_that_differs_is_no_evidence_where_planners_are_measured_on_other_numbers() -> None:
    equal = [Ratio(8, 8)] * 39
    found = difference([*equal, Ratio(8, 8)], [*equal, Ratio(8, 9)], clusters=range(40), resamples=2000, seed=0)
    assert found and found.p == 1.0 and found.value < 0
    refusals = [Ratio(1, 1)] * 10
    found = difference([*refusals, ABSENT], [*refusals, WRONG], clusters=range(11), resamples=2000, seed=0)
    assert found and found.p == 1.0 and (found.rows, found.clusters) == (11, 11)


def test_repeating_each_row_does_not_narrow_the_interval() -> None:
    rows = [RIGHT, WRONG, RIGHT, RIGHT, WRONG] * 8
    once = interval(rows, clusters=range(40), resamples=500, seed=0)
    often = interval(rows * 5, clusters=[*range(40)] * 5, resamples=500, seed=0)
    as_new = interval(rows * 5, clusters=range(200), resamples=500, seed=0)
    assert once and often and as_new
    assert (often.low, often.high, often.rows, often.clusters) == (once.low, once.high, 200, 40)
    assert as_new.high - as_new.low < 0.6 * (once.high - once.low)


def test_where_all_rows_agree_the_bounds_are_those_of_a_binomial() -> None:
    right = interval([RIGHT] * 20, clusters=[f"{i // 2}" for i in range(20)], resamples=10, seed=0)
    assert right and (right.low, right.high) == (0.025 ** (1 / 10), 1.0)  # P(10 of 10 | low) = 2.5%
    wrong = interval([WRONG] * 3, clusters=range(3), resamples=10, seed=0)
    assert wrong and (wrong.low, wrong.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 3)))


def test_one_cluster_tells_nothing_of_others() -> None:
    measured = interval([RIGHT, WRONG], clusters=["a", "a"], resamples=10, seed=0)
    assert measured and (measured.value, measured.low, measured.high) == (0.5, 0, 1)


def test_rows_that_take_no_part_count_neither_as_rows_nor_as_clusters() -> None:
    measured = interval([RIGHT, WRONG, ABSENT], clusters=range(3), resamples=10, seed=0)
    assert measured and (measured.rows, measured.clusters) == (2, 2)
    assert interval([ABSENT], clusters=[0], resamples=10, seed=0) is None
    assert summarise([], clusters=[], resamples=10, seed=0) == {}
    assert list(summarise([One(RIGHT)], clusters=[0], resamples=10, seed=0)) == ["exact"]


def test_the_order_of_rows_changes_nothing() -> None:
    rng = random.Random(0)
    rows = [(Ratio(rng.random(), rng.randint(1, 4)), Ratio(rng.random(), 2), rng.choice("abcdefgh")) for _ in range(60)]
    shuffled = rng.sample(rows, len(rows))
    measured = [interval([r[0] for r in x], clusters=[r[2] for r in x], resamples=50, seed=3) for x in (rows, shuffled)]
    assert measured[0] == measured[1]
    compared = [
        difference([r[0] for r in x], [r[1] for r in x], clusters=[r[2] for r in x], resamples=50, seed=3)
        for x in (rows, shuffled)
    ]
    assert compared[0] == compared[1]


def test_intervals_depend_on_the_seed_alone() -> None:
    rows = [RIGHT, WRONG, RIGHT] * 9
    first, again, other = (interval(rows, clusters=range(27), resamples=100, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_a_difference_by_hand() -> None:
    first, second = [RIGHT] * 10 + [WRONG] * 30, [WRONG] * 2 + [RIGHT] * 22 + [WRONG] * 16
    found = difference(first, second, clusters=range(40), resamples=4000, seed=0)
    assert found and found.value == pytest.approx(12 / 40) and found.rows == found.clusters == 40
    # each row is 1 (14 of 40), -1 (2) or 0: variance 0.4 - 0.09, standard error sqrt(0.31 / 39)
    error = (0.31 / 39) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.3 - 2.02 * error, 0.3 + 2.02 * error), abs=0.02)
    assert found.detectable == pytest.approx((2.023 + 0.851) * error, rel=0.01)
    assert found.p == pytest.approx(mcnemar([bool(r.hits) for r in first], [bool(r.hits) for r in second]), abs=0.003)
    assert str(found).startswith("+30.0 [+")


def test_the_same_answers_differ_by_nothing_and_still_say_what_could_have_been_seen() -> None:
    found = difference([RIGHT, WRONG] * 20, [RIGHT, WRONG] * 20, clusters=range(40), resamples=100, seed=0)
    unseen = 1 - 0.025 ** (1 / 40)  # were one cluster in eleven to differ, forty would show none once in forty times
    assert found and (found.value, found.p) == (0, 1) and (found.low, found.high) == pytest.approx((-unseen, unseen))
    assert found.detectable == FLIPS / 40


def test_mcnemar_by_hand() -> None:
    assert mcnemar([False] * 6, [True] * 6) == pytest.approx(2 / 64)  # six flips are the fewest below 5%
    assert mcnemar([False] * 5, [True] * 5) == pytest.approx(2 / 32)
    assert mcnemar([True, False, True], [True, False, True]) == 1
    assert mcnemar([True, False], [False, True]) == 1


def test_intervals_hold_the_truth_in_95_of_100_sets_with_clusters() -> None:
    """A fifth of what `benchmarks/coverage.py` draws; the bounds are 95% less and plus two standard errors."""
    held = coverage(60, 200)
    assert all(0.92 <= share <= 0.98 for share in held.values()), held
    assert coverage(60, 50, independent=True)["rate"] < 0.85
