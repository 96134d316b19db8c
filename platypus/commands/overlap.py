"""overlap: how much two datasets say the same: nearest neighbours, shared requests, templates and plan shapes.

What two fine-tunes learned from such datasets overlaps as much; so this tells which are worth merging. Writes nothing.
Of more than SAMPLE rows of a dataset a sample is compared; requests, templates and shapes are counted over all.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array

from platypus.catalogue.reading import read_catalogue
from platypus.data.signatures import normalised
from platypus.errors import DatasetError
from platypus.refinement.candidates import Candidate, ReadingOptions, gather
from platypus.refinement.embedding import TFIDF, embed, nearest
from platypus.refinement.quality import RequestBounds
from platypus.refinement.similarity import trigrams

SAMPLE = 20_000
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
TENTHS = 10


@dataclass(frozen=True)
class Distribution:
    """How much the rows of one dataset are alike to their nearest neighbour in the other (1: the same)."""

    mean: float
    quantiles: dict[str, float]
    tenths: list[int]  # rows from 0 to 0.1, from 0.1 to 0.2, …

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value:.2f}" for name, value in self.quantiles.items())
        return f"mean {self.mean:.3f} ({named})"


@dataclass(frozen=True)
class Shared:
    """Of one kind of key: how many are in both datasets, and the share of each one's rows that have such a key."""

    keys: int
    of_first: float
    of_second: float

    def __str__(self) -> str:
        return f"{self.keys}, in {self.of_first:.1%} of the first's rows and {self.of_second:.1%} of the second's"


@dataclass(frozen=True)
class DatasetOverlap:
    """The report. `letters` compares trigrams, `words` the embedding; each for the first's rows, then the second's."""

    files: tuple[str, str]
    rows: tuple[int, int]
    left_out: tuple[int, int]
    compared: tuple[int, int]
    letters: tuple[Distribution, Distribution]
    words: tuple[Distribution, Distribution]
    requests: Shared
    templates: Shared
    skeletons: Shared

    def to_json(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        lines = []
        for which, file in enumerate(self.files):
            lines += [f"{file}: {self.rows[which]} rows, {self.left_out[which]} left out as no valid rows"]
            lines += [f"  nearest in the other, by letters: {self.letters[which]}"]
            lines += [f"  nearest in the other, by words: {self.words[which]}"]
        lines += [f"the same requests: {self.requests}", f"the same templates: {self.templates}"]
        return "\n".join([*lines, f"the same plan shapes: {self.skeletons}"])


def overlap(
    first: str, second: str, *, catalogue: Path | None = None, embedding: str = TFIDF, seed: int = 0
) -> DatasetOverlap:
    """The overlap of two sources as `[refine]` names them. Raises DatasetError for one that cannot be read."""
    tools = read_catalogue(catalogue) if catalogue is not None else None
    reading = ReadingOptions(tools, True, RequestBounds(1, 10**9))
    a, b = gather([first], reading), gather([second], reading)
    for source, found in ((first, a), (second, b)):
        if not found.candidates:
            raise DatasetError("holds no valid row", where=source, remedy=f"See: platypus check {source}")
    rng = Random(seed)
    some, others = (_sample(found.candidates, rng) for found in (a, b))
    sets = trigrams([*some, *others])
    letters = diags_array(1 / np.sqrt(sets.sizes)) @ sets.rows
    words = embed([*some, *others], embedding)
    return DatasetOverlap(
        files=(first, second),
        rows=(len(a.candidates), len(b.candidates)),
        left_out=(len(a.rejected), len(b.rejected)),
        compared=(len(some), len(others)),
        letters=_both(letters.tocsr(), len(some)),
        words=_both(words, len(some)),
        requests=_shared(
            [normalised(one.question) for one in a.candidates], [normalised(one.question) for one in b.candidates]
        ),
        templates=_shared([one.template for one in a.candidates], [one.template for one in b.candidates]),
        skeletons=_shared([one.skeleton for one in a.candidates], [one.skeleton for one in b.candidates]),
    )


def _sample(candidates: Sequence[Candidate], rng: Random) -> list[str]:
    some = rng.sample(candidates, SAMPLE) if len(candidates) > SAMPLE else candidates
    return [one.question for one in some]


def _both(vectors: Any, first: int) -> tuple[Distribution, Distribution]:
    """The likeness of the first rows to their nearest among the others, and of the others to theirs."""
    left, right = vectors[:first], vectors[first:]
    return _distribution(nearest(left, right).likeness), _distribution(nearest(right, left).likeness)


def _distribution(likeness: NDArray[np.float64]) -> Distribution:
    found = np.clip(likeness, 0, 1)
    quantiles = {f"{share:.0%}": round(float(np.quantile(found, share)), 4) for share in QUANTILES}
    tenths = np.bincount(np.minimum((found * TENTHS).astype(int), TENTHS - 1), minlength=TENTHS)
    return Distribution(round(float(found.mean()), 4), quantiles, tenths.tolist())


def _shared(first: Sequence[Any], second: Sequence[Any]) -> Shared:
    a, b = Counter(first), Counter(second)
    both = a.keys() & b.keys()
    of_first, of_second = (sum(found[key] for key in both) / found.total() for found in (a, b))
    return Shared(len(both), round(of_first, 4), round(of_second, 4))
