"""What a foreign format is, and what a row of it becomes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Converted(NamedTuple):
    """A canonical row, and what was left out or changed, each with its count: `left out: system text (1)`."""

    row: dict[str, Any]
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """A foreign format: its name, the keys of a row that it reads, and its two functions.

    `convert` raises DatasetError, with the reason, for a row that cannot be converted.
    """

    name: str
    keys: frozenset[str]
    recognises: Callable[[Mapping[str, Any]], bool]
    convert: Callable[[Mapping[str, Any]], Converted]


def counted(notes: Mapping[str, int]) -> tuple[str, ...]:
    """Each note with its count: `left out: system text (1)`."""
    return tuple(f"{name} ({count})" for name, count in notes.items() if count)
