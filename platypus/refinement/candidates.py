"""Candidate: a row that may be used, where it was read, and what is known of it from itself alone.

Sources are read in batches, large ones by all cores; the result does not depend on how many there are. A candidate
holds its row as text, so that a million of them fit in memory. How rows compare is not known here.
"""

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import PARAPHRASED, Example, Rejected, Repaired, Row, is_alpaca, parse_rows
from platypus.data.signatures import one_line_request, plan_skeleton, request_template
from platypus.data.sources import RawLine, RawRow, read_raw_rows
from platypus.parallel import cores, in_order
from platypus.plan.equality import fingerprint
from platypus.refinement.quality import Doubt, RequestBounds, check_row

BATCH = 1000  # rows that are worked on at once
FEW = 16  # batches up to which one process is quicker than several


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row. `template` and `answer` are hashes; `steps` is -1 and `tools` empty where the answer is text.

    `original` is the line that a teacher's paraphrase was made from, in the same file; elsewhere the row's own.
    """

    file: str
    line: int
    original: int
    row: bytes
    question: str
    template: int
    answer: int
    skeleton: str
    tools: tuple[str, ...]
    steps: int
    grounded: float
    findings: tuple[Doubt, ...]

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.question}"

    @property
    def is_example(self) -> bool:
        """Whether the answer is a plan."""
        return self.steps >= 0

    @property
    def said(self) -> str:
        """The answer as text."""
        row = self.to_json()
        return json.dumps(row["plan"], ensure_ascii=False) if self.is_example else str(row["output"])

    def to_json(self) -> Any:
        """The row as the project's files hold it."""
        return json.loads(self.row)


@dataclass(frozen=True)
class ReadingOptions:
    """How rows are read: against which tools, whether they are mended, within which bounds."""

    catalogue: Catalogue | None
    lenient: bool
    bounds: RequestBounds


@dataclass(frozen=True)
class Candidates:
    """The rows of some sources, in their order."""

    candidates: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    repaired: list[Repaired] = field(default_factory=list)

    def extend(self, other: "Candidates") -> None:
        """Add what another one holds."""
        self.candidates.extend(other.candidates)
        self.rejected.extend(other.rejected)
        self.repaired.extend(other.repaired)


@dataclass(frozen=True)
class Batch:
    """Some rows of one source, all of one kind."""

    source: str
    alpaca: bool
    entries: Sequence[RawLine | RawRow]


Mapped = Callable[[Iterator[Batch], ReadingOptions], Iterator[Candidates]]  # `check_batch` of each batch, in order


def gather(sources: Iterable[str], reading: ReadingOptions, *, mapped: Mapped | None = None) -> Candidates:
    """All rows of the sources, worked on by `mapped` (default: all cores of this machine).

    Raises DatasetError for a source that cannot be read or holds no rows.
    """
    everything = Candidates()
    for source in sources:
        for part in (mapped or on_cores)(row_batches(source, reading), reading):
            everything.extend(part)
    return everything


def row_batches(source: str, reading: ReadingOptions) -> Iterator[Batch]:
    """The rows of a source, some at a time. Raises DatasetError when it cannot be read or holds no rows."""
    found = read_raw_rows(source, lenient=reading.lenient)
    seen: list[RawLine | RawRow] = []
    alpaca = is_alpaca(_noted(found, seen), source, lenient=reading.lenient)
    found = chain(seen, found)
    while some := list(islice(found, BATCH)):
        yield Batch(source, alpaca, some)


def _noted(found: Iterable[RawLine | RawRow], seen: list[RawLine | RawRow]) -> Iterator[RawLine | RawRow]:
    for entry in found:
        seen.append(entry)
        yield entry


def check_batch(batch: Batch, reading: ReadingOptions) -> Candidates:
    """The rows of a batch, checked, with all that is known of each from itself alone."""
    dataset = parse_rows(batch.entries, batch.source, reading.catalogue, alpaca=batch.alpaca, lenient=reading.lenient)
    rows = zip(dataset.rows, dataset.lines, strict=True)
    candidates = [_candidate(row, batch.source, line, reading) for row, line in rows]
    return Candidates(candidates, list(dataset.rejected), list(dataset.repaired))


def _candidate(row: Row, file: str, line: int, reading: ReadingOptions) -> Candidate:
    if isinstance(row, Example) and reading.catalogue is not None:
        row = replace(row, plan=row.plan.ordered(reading.catalogue))
    checked = check_row(row, reading.catalogue, reading.bounds)
    return Candidate(
        file=file,
        line=line,
        original=_original(row, line),
        row=json.dumps(row.to_json(), ensure_ascii=False, default=str).encode("utf-8", "backslashreplace"),
        question=one_line_request(row),
        template=_hashed(request_template(row)),
        answer=_answer(row, reading.catalogue),
        skeleton=plan_skeleton(row.plan) if isinstance(row, Example) else "",
        tools=tuple({sys.intern(step.tool): None for step in row.plan}) if isinstance(row, Example) else (),
        steps=len(row.plan) if isinstance(row, Example) else -1,
        grounded=checked.grounded,
        findings=checked.findings,
    )


def _original(row: Row, line: int) -> int:
    origin = row.origin if isinstance(row, Example) else {}
    return int(origin["of"]) if origin.get("source") == PARAPHRASED and str(origin.get("of")).isdigit() else line


def _answer(row: Row, catalogue: Catalogue | None) -> int:
    """A number that is the same for the same answers."""
    if isinstance(row, Example):
        return _hashed(f"plan {fingerprint(row.plan, catalogue) if catalogue else row.plan}")
    return _hashed(f"text {row.output}")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).digest())


# ---------------------------------------------------------------- several processes


def on_cores(work: Iterator[Batch], reading: ReadingOptions) -> Iterator[Candidates]:
    """`check_batch` of each batch, in order; by several processes where there are many batches."""
    first = list(islice(work, FEW))
    work, number = chain(first, work), cores()
    if len(first) < FEW or number == 1:
        yield from (check_batch(batch, reading) for batch in work)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that no thread is left to open
    with ProcessPoolExecutor(number, mp_context=spawn) as pool:
        yield from in_order(pool, partial(check_batch, reading=reading), work, ahead=4 * number)
