"""How much was left out: a warning when it is much, and a refusal when hardly anything is left."""

from collections import Counter
from collections.abc import Iterable, Sequence

from platypus.data.dataset import Rejected
from platypus.errors import DatasetError

LIKENESS = frozenset({"near-duplicate", "semantic-duplicate", "contamination"})  # removed for being like another row
MUCH = 1 / 3


def counts_by_kind(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Return the number of rejected rows of each kind, the most frequent kind first."""
    return dict(Counter(row.kind for row in rejected).most_common())


def counts_text(rejected: Iterable[Rejected]) -> str:
    """Return these numbers as text: "63 unknown-argument, 7 near-duplicate"."""
    return ", ".join(f"{count} {kind}" for kind, count in counts_by_kind(rejected).items())


def loss_warnings(rows: int, rejected: Sequence[Rejected]) -> list[str]:
    """Return a warning if more than a third of the rows was left out."""
    if len(rejected) <= MUCH * rows:
        return []
    left, share = rows - len(rejected), len(rejected) / rows
    return [
        f"{len(rejected):,} of {rows:,} rows ({share:.0%}) were left out, {left:,} are kept: {counts_text(rejected)}."
        " rejected.jsonl has each with its reason."
    ]


def check_loss(rows: int, rejected: Sequence[Rejected], *, least: float, near: float, where: str) -> None:
    """Raise DatasetError if fewer than the `least` share of the rows was kept, because they resemble other rows.

    `where` is the file that lists them, `near` the threshold for near-duplicates.
    """
    alike = [row for row in rejected if row.kind in LIKENESS]
    kept = rows - len(alike)
    if kept >= least * rows:
        return
    raise DatasetError(
        f"only {kept:,} of {rows:,} different rows would be kept, as the others are too much like another row"
        f" ({counts_text(alike)}), for example {alike[0]}",
        where=where,
        remedy=f"If these rows differ in what matters, raise near_duplicate (now {near:g}) under [refine], up to 1."
        f" If it is right, allow it: min_kept = 0 (now {least:g}). That file lists all rows with their reasons.",
    )
