"""compare: tells what differs between planners on the same rows, and whether that can be chance.

Each planner is compared with the first one. Leaves nothing behind. docs/metrics.md explains the figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from platypus.catalogue.prose import one_line
from platypus.evaluation.comparison import Comparison, compare, read_answers
from platypus.evaluation.report import MEASURES, plan_line
from platypus.evaluation.resuming import is_unfinished
from platypus.files import say
from platypus.reports import shortened

RESAMPLES = 2000
LONGEST = 100  # characters of a plan or request in the list of flips


@dataclass(frozen=True)
class Comparisons:
    """Planners against the first one."""

    found: Sequence[Comparison]
    flips: int

    def to_json(self) -> dict[str, Any]:
        """All of it, with every row that flipped."""
        return {"comparisons": [one.to_json() for one in self.found]}

    def readable(self) -> Group:
        """A table and the first flipped rows of each, for the terminal."""
        return Group(*(part for one in self.found for part in _readable(one, self.flips)))


def compare_all(sources: Sequence[str], *, seed: int, flips: int) -> Comparisons:
    """Compare each source with the first one; `flips` is how many flipped rows are shown. Raises DatasetError.

    An evaluation that is not finished is compared as far as it is, and named.
    """
    first, *others = read = [read_answers(source) for source in sources]
    for one in read:
        if is_unfinished(one.file.parent):
            known = f"{one.name}: its evaluation is not finished, {len(one.lines)} rows are there"
            say(f"{known}; the same platypus evaluate goes on")
    return Comparisons([compare(first, other, resamples=RESAMPLES, seed=seed) for other in others], flips)


def _readable(one: Comparison, flips: int) -> Iterator[Table | Text]:
    head = Text(f"{one.second} less {one.first}: {one.rows} rows", style="table.title")
    shown = Table(title=head, title_justify="left")
    for heading in ("measure", "difference", "p", "detectable", "rows", "clusters"):
        shown.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, title in MEASURES.items():
        if found := one.differences.get(name):
            counts = f"{found.rows}", f"{found.clusters}"
            shown.add_row(title, str(found), f"{found.p:.3f}", f"{100 * found.detectable:.1f}", *counts)
    shown.caption, shown.caption_justify = "\n".join(_remarks(one)), "left"
    yield shown
    for flip in one.flips[:flips]:
        yield Text("\n".join(_lines(flip.to_json())))
    if len(one.flips) > flips:
        yield Text(f"and {len(one.flips) - flips} more rows; --json lists all")


def _remarks(one: Comparison) -> Iterator[str]:
    yield "Percentage points with 95% intervals over clusters; p by exchanging the answers of clusters."
    yield "detectable: the smallest difference that four of five such sets would show."
    won = len(one.flips) - one.lost
    yield f"exact plans: {one.lost} rows turned wrong, {won} turned right; McNemar's p {one.p_rows:.3f} (rows apart)"
    if one.left_out:
        yield f"{one.left_out} rows that only one of them has answered are left out"


def _lines(flip: Mapping[str, Any]) -> Iterator[str]:
    request = flip.get("query") or flip.get("instruction") or flip["messages"][-1]["content"]
    yield f"\nturned {flip['turned']}: {shortened(one_line(request), LONGEST)}"
    for key in ("gold", "first", "second"):
        yield f"  {key:<6} {shortened(one_line(plan_line(flip[key])), LONGEST)}"
