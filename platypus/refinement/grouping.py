"""Groups of rows that must stay together; groups that share a row are joined."""

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


def merged(groups: Ints, first: Ints, second: Ints) -> Ints:
    """Return the groups, one number from 0 for each text, with the groups of each first and second text joined."""
    count = int(groups.max(initial=-1)) + 1
    ties = coo_array((np.ones(len(first), np.int8), (groups[first], groups[second])), shape=(count, count))
    merged: Ints = connected_components(ties, directed=False)[1].astype(np.int64)[groups]
    return merged


def numbered(keys: Iterable[Hashable]) -> Ints:
    """Return a number for each key, from 0, equal for equal keys."""
    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)


def families(labels: Ints) -> list[list[int]]:
    """Return the rows of each label, in order; the families are ordered by their first row."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []
    return sorted((part.tolist() for part in parts), key=lambda family: family[0])


def tied(groups: Ints, keys: Ints) -> Ints:
    """Return the groups, one number from 0 for each row, with groups joined if rows of both have the same key."""
    first = np.unique(keys, return_index=True)[1][keys]
    return merged(groups, first, np.arange(len(keys)))
