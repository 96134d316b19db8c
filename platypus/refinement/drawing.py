"""The splits that a recipe asks for: by groups or tools, by single rows if groups are too large, and balanced.

Raises DatasetError when the settings cannot be met. Reads and writes no files.
"""

from collections.abc import Iterator, Sequence, Set
from random import Random
from typing import NamedTuple

import numpy as np

from platypus.data.dataset import Rejected
from platypus.errors import DatasetError
from platypus.refinement.candidates import Candidate
from platypus.refinement.deduplication import rejection
from platypus.refinement.grouping import Ints, families, numbered, tied
from platypus.refinement.splits import fill, overrepresented, split, split_by_tool
from platypus.run.settings import RefineSettings


class Drawn(NamedTuple):
    """The rows of each split by their indices, the rejected surplus, and what is to be said of the splits.

    `by_rows` names the splits that were drawn by single rows.
    """

    rows: dict[str, list[int]]
    surplus: list[Rejected]
    by_rows: list[str]
    warnings: list[str]


def draw(
    groups: Ints,
    candidates: Sequence[Candidate],
    settings: RefineSettings,
    *,
    seed: int,
    where: str,
    learned: Set[str] = frozenset(),
) -> Drawn:
    """Draw the splits; rows of a group stay together, unless the groups are too large for that.

    `where` is named in errors. Groups with a row of the files `learned` are for training. Raises DatasetError if
    `apart` leaves no test.
    """
    rng, by_rows = Random(seed), []
    fractions = {"test": 0.0 if settings.test else settings.test_fraction, "valid": settings.valid_fraction}
    if "skeleton" in settings.apart:
        groups = tied(groups, numbered(one.skeleton for one in candidates))
    if "tool" in settings.apart:
        rows = split_by_tool(families(groups), [one.tools for one in candidates], fractions=fractions, rng=rng)
    else:
        known = [(any(candidates[i].file in learned for i in family), family) for family in families(groups)]
        rows = split([family for is_learned, family in known if not is_learned], fractions=fractions, rng=rng)
        rows["train"] = sorted([*rows["train"], *(i for is_learned, family in known if is_learned for i in family)])
    if not settings.apart:
        kept = [i for i in rows["train"] if candidates[i].file in learned]
        rows["train"] = [i for i in rows["train"] if candidates[i].file not in learned]
        by_rows = fill(rows, groups.tolist(), originals(candidates).tolist(), fractions=fractions, rng=rng)
        rows["train"] = sorted([*rows["train"], *kept])
    elif fractions["test"] and not rows["test"]:
        message = f"no rows can be held out: in every split some {' or '.join(settings.apart)} would be on both sides"
        raise DatasetError(
            message, where=where, remedy="Remove an entry of `apart` under [refine], or give more examples."
        )
    warnings = [*_warnings(rows, by_rows, groups, fractions["test"])]
    surplus = _surplus(rows["train"], candidates, settings, rng)
    rows["train"] = [i for i in rows["train"] if i not in surplus]
    return Drawn(rows, [*surplus.values()], by_rows, warnings)


def originals(candidates: Sequence[Candidate]) -> Ints:
    """Return a number for each row, the same for a row and its paraphrases."""
    return numbered((one.file, one.original) for one in candidates)


def _warnings(rows: dict[str, list[int]], by_rows: list[str], groups: Ints, test_fraction: float) -> Iterator[str]:
    if by_rows:
        yield (
            f"rows of {' and '.join(by_rows)} were drawn singly, because the groups of rows with the same template or"
            f" nearly the same text are too large (the largest has {np.bincount(groups).max():,} of {len(groups):,}"
            " rows). Rows much like them are also trained on, so scores will be too high. For a stricter test, name a"
            " file as `test` under [refine]."
        )
    if test_fraction and not rows["test"]:
        yield (
            f"there is no test: test_fraction = {test_fraction:g} of {len(groups):,} rows is less than one row, so"
            " `evaluate` will have nothing to score. Raise test_fraction under [refine], or name a file as `test`."
        )


def _surplus(
    rows: Sequence[int], candidates: Sequence[Candidate], settings: RefineSettings, rng: Random
) -> dict[int, Rejected]:
    """The training rows to drop because there are too many of one kind, by index."""
    shares = {
        "plan shape": (settings.most_per_skeleton, [(one.skeleton,) * one.is_example for one in candidates]),
        "tool": (settings.most_per_tool, [one.tools for one in candidates]),
        "plan length": (settings.most_per_length, [(str(one.steps),) * one.is_example for one in candidates]),
    }
    surplus: dict[int, Rejected] = {}
    for name, (share, keys) in shares.items():
        remaining = [i for i in rows if i not in surplus]
        for i in overrepresented(remaining, keys, share=share, rng=rng) if share < 1 else ():
            reason = f"too many rows of one {name}: at most {share:.0%} of {len(remaining)} stay"
            surplus[i] = rejection(candidates[i], "balance", reason, *keys[i])
    return surplus
