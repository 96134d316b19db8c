"""Splits of rows into train, valid and test, with each family in one split; and rows that are over-represented.

Rows are indices here, and families are lists of them. Draws depend only on the given random generator.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random

LARGEST = 10  # families of at most 1/LARGEST of a held-out split are drawn first
LARGER = 3  # times as large as wanted may a family be that is the whole held-out split


def split(families: Sequence[Sequence[int]], *, fractions: Mapping[str, float], rng: Random) -> dict[str, list[int]]:
    """Draw whole families at random, up to each fraction of the rows; the rest is for training.

    Small families are drawn first, so that a held-out split is not filled by a few templates. Rows keep their order.
    """
    total = sum(map(len, families))
    remaining = rng.sample(families, len(families))
    splits: dict[str, list[int]] = {}
    for name, fraction in fractions.items():
        held_out = _draw(remaining, round(fraction * total))
        remaining = [family for family in remaining if family[0] not in held_out]
        splits[name] = sorted(held_out)
    splits["train"] = sorted(i for family in remaining for i in family)
    return splits


def _draw(families: Sequence[Sequence[int]], wanted: int) -> set[int]:
    held_out: set[int] = set()
    for family in sorted(families, key=lambda family: max(len(family), wanted // LARGEST)):
        if len(held_out) + len(family) <= wanted:
            held_out.update(family)
    return held_out


def fill(
    splits: dict[str, list[int]],
    groups: Sequence[int],
    units: Sequence[int],
    *,
    fractions: Mapping[str, float],
    rng: Random,
) -> list[str]:
    """Draw the splits that are empty although they should not be, because every family is too large.

    The smallest family is taken whole if it is at most LARGER times what is wanted, and leaves the larger part of the
    rows for training. Otherwise single rows are drawn, and the names of such splits are returned. `groups` has the
    family of each row; rows with the same number in `units` stay together in any case.
    """
    total, by_rows = sum(map(len, splits.values())), []
    for name, fraction in fractions.items():
        wanted = round(fraction * total)
        if splits[name] or not 0 < wanted < len(splits["train"]):
            continue
        smallest = min(_together(splits["train"], groups), key=len)
        held_out = {*smallest}
        if len(smallest) > min(LARGER * wanted, len(splits["train"]) // 2):
            together = _together(splits["train"], units)
            held_out = _draw(rng.sample(together, len(together)), wanted)
            by_rows += [name] if held_out else []
        splits[name] = sorted(held_out)
        splits["train"] = [i for i in splits["train"] if i not in held_out]
    return by_rows


def _together(rows: Sequence[int], labels: Sequence[int]) -> list[list[int]]:
    """The rows of each label."""
    together: dict[int, list[int]] = {}
    for i in rows:
        together.setdefault(labels[i], []).append(i)
    return [*together.values()]


def split_by_tool(
    families: Sequence[Sequence[int]], tools: Sequence[Sequence[str]], *, fractions: Mapping[str, float], rng: Random
) -> dict[str, list[int]]:
    """Like `split`, but draw tools: all families that call one of them are held out, so training never sees it.

    `tools` are those of each row. A held-out plan may call other tools besides a drawn one.
    """
    total = sum(map(len, families))
    remaining = [(list(family), {tool for i in family for tool in tools[i]}) for family in families]
    splits: dict[str, list[int]] = {}
    for name, fraction in fractions.items():
        held_out_tools: set[str] = set()
        names = sorted({tool for _, called in remaining for tool in called})
        for tool in rng.sample(names, len(names)):
            more = held_out_tools | {tool}
            if sum(len(family) for family, called in remaining if called & more) <= round(fraction * total):
                held_out_tools = more
        splits[name] = sorted(i for family, called in remaining if called & held_out_tools for i in family)
        remaining = [(family, called) for family, called in remaining if not called & held_out_tools]
    splits["train"] = sorted(i for family, _ in remaining for i in family)
    return splits


def overrepresented(rows: Sequence[int], keys: Sequence[Sequence[str]], *, share: float, rng: Random) -> Iterator[int]:
    """Yield the surplus rows: of the rows with one key, at most `share` of all rows, and at least one, stay.

    `keys` are those of each row; which rows stay is drawn at random.
    """
    most = max(1, math.floor(share * len(rows)))
    counts: Counter[str] = Counter(key for i in rows for key in keys[i])
    staying: Counter[str] = Counter()
    for i in rng.sample(rows, len(rows)):
        full = [key for key in keys[i] if counts[key] > most and staying[key] >= most]
        if full:
            yield i
        else:
            staying.update(keys[i])
