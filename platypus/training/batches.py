"""Which examples each optimizer step learns from, and which of them each process computes.

The order is seeded and the same in all processes: each knows the whole step and takes its share, so no row is missed or
computed twice. Examples that begin alike (those of one catalogue) go into the same steps, because what they share is
computed once per step.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.shared_prefix.frozen import behind_one_prefix

SORTED_TOGETHER = 50  # batches per span that group_by_length sorts by length, as in transformers


def batches(examples: Sequence[EncodedExample], *, settings: TrainSettings, seed: int, epoch: int) -> list[list[int]]:
    """The row numbers of each optimizer step of an epoch: every row once, and only the last step may have fewer.

    Of rows that bring their own tools, those with the same ones stand together, and what fills no step of its own
    stands beside other rows in each epoch. With group_by_length, the rows of a step are also of similar length.
    """
    rng = random.Random(f"{seed}/{epoch}")
    size = settings.batch_size
    whole: list[list[int]] = []
    rests: list[list[int]] = []
    for family in _families(examples):
        rng.shuffle(family)
        if settings.group_by_length:
            family = _sorted_in_spans(family, examples, span=SORTED_TOGETHER * size)
        full = len(family) - len(family) % size
        whole += [family[start : start + size] for start in range(0, full, size)]
        rests.append(family[full:])
    if any(example.catalogue for example in examples):
        rng.shuffle(rests)
    rest = [number for some in rests for number in some]
    steps = whole + [rest[start : start + size] for start in range(0, len(rest), size)]
    last = [steps.pop()] if len(steps[-1]) < size else []
    rng.shuffle(steps)
    return steps + last


def share(step: Sequence[EncodedExample], *, rank: int, world_size: int, even: bool = False) -> list[EncodedExample]:
    """The rows of a step for one rank: `rank`, `rank + world_size`, …

    With `even`, all ranks get the same number of rows behind each frozen prefix. A rank that has fewer gets one more
    row, which it computes but does not learn from.
    """
    if not even:
        return list(step[rank::world_size])
    mine: list[EncodedExample] = []
    for rows in behind_one_prefix(step).values():
        own = rows[rank::world_size]
        short = len(own) < math.ceil(len(rows) / world_size)
        mine += [*own, *([replace(rows[0], prompt_length=len(rows[0].ids), gaps=())] if short else [])]
    return mine


def _families(examples: Sequence[EncodedExample]) -> list[list[int]]:
    """The rows in families: neighbours in sorted order that share at least half of the shorter prompt.

    Rows of one catalogue are a family, and rows that bring their own tools are one only with the same tools. All rows
    without relatives make up one more family, though they share nothing.
    """
    order = sorted(range(len(examples)), key=lambda number: (examples[number].catalogue, examples[number].ids))
    families: list[list[int]] = []
    for number in order:
        if families and _begin_alike(examples[families[-1][-1]], examples[number]):
            families[-1].append(number)
        else:
            families.append([number])
    strangers = [family[0] for family in families if len(family) == 1]
    return [sorted(family) for family in (*(family for family in families if len(family) > 1), strangers) if family]


def _begin_alike(one: EncodedExample, other: EncodedExample) -> bool:
    half = min(one.prompt_length, other.prompt_length) // 2
    return one.catalogue == other.catalogue and one.ids[:half] == other.ids[:half]


def _sorted_in_spans(order: Sequence[int], examples: Sequence[EncodedExample], *, span: int) -> list[int]:
    parts = (order[start : start + span] for start in range(0, len(order), span))
    return [number for part in parts for number in sorted(part, key=lambda number: len(examples[number].ids))]
