"""Intervals of rates, and of differences of rates, over rows that may be alike. Pure functions.

A metric is a ratio of two sums over rows, so that any set of rows can be summed up and resampled in the same way. Rows
of one cluster are not independent: whole clusters are drawn (Davison and Hinkley 1997, 3.8), and what is known grows
with the number of clusters. Does not know what is measured.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, sqrt
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8  # how often the smallest detectable difference would be detected
FLIPS = 6  # so many rows that all turn the same way are the fewest that are significant: 2 · 0.5⁶ < 0.05
ROUNDING = 1e-9  # what is nearer than this is equal
DRAWN = 1 << 22  # numbers that are drawn at once

Floats = NDArray[np.float64]


class Ratio(NamedTuple):
    """One row's contribution to a metric: `hits` out of `of`. With `of = 0`, the row takes no part in it."""

    hits: float
    of: float


class Scored(Protocol):
    """A row that can be summed up: its ratios by metric. All rows have the same metrics."""

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """The row's contribution to each metric."""


@dataclass(frozen=True)
class Interval:
    """A metric over the `rows` rows of `clusters` clusters that take part in it: its value and its 95% interval.

    A report of an earlier version tells no clusters (0).
    """

    value: float
    low: float
    high: float
    rows: int
    clusters: int = 0

    def __str__(self) -> str:
        return f"{self.value:.1%} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Difference:
    """A metric of one planner less that of another, over the same rows, with its 95% interval.

    `detectable` is the smallest difference that would be found (significant at 5%) in four of five such sets. `p` is
    the chance of a difference at least as large if clusters favour either planner alike.
    """

    value: float
    low: float
    high: float
    detectable: float
    p: float
    rows: int
    clusters: int

    def __str__(self) -> str:
        return f"{100 * self.value:+.1f} [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"


def summarise(
    scores: Sequence[Scored], *, clusters: Sequence[Hashable], resamples: int, seed: int
) -> dict[str, Interval]:
    """Each metric over all rows, without those that no row takes part in. `clusters` has the cluster of each row."""
    ratios = [score.ratios for score in scores]
    names = ratios[0] if ratios else ()
    found = {
        name: interval([row[name] for row in ratios], clusters=clusters, resamples=resamples, seed=seed)
        for name in names
    }
    return {name: measured for name, measured in found.items() if measured}


def interval(ratios: Sequence[Ratio], *, clusters: Sequence[Hashable], resamples: int, seed: int) -> Interval | None:
    """A metric over rows: the bootstrap over clusters; None if no row takes part.

    Where all clusters agree and the bootstrap has no width, the bounds are those of as many independent rows (Clopper
    and Pearson 1934).
    """
    sums = _summed(ratios, clusters)
    if not sums.rows:
        return None
    count, value = len(sums.of), sums.value
    if value in (0.0, 1.0):
        low, high = (1 - _unseen(count), 1.0) if value else (0.0, _unseen(count))
    elif count == 1:
        low, high = 0.0, 1.0  # rows that are all alike tell nothing of others
    else:
        low, high = bounds(resampled(ratios, clusters=clusters, resamples=resamples, seed=seed), count)
        if high - low < ROUNDING:
            low, high = max(value - _unseen(count), 0.0), min(value + _unseen(count), 1.0)
    return Interval(value, low, high, sums.rows, count)


def resampled(ratios: Sequence[Ratio], *, clusters: Sequence[Hashable], resamples: int, seed: int) -> Floats:
    """The metric of each bootstrap draw; the draws of one seed are the same for all metrics of the same rows."""
    sums = _summed(ratios, clusters)
    return np.concatenate([sums.values(draws) for draws in _draws(len(sums.of), resamples, seed)])


def difference(
    first: Sequence[Ratio], second: Sequence[Ratio], *, clusters: Sequence[Hashable], resamples: int, seed: int
) -> Difference | None:
    """The second planner's metric less the first one's over the same rows; None if a planner has no row in it."""
    one, two = _summed(first, clusters, whole=True), _summed(second, clusters, whole=True)
    taking_part = (one.of > 0) | (two.of > 0)
    one, two = one.of_clusters(taking_part), two.of_clusters(taking_part)
    if not (one.of.sum() and two.of.sum()):
        return None
    count = len(one.of)
    value = two.value - one.value
    drawn = np.concatenate([two.values(draws) - one.values(draws) for draws in _draws(count, resamples, seed)])
    low, high = bounds(drawn[np.isfinite(drawn)], count) if count > 1 else (-1.0, 1.0)
    if high - low < ROUNDING:  # all clusters agree
        low, high = max(value - _unseen(count), -1.0), min(value + _unseen(count), 1.0)
    changes = two.changes() - one.changes()
    error = sqrt(count / max(count - 1, 1) * float((changes**2).sum()))
    detectable = min(1.0, max(_detectable(error, count), FLIPS / count))
    rows = sum(bool(a.of or b.of) for a, b in zip(first, second, strict=True))
    return Difference(value, low, high, detectable, _by_chance(one, two, resamples, seed), rows, count)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The exact p-value of McNemar's test (1947): whether as many rows turn right as turn wrong.

    It takes rows as independent of one another.
    """
    from scipy.stats import binomtest  # takes half a second to import

    won = sum(b and not a for a, b in zip(first, second, strict=True))
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


# ---------------------------------------------------------------- sums over clusters


@dataclass(frozen=True)
class _Sums:
    """The sums of each cluster; `rows` is the number of rows that take part."""

    hits: Floats
    of: Floats
    rows: int

    @property
    def value(self) -> float:
        return float(self.hits.sum() / self.of.sum())

    def values(self, draws: Floats) -> Floats:
        """The metric of each draw of clusters: how often each is in it."""
        with np.errstate(invalid="ignore"):
            drawn: Floats = (draws @ self.hits) / (draws @ self.of)
        return drawn

    def changes(self) -> Floats:
        """What each cluster adds to the metric's distance from its value."""
        added: Floats = (self.hits - self.value * self.of) / self.of.sum()
        return added

    def of_clusters(self, chosen: NDArray[np.bool_]) -> "_Sums":
        return _Sums(self.hits[chosen], self.of[chosen], self.rows)


def _summed(ratios: Sequence[Ratio], clusters: Sequence[Hashable], *, whole: bool = False) -> _Sums:
    """The sums of the clusters that take part, or with `whole` of all, sorted by their names.

    Sums are exact (`fsum`), so that the same rows in another order have the same interval.
    """
    parts: dict[Hashable, list[Ratio]] = {}
    for ratio, cluster in zip(ratios, clusters, strict=True):
        parts.setdefault(cluster, []).append(ratio)
    sums = {name: (fsum(r.hits for r in rows), fsum(r.of for r in rows)) for name, rows in parts.items()}
    ordered = [sums[name] for name in sorted(sums, key=str) if whole or sums[name][1]]
    hits, of = np.array(ordered, dtype=np.float64).reshape(-1, 2).T
    return _Sums(hits, of, sum(bool(ratio.of) for ratio in ratios))


def _draws(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each of `count` clusters is in each of `resamples` draws, a part of the draws at a time."""
    if count * resamples <= DRAWN:
        yield _all_draws(count, resamples, seed)
        return
    random, at_once = np.random.default_rng(seed), max(1, DRAWN // count)
    for done in range(0, resamples, at_once):
        yield random.multinomial(count, np.full(count, 1 / count), size=min(at_once, resamples - done)).astype(float)


@lru_cache(maxsize=8)
def _all_draws(count: int, resamples: int, seed: int) -> Floats:
    """All draws. Cached: the metrics of a set are resampled with the same draws."""
    random = np.random.default_rng(seed)
    return random.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)


# ---------------------------------------------------------------- bounds


def _unseen(count: int) -> float:
    """The largest share of clusters of another kind of which so many draws would show none, once in forty times."""
    return 1.0 - float(((1 - LEVEL) / 2) ** (1 / count))


def bounds(drawn: Floats, count: int) -> tuple[float, float]:
    """The bounds of what was drawn from `count` clusters, two at least.

    They are those of the expanded percentile interval (Hesterberg 2015): as far out as few clusters need.
    """
    from scipy.stats import norm, t

    tail = float(norm.cdf(t.ppf((1 - LEVEL) / 2, count - 1) * sqrt(count / (count - 1))))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def _detectable(error: float, count: int) -> float:
    from scipy.stats import t

    return float(error * (t.ppf((1 + LEVEL) / 2, max(count - 1, 1)) + t.ppf(POWER, max(count - 1, 1))))


def _by_chance(one: _Sums, two: _Sums, resamples: int, seed: int) -> float:
    """How often the difference is as far from 0 if the planners of each cluster's answers are drawn (a permutation)."""
    differs = (one.hits != two.hits) | (one.of != two.of)
    if not differs.any():
        return 1.0
    hits, of = (two.hits - one.hits)[differs], (two.of - one.of)[differs]
    random, seen, far = np.random.default_rng(seed), abs(two.value - one.value) * (1 - 1e-9), 0
    at_once = max(1, DRAWN // len(hits))
    for done in range(0, resamples, at_once):
        changed = random.integers(2, size=(min(at_once, resamples - done), len(hits)))
        more, parts = changed @ hits, changed @ of
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (one.hits.sum() + more) / (one.of.sum() + parts)
            second = (two.hits.sum() - more) / (two.of.sum() - parts)
        far += int((~(abs(second - first) < seen)).sum())  # one that cannot be told counts as far
    return (far + 1) / (resamples + 1)
