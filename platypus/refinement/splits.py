"""Rows into train, valid and test, so that what hangs together stands on one side; and no kind of row prevails.

Rows are numbers here, and what they have in common is given as numbers too. Draws depend on the generator alone.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random

LARGEST = 10  # families of up to a tenth of a held-out split come first


def split(families: Sequence[Sequence[int]], *, fractions: Mapping[str, float], rng: Random) -> dict[str, list[int]]:
    """Whole families, drawn at random, up to each fraction of the rows; the rest is for training.

    Small families come first, so that no few templates fill a held-out split. Rows keep their order.
    """
    total = sum(map(len, families))
    left = rng.sample(families, len(families))
    made: dict[str, list[int]] = {}
    for name, fraction in fractions.items():
        drawn = _draw(left, round(fraction * total))
        left = [family for family in left if family[0] not in drawn]
        made[name] = sorted(drawn)
    made["train"] = sorted(i for family in left for i in family)
    return made


def _draw(families: Sequence[Sequence[int]], wanted: int) -> set[int]:
    drawn: set[int] = set()
    for family in sorted(families, key=lambda family: max(len(family), wanted // LARGEST)):
        if len(drawn) + len(family) <= wanted:
            drawn.update(family)
    return drawn


def split_by_tool(
    families: Sequence[Sequence[int]], tools: Sequence[Sequence[str]], *, fractions: Mapping[str, float], rng: Random
) -> dict[str, list[int]]:
    """The same, but with tools drawn: all families that call one of them are held out, so training never sees it.

    `tools` names those of each row. A held-out plan may call other tools beside a drawn one.
    """
    total = sum(map(len, families))
    left = [(list(family), {tool for i in family for tool in tools[i]}) for family in families]
    made: dict[str, list[int]] = {}
    for name, fraction in fractions.items():
        drawn: set[str] = set()
        names = sorted({tool for _, called in left for tool in called})
        for tool in rng.sample(names, len(names)):
            more = drawn | {tool}
            if sum(len(family) for family, called in left if called & more) <= round(fraction * total):
                drawn = more
        made[name] = sorted(i for family, called in left if called & drawn for i in family)
        left = [(family, called) for family, called in left if not called & drawn]
    made["train"] = sorted(i for family, _ in left for i in family)
    return made


def overrepresented(rows: Sequence[int], keys: Sequence[Sequence[str]], *, share: float, rng: Random) -> Iterator[int]:
    """The rows that are too many: of those with one key at most this share of all, and at least one, stays.

    `keys` are those of each row; which rows stay is drawn.
    """
    most = max(1, math.floor(share * len(rows)))
    counts: Counter[str] = Counter(key for i in rows for key in keys[i])
    kept: Counter[str] = Counter()
    for i in rng.sample(rows, len(rows)):
        full = [key for key in keys[i] if counts[key] > most and kept[key] >= most]
        if full:
            yield i
        else:
            kept.update(keys[i])
