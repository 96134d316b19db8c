"""Rows that must stay together: groups joined whenever they share a row."""

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


def merged(groups: Ints, first: Ints, second: Ints) -> Ints:
    """The groups, numbers from 0 for each text, with those of each first and second text made one."""
    count = int(groups.max(initial=-1)) + 1
    ties = coo_array((np.ones(len(first), np.int8), (groups[first], groups[second])), shape=(count, count))
    merged: Ints = connected_components(ties, directed=False)[1].astype(np.int64)[groups]
    return merged


def numbered(keys: Iterable[Hashable]) -> Ints:
    """Equal numbers for equal keys, from 0."""
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(key, len(known)) for key in keys), np.int64)


def families(labels: Ints) -> list[list[int]]:
    """The rows of each label, in their order; the families by their first row."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []
    return sorted((part.tolist() for part in parts), key=lambda family: family[0])


def tied(groups: Ints, keys: Ints) -> Ints:
    """The groups, numbers from 0 for each row, joined wherever rows of two have one key."""
    first = np.unique(keys, return_index=True)[1][keys]
    return merged(groups, first, np.arange(len(keys)))
