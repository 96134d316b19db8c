"""Long text that many rows share, such as one instruction before every input: removed before rows are compared.

A row whose text is mostly common is nearly the same as every other such row, whatever it asks. Common is a run of at
least WINDOW characters that stands in many rows with different answers. Near-copies of one row have one answer, so
their text is not common. Works on characters, so that it needs no words and no language. Does not know what rows are.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platypus.refinement.grouping import Ints
from platypus.refinement.similarity import scrambled

Words = NDArray[np.uint64]

WINDOW = 64  # characters; a power of two
SHARE = 0.05  # of the rows have a common run, at least
MANY = 10  # rows: the same
FEW = 5  # rows: the same in a small set, where it is at least half
ROWS = 5_000  # in the sample in which runs are sought, at most
CHARACTERS = 4_000_000  # of the sample, about
BLOCK = 5_000  # texts processed at once
STEP = np.uint64(0x9E3779B97F4A7C15)


class Distinct(NamedTuple):
    """Texts without their common runs, and these runs of each text ("" for none)."""

    texts: list[str]
    common: list[str]


def without_common_text(texts: Sequence[str], answers: Ints) -> Distinct:
    """Return the texts without common runs. `answers` are equal numbers for equal answers.

    A text that is nothing else stays whole; its run tells it apart. Runs are sought in a sample of the texts, evenly
    spread.
    """
    common = _common_windows(texts, answers)
    distinct = Distinct([*texts], [""] * len(texts))
    if len(common):
        for start in range(0, len(texts), BLOCK):
            _shorten(distinct, start, common)
    return distinct


def _common_windows(texts: Sequence[str], answers: Ints) -> Words:
    """The hashes of the windows that stand in many rows with different answers, in order."""
    if len(texts) < FEW:
        return np.empty(0, np.uint64)
    characters = sum(map(len, texts))
    step = max(1, -(-len(texts) // ROWS), -(-characters // CHARACTERS))
    sample = range(0, len(texts), step)
    hashes = _hashes([texts[i] for i in sample])
    order = np.lexsort((hashes.row, hashes.window))
    window, row = hashes.window[order], hashes.row[order]
    if not len(window):
        return window
    first = np.append(True, (window[1:] != window[:-1]) | (row[1:] != row[:-1]))
    window, answer = window[first], answers[np.asarray(sample)][row[first]]
    begins = np.flatnonzero(np.append(True, window[1:] != window[:-1]))
    rows = np.diff(begins, append=len(window))
    different = np.minimum.reduceat(answer, begins) != np.maximum.reduceat(answer, begins)
    many = max(FEW, min(MANY, -(-len(sample) // 2)), SHARE * len(sample))
    common: Words = window[begins[different & (rows >= many)]]
    return common


class _Hashes(NamedTuple):
    window: Words
    row: Ints
    start: Ints  # of the window in the joined texts


def _hashes(texts: Sequence[str]) -> _Hashes:
    """A hash of every window of every text, without regard to case and kind of space."""
    joined = "\n".join(map(normalised, texts))
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    row = np.cumsum(points == ord("\n")) - (points == ord("\n"))
    value, width = scrambled(points.astype(np.uint64)), 1
    while width < WINDOW:  # the hash of twice as many characters from those of both halves
        value = scrambled(value[:-width] * STEP + value[width:])
        width *= 2
    starts = np.arange(len(value))
    within = (row[starts] == row[starts + WINDOW - 1]) & (points[starts] != ord("\n"))
    return _Hashes(value[within], row[starts[within]], starts[within])


def normalised(text: str) -> str:
    """The text as windows see it: in lower case, with single spaces between and around words."""
    return f" {' '.join(text.lower().split())} "


def _shorten(distinct: Distinct, start: int, common: Words) -> None:
    """Take the common windows out of a block of texts; words stay whole."""
    texts = distinct.texts[start : start + BLOCK]
    hashes = _hashes(texts)
    place = np.searchsorted(common, hashes.window).clip(max=len(common) - 1)
    starts = hashes.start[common[place] == hashes.window]
    plain = [*map(normalised, texts)]
    ends = np.cumsum([len(text) + 1 for text in plain])
    before = np.zeros(int(ends[-1]) + 1, np.int64)  # how many common windows start before each position
    before[starts + 1] = 1
    before = before.cumsum()
    for i in np.unique(np.searchsorted(ends, starts, side="right")).tolist():
        begin = int(ends[i]) - len(plain[i]) - 1
        left, removed = _parted(plain[i], before[begin : int(ends[i])])
        distinct.texts[start + i], distinct.common[start + i] = left or texts[i], removed


def _parted(text: str, before: Ints) -> tuple[str, str]:
    """The words that no common window holds with the spaces around them, and the others.

    A word longer than a window, as in Chinese, is cut.
    """
    left, removed = [], []
    for word in re.finditer(r"\S+", text):
        letters = word.group()
        if len(letters) + 2 > WINDOW:
            kept, cut = _cut(letters, before[word.start() : word.end() + 1])
            left += [kept] if kept else []
            removed.append(cut)
        elif before[word.start()] > before[max(0, word.end() + 1 - WINDOW)]:
            removed.append(letters)
        else:
            left.append(letters)
    return " ".join(left), " ".join(removed)


def _cut(letters: str, before: Ints) -> tuple[str, str]:
    """The letters that no common window covers, and the others."""
    covered = np.zeros(len(letters), bool)
    for place in np.flatnonzero(np.diff(before)).tolist():
        covered[place : place + WINDOW] = True
    kept = "".join(letters[i] for i in np.flatnonzero(~covered))
    return kept, "".join(letters[i] for i in np.flatnonzero(covered))
