"""Accuracy over the number of training examples, and what more examples would bring: a power law of the error.

The error falls as b·n^-c in many learning problems (Hestness et al. 2017). The law is fitted anew to each bootstrap
draw of clusters, so that the spread of its forecasts says how sure they are. Does not train.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platypus.evaluation.intervals import ROUNDING, Interval, Ratio, bounds, interval, resampled

POINTS = 3  # sizes that a forecast needs
AHEAD = (2, 4)  # times the largest size


@dataclass(frozen=True)
class Forecast:
    """The accuracy that is to be expected with so many examples, with its 95% interval."""

    examples: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Curve:
    """Measured points, and forecasts; `slope` is the exponent c with its 95% interval, None for too few points.

    There are no forecasts where the interval of c includes 0.
    """

    examples: Sequence[int]
    values: Sequence[Interval]
    forecasts: Sequence[Forecast]
    slope: tuple[float, float, float] | None

    def to_json(self) -> dict[str, Any]:
        """The curve as plain data."""
        return asdict(self)

    def verdict(self) -> str:
        """What the curve says, in a sentence."""
        if self.slope is None:
            return f"A forecast needs {POINTS} sizes."
        if not self.forecasts:
            return "Whether more examples help cannot be told from these points: the error may as well stay as it is."
        wide = any(forecast.high - forecast.low > 0.2 for forecast in self.forecasts)
        sure = (
            "The intervals are wide: take it as a direction."
            if wide
            else "It holds for examples of the same kind only."
        )
        return f"Twice the examples leave {2 ** -self.slope[0]:.0%} of the errors. {sure}"


def curve(
    examples: Sequence[int],
    ratios: Sequence[Sequence[Ratio]],
    *,
    clusters: Sequence[Hashable],
    resamples: int,
    seed: int,
) -> Curve:
    """The curve through these sizes, in rising order; `ratios` has each test row's accuracy at each size."""
    drawn: dict[str, Any] = {"clusters": clusters, "resamples": resamples, "seed": seed}
    values = [measured for each in ratios if (measured := interval(each, **drawn))]
    if len(examples) < POINTS:
        return Curve(examples, values, (), None)
    rates = np.array([resampled(each, **drawn) for each in ratios])  # a row of draws for each size
    rows = max(value.rows for value in values)
    offset, slope = _fit(examples, np.array([[value.value] for value in values]), rows)
    offsets, slopes = _fit(examples, rates, rows)
    count, c = values[0].clusters, float(slope[0])
    least, most = bounds(slopes, count) if count > 1 else (min(0.0, c), max(0.0, c))
    forecasts: list[Forecast] = []
    for times in AHEAD if least > ROUNDING else ():
        size = times * examples[-1]
        low, high = bounds(_accuracy(size, offsets, slopes), count)
        forecasts.append(Forecast(size, float(_accuracy(size, offset, slope)[0]), low, high))
    return Curve(examples, values, forecasts, (c, least, most))


Floats = NDArray[np.float64]


def _fit(examples: Sequence[int], rates: Floats, rows: int) -> tuple[Floats, Floats]:
    """The line of log error over log examples, by least squares, for each column of rates: log b, and c.

    Where no row is wrong, half a row is taken to be.
    """
    sizes = np.log(np.asarray(examples, dtype=np.float64))
    errors = np.log(np.clip(1 - rates, 0.5 / rows, 1.0))
    centred = sizes - sizes.mean()
    slopes = -(centred @ errors) / (centred @ centred)
    return errors.mean(axis=0) + slopes * sizes.mean(), slopes


def _accuracy(examples: int, offset: Floats, slope: Floats) -> Floats:
    accuracy: Floats = np.clip(1 - np.exp(offset - slope * np.log(examples)), 0.0, 1.0)
    return accuracy
