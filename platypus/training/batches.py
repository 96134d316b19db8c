"""Which examples each optimizer step learns from, and which of them each device computes.

One seeded order for all devices: everyone knows the whole step and takes its share, so no row is missed or seen twice.
Examples that begin alike (the same catalogue) are put into the same steps, for what they share is computed once a step.
"""

import math
import random
from collections.abc import Sequence

from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings

SORTED_TOGETHER = 50  # batches among which group_by_length sorts, as in transformers


def batches(examples: Sequence[EncodedExample], *, settings: TrainSettings, seed: int, epoch: int) -> list[list[int]]:
    """The rows of each optimizer step of an epoch, by number: every row once, only the last step may have fewer.

    With group_by_length the rows of a step are of like length as well.
    """
    drawn = random.Random(f"{seed}/{epoch}")
    size = settings.batch_size
    whole: list[list[int]] = []
    rest: list[int] = []
    for alike in _families(examples):
        drawn.shuffle(alike)
        if settings.group_by_length:
            alike = _sorted_in_spans(alike, examples, span=SORTED_TOGETHER * size)
        full = len(alike) - len(alike) % size
        whole += [alike[start : start + size] for start in range(0, full, size)]
        rest += alike[full:]
    steps = whole + [rest[start : start + size] for start in range(0, len(rest), size)]
    last = [steps.pop()] if len(steps[-1]) < size else []
    drawn.shuffle(steps)
    return steps + last


def share(step: Sequence[EncodedExample], *, rank: int, world_size: int, even: bool = False) -> list[EncodedExample]:
    """What one of several devices computes of a step: every so-manieth row.

    With `even` all get the same number: one with fewer gets a row that it computes and learns nothing from.
    """
    mine = list(step[rank::world_size])
    if even and len(mine) < math.ceil(len(step) / world_size):
        row = step[0]
        mine.append(EncodedExample(row.ids, len(row.ids), row.name))
    return mine


def _families(examples: Sequence[EncodedExample]) -> list[list[int]]:
    """The rows in families: neighbours in sorted order that share at least half of the shorter prompt.

    Rows of one catalogue are a family. Rows without relatives share a family too, whose rows have nothing in common.
    """
    order = sorted(range(len(examples)), key=lambda number: examples[number].ids)
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
    return one.ids[:half] == other.ids[:half]


def _sorted_in_spans(order: Sequence[int], examples: Sequence[EncodedExample], *, span: int) -> list[int]:
    parts = (order[start : start + span] for start in range(0, len(order), span))
    return [number for part in parts for number in sorted(part, key=lambda number: len(examples[number].ids))]
