"""Checks that 95% intervals hold the true value in 95% of test sets whose rows come in clusters.

    python benchmarks/coverage.py [--draws 1000] [--clusters 20 60 200]

Draws test sets of two planners of known accuracy. A cluster has 1 to some 15 rows and a difficulty of its own, which in
half of the clusters is the same for both planners (correlation within a cluster 1/3). Prints a JSON object per size:
how often the intervals of one planner and of the difference hold the truth, with clusters and as if rows were
independent.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.evaluation.intervals import Ratio, difference, interval

RATES = (0.6, 0.7)
RESAMPLES = 400


class TestSet(NamedTuple):
    """The right (1) and wrong (0) rows of both planners, and the cluster of each row."""

    __test__ = False
    first: list[Ratio]
    second: list[Ratio]
    clusters: list[int]


def drawn(random: np.random.Generator, clusters: int) -> TestSet:
    """A test set of two planners with RATES."""
    sizes = random.geometric(1 / 4, clusters)
    own, shared = random.random((2, clusters)), random.random(clusters) < 0.5
    quantiles = [own[0], np.where(shared, own[0], own[1])]
    chances = [beta.ppf(quantile, 2 * rate, 2 * (1 - rate)) for quantile, rate in zip(quantiles, RATES, strict=True)]
    hits = [random.random(sizes.sum()) < np.repeat(chance, sizes) for chance in chances]
    first, second = ([Ratio(float(hit), 1) for hit in each] for each in hits)
    return TestSet(first, second, np.repeat(np.arange(clusters), sizes).tolist())


def coverage(clusters: int, draws: int, *, independent: bool = False) -> dict[str, float]:
    """How often the intervals hold the truth; `independent`: if each row counts as a cluster."""
    random = np.random.default_rng(0)
    held = {"rate": 0, "difference": 0}
    for draw in range(draws):
        rows = drawn(random, clusters)
        names = range(len(rows.first)) if independent else rows.clusters
        one = interval(rows.first, clusters=names, resamples=RESAMPLES, seed=draw)
        two = difference(rows.first, rows.second, clusters=names, resamples=RESAMPLES, seed=draw)
        assert one and two
        held["rate"] += one.low <= RATES[0] <= one.high
        held["difference"] += two.low <= RATES[1] - RATES[0] <= two.high
    return {name: count / draws for name, count in held.items()}


def main() -> None:
    """Print the coverage of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[20, 60, 200])
    options = parser.parse_args()
    for clusters in options.clusters:
        counted = coverage(clusters, options.draws)
        naive = coverage(clusters, options.draws, independent=True)
        print(json.dumps({"clusters": clusters, **counted, "as if independent": naive}), flush=True)


if __name__ == "__main__":
    main()
