"""The rows of a test set: all of a source, its first ones, or a sample; with the run's tools or their own.

Reading is strict. A row that cannot be used stops the evaluation, or is left out and counted if the user says so: what
a figure is measured on must not change unseen.
"""

from dataclasses import dataclass
from itertools import islice
from random import Random

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Rejected, Row, is_alpaca, parse_rows
from platypus.data.sources import read_raw_rows
from platypus.errors import DatasetError


@dataclass(frozen=True)
class Gold:
    """The rows to be answered, of `of` in the source, and those of them that cannot be used; `chosen` has both."""

    rows: tuple[Row, ...]
    of: int
    rejected: tuple[Rejected, ...]
    chosen: tuple[Row | Rejected, ...]

    def remark(self) -> str:
        """What was left out, in words; "" for nothing."""
        if not self.rejected:
            return ""
        return f"{len(self.rejected)} rows cannot be used and are left out, the first at {self.rejected[0]}"


def read_gold(
    source: str,
    catalogue: Catalogue | None,
    *,
    limit: int | None = None,
    shuffle: int | None = None,
    skip_bad: bool = False,
) -> Gold:
    """The first `limit` rows of a source, or with `shuffle`, a seed, a sample in random order.

    Raises DatasetError for a bad row unless `skip_bad`, for a plan without tools, and where nothing is left.
    """
    raw = read_raw_rows(source)
    if shuffle is not None:
        everything = list(raw)
        Random(shuffle).shuffle(everything)
        raw = iter(everything)
    chosen = list(islice(raw, limit))
    parsed = parse_rows(chosen, source, catalogue, alpaca=is_alpaca(chosen, source))
    gold = Gold(parsed.rows, len(chosen) + sum(1 for _ in raw), parsed.rejected, parsed.entries)
    if gold.rejected and not skip_bad:
        raise DatasetError(
            f"{gold.rejected[0].reason}; {len(gold.rejected)} of {len(chosen)} rows cannot be used",
            where=f"{gold.rejected[0].file}:{gold.rejected[0].line}",
            remedy="Correct them, or leave them out with --skip-bad; the report says how many.",
        )
    if not gold.rows:
        raise DatasetError("holds no row that can be used", where=source, remedy="See platypus check.")
    bare = next((row for row in gold.rows if isinstance(row, Example) and not row.known_tools(catalogue)), None)
    if bare:
        remedy = "Give --catalogue SOURCE, or rows with `tools`."
        raise DatasetError(
            f"the row {bare.query!r} brings no tools, and there are no others", where=source, remedy=remedy
        )
    return gold
