"""How much two datasets overlap: nearest neighbours, shared requests, templates and plan shapes.

Models fine-tuned on overlapping datasets learn the same, so this helps to decide which are worth merging. Of a dataset
with more than SAMPLE rows, a sample is compared; requests, templates and shapes are counted over all rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array

from platypus.catalogue.tools import Catalogue
from platypus.data.signatures import normalised
from platypus.errors import DatasetError
from platypus.refinement.candidates import Candidate, ReadingOptions, gather
from platypus.refinement.embedding import TFIDF, embed, nearest
from platypus.refinement.quality import RequestBounds
from platypus.refinement.similarity import trigrams

SAMPLE = 20_000
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
TENTHS = 10
LITTLE, MUCH = 0.5, 0.8  # mean similarity of nearest neighbours, by words


@dataclass(frozen=True)
class Dataset:
    """A source of rows, named as in `[refine]`, and the tools that they are for, unless they bring their own."""

    source: str
    tools: Catalogue | None = None


@dataclass(frozen=True)
class Distribution:
    """The similarity of one dataset's rows to their nearest neighbours in the other dataset (1: equal)."""

    mean: float
    quantiles: dict[str, float]
    tenths: list[int]  # rows from 0 to 0.1, from 0.1 to 0.2, …

    def __str__(self) -> str:
        quantiles = ", ".join(f"{name} {value:.2f}" for name, value in self.quantiles.items())
        return f"mean {self.mean:.3f} ({quantiles})"


@dataclass(frozen=True)
class Shared:
    """How many keys of one kind are in both datasets, and the share of each dataset's rows that have one of them."""

    keys: int
    of_first: float
    of_second: float

    def __str__(self) -> str:
        return f"{self.keys}, in {self.of_first:.1%} of the first's rows and {self.of_second:.1%} of the second's"


@dataclass(frozen=True)
class DatasetOverlap:
    """The report. `letters` compares trigrams, `words` embeddings; pairs are first dataset, second dataset."""

    files: tuple[str, str]
    rows: tuple[int, int]
    left_out: tuple[int, int]
    compared: tuple[int, int]
    letters: tuple[Distribution, Distribution]
    words: tuple[Distribution, Distribution]
    requests: Shared
    templates: Shared
    skeletons: Shared

    @property
    def nearness(self) -> float:
        """The mean similarity of rows to their nearest neighbours in the other dataset, by words."""
        return (self.words[0].mean + self.words[1].mean) / 2

    @property
    def advice(self) -> str:
        """What it means for merging models that were trained on the two."""
        if self.nearness < LITTLE:
            return "they overlap little: such models gain most from being merged"
        if self.nearness < MUCH:
            return "they overlap in part: evaluate the merge beside each of its sources"
        return "they are nearly the same: merging adds little to what each model can do"

    def to_json(self) -> dict[str, Any]:
        """All fields, for `--json`."""
        return asdict(self) | {"nearness": self.nearness, "advice": self.advice}

    def __str__(self) -> str:
        lines = []
        for which, file in enumerate(self.files):
            lines += [f"{file}: {self.rows[which]} rows, {self.left_out[which]} left out as invalid"]
            lines += [f"  nearest in the other, by letters: {self.letters[which]}"]
            lines += [f"  nearest in the other, by words: {self.words[which]}"]
        lines += [f"the same requests: {self.requests}", f"the same templates: {self.templates}"]
        lines += [f"the same plan shapes: {self.skeletons}", f"to be merged: {self.advice}"]
        return "\n".join(lines)


def overlap(first: Dataset, second: Dataset, *, embedding: str = TFIDF, seed: int = 0) -> DatasetOverlap:
    """The overlap of two datasets. Raises DatasetError for one that cannot be read."""
    a, b = (gather([one.source], ReadingOptions(one.tools, True, RequestBounds(1, 10**9))) for one in (first, second))
    for one, candidates in ((first, a), (second, b)):
        if not candidates.candidates:
            raise DatasetError("has no valid row", where=one.source, remedy=f"See: platypus check {one.source}")
    rng = Random(seed)
    first_sample, second_sample = (_sample(candidates.candidates, rng) for candidates in (a, b))
    sets = trigrams([*first_sample, *second_sample])
    letters = diags_array(1 / np.sqrt(sets.sizes)) @ sets.rows
    words = embed([*first_sample, *second_sample], embedding)
    return DatasetOverlap(
        files=(first.source, second.source),
        rows=(len(a.candidates), len(b.candidates)),
        left_out=(len(a.rejected), len(b.rejected)),
        compared=(len(first_sample), len(second_sample)),
        letters=_both(letters.tocsr(), len(first_sample)),
        words=_both(words, len(first_sample)),
        requests=_shared(
            [normalised(one.question) for one in a.candidates], [normalised(one.question) for one in b.candidates]
        ),
        templates=_shared([one.template for one in a.candidates], [one.template for one in b.candidates]),
        skeletons=_shared([one.skeleton for one in a.candidates], [one.skeleton for one in b.candidates]),
    )


def _sample(candidates: Sequence[Candidate], rng: Random) -> list[str]:
    sample = rng.sample(candidates, SAMPLE) if len(candidates) > SAMPLE else candidates
    return [one.question for one in sample]


def _both(vectors: Any, first_count: int) -> tuple[Distribution, Distribution]:
    """Similarities of the first dataset's rows to their nearest neighbours in the second, and the reverse."""
    first_vectors, second_vectors = vectors[:first_count], vectors[first_count:]
    first, second = nearest(first_vectors, second_vectors), nearest(second_vectors, first_vectors)
    return _distribution(first.likeness), _distribution(second.likeness)


def _distribution(likeness: NDArray[np.float64]) -> Distribution:
    clipped = np.clip(likeness, 0, 1)
    quantiles = {f"{share:.0%}": round(float(np.quantile(clipped, share)), 4) for share in QUANTILES}
    tenths = np.bincount(np.minimum((clipped * TENTHS).astype(int), TENTHS - 1), minlength=TENTHS)
    return Distribution(round(float(clipped.mean()), 4), quantiles, tenths.tolist())


def _shared(first: Sequence[Any], second: Sequence[Any]) -> Shared:
    a, b = Counter(first), Counter(second)
    common = a.keys() & b.keys()
    of_first, of_second = (sum(counts[key] for key in common) / counts.total() for counts in (a, b))
    return Shared(len(common), round(of_first, 4), round(of_second, 4))
