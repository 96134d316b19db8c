"""What of each row is compared with other rows: not what many of them share.

Rows that share their instruction are compared by their inputs, and rows that share their input (a passage with several
questions) by their instructions. Long runs of text that many rows share are left out everywhere. Where nothing is
shared, the whole question is compared.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from platypus.data.signatures import normalised
from platypus.refinement.candidates import Candidate
from platypus.refinement.common_text import without_common_text
from platypus.refinement.grouping import Ints, numbered
from platypus.refinement.similarity import Sets, trigrams


@dataclass(frozen=True)
class Texts:
    """Some texts and their trigrams."""

    texts: list[str]
    sets: Sets

    def __getitem__(self, some: Sequence[int]) -> "Texts":
        return Texts([self.texts[i] for i in some], self.sets[np.asarray(some, np.int64)])


@dataclass(frozen=True)
class DistinctText:
    """What of some rows is compared. Take a part of the rows by their indices.

    `own` tells rows apart that have the same `shared` number; rows with different numbers are different in what they
    share with others, and neither repeats the other. `wide` also holds what but few rows share, such as a passage with
    three questions: rows that are alike in it belong on one side of a split. `counts` has the number of rows whose
    instruction, input, or a long run of text is not compared.
    """

    wide: Texts
    own: Texts
    shared: Ints
    counts: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, some: Sequence[int]) -> "DistinctText":
        wide = self.wide[some]
        own = wide if self.own is self.wide else self.own[some]
        return DistinctText(wide, own, self.shared[np.asarray(some, np.int64)])


def distinct_text(candidates: Sequence[Candidate]) -> DistinctText:
    """Return what of each row is compared with the other rows."""
    parts = _parts(candidates)
    answers = numbered(one.answer for one in candidates)
    wide = without_common_text([part.wide for part in parts], answers)
    common: list[Hashable] = [*zip([part.shared for part in parts], wide.common, strict=True)]
    texts = Texts(wide.texts, trigrams(wide.texts))
    own = texts
    if any(part.own != part.wide for part in parts):
        narrow = without_common_text([part.own for part in parts], answers)
        common = [*zip(common, narrow.common, strict=True)]
        own = Texts(narrow.texts, trigrams(narrow.texts))
    return DistinctText(
        texts,
        own,
        numbered(common),
        {
            "instructions": sum(part.shared[0] != "" for part in parts),
            "inputs": sum(part.shared[1] != "" for part in parts),
            "runs": sum(map(bool, wide.common)),
        },
    )


class _Part(NamedTuple):
    """What of a row is compared, and the instruction and input that it shares with others ("" if it does not)."""

    wide: str
    own: str
    shared: tuple[str, str]


def _parts(candidates: Sequence[Candidate]) -> list[_Part]:
    keys = [(normalised(one.instruction), normalised(one.input)) if one.input_at else ("", "") for one in candidates]
    inputs_of: dict[str, Any] = defaultdict(set)
    instructions_of: dict[str, Any] = defaultdict(set)
    for instruction, given in keys:
        if instruction:
            inputs_of[instruction].add(given)
            instructions_of[given].add(instruction)
    parts = []
    for one, (instruction, given) in zip(candidates, keys, strict=True):
        is_common = len(inputs_of.get(instruction, ())) > 1
        is_passage = given != "" and len(instructions_of.get(given, ())) > 1
        wide = one.input if is_common else one.question
        own = one.question if is_common and is_passage else one.instruction if is_passage else wide
        parts.append(_Part(wide, own, (instruction if is_common else "", given if is_passage else "")))
    return parts
