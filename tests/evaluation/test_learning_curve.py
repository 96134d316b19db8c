"""Learning curves: a law that is known is found again, and what cannot be told is said."""

import random

import pytest

from platypus.evaluation.intervals import Ratio
from platypus.evaluation.learning_curve import curve


def rows(rate: float, count: int = 2000, seed: int = 0) -> list[Ratio]:
    """Rows of which this share is right; the same rows stay right at higher rates."""
    rng = random.Random(seed)
    return [Ratio(float(rng.random() < rate), 1) for _ in range(count)]


def test_a_power_law_is_found_again() -> None:
    sizes = [100, 200, 400, 800]
    found = curve(
        sizes, [rows(1 - 4 * n**-0.5) for n in sizes], clusters=range(2000), resamples=200, seed=0
    )  # fmt: skip
    assert found.slope and found.slope[0] == pytest.approx(0.5, abs=0.05)
    assert found.slope[1] < 0.5 < found.slope[2]
    assert [forecast.examples for forecast in found.forecasts] == [1600, 3200]
    for forecast in found.forecasts:
        truth = 1 - 4 * forecast.examples**-0.5
        assert forecast.low <= truth <= forecast.high and forecast.high - forecast.low < 0.1
    assert found.verdict().startswith("Twice the examples leave 7") and str(found.forecasts[0]).startswith("89.5% [")


def test_a_flat_curve_promises_nothing() -> None:
    sizes = [100, 200, 400]
    found = curve(sizes, [rows(0.6, 60, seed) for seed in (1, 2, 3)], clusters=range(60), resamples=200, seed=0)
    assert not found.forecasts and found.verdict().startswith("Whether more examples help cannot be told")


def test_rows_that_are_all_alike_promise_nothing() -> None:
    right = (8, 12, 15)
    ratios = [[Ratio(float(i < count), 1) for i in range(20)] for count in right]
    found = curve([10, 20, 40], ratios, clusters=[0] * 20, resamples=50, seed=0)
    assert not found.forecasts and "cannot be told" in found.verdict()


def test_two_points_and_perfect_ones() -> None:
    short = curve([10, 20], [rows(0.5, 20), rows(0.7, 20)], clusters=range(20), resamples=50, seed=0)
    assert short.forecasts == () and short.slope is None and short.verdict() == "A forecast needs 3 sizes."
    perfect = curve([10, 20, 40], [[Ratio(1, 1)] * 20] * 3, clusters=range(20), resamples=50, seed=0)
    assert perfect.values[0].value == 1 and not perfect.forecasts
