"""Candidate: a row that may be used, where it was read, and what follows from this row alone.

Sources are read in batches, large ones on all cores; the result does not depend on their number. A candidate holds its
row as bytes, so that a million of them fit in memory. Does not compare rows with each other.
"""

import hashlib
import json
import multiprocessing
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from platypus.catalogue.prose import one_line
from platypus.catalogue.tools import Catalogue
from platypus.data.columns import Columns
from platypus.data.dataset import PARAPHRASED, Example, Rejected, Repaired, Row, is_alpaca, parse_rows
from platypus.data.signatures import (
    answer_text,
    one_line_request,
    plan_skeleton,
    request_parts,
    request_template,
)
from platypus.data.sources import RawLine, RawRow, read_raw_rows
from platypus.parallel import cores, in_order
from platypus.plan.equality import fingerprint
from platypus.prompt.templates import Template
from platypus.refinement.quality import Doubt, RequestBounds, check_row

BATCH = 1000  # rows processed together
FEW = 16  # batches; with fewer, one process is faster than several


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row. `template` and `answer` are hashes; `steps` is -1 and `tools` empty if the answer is text.

    `original` is the line of the original of a teacher's paraphrase, in the same file; otherwise the row's own line.
    `input_at` is where in `question` the input begins, behind its instruction; 0 if the two are not apart. `catalogue`
    is the fingerprint of the tools that the row brings, "" if it brings none: rows with other tools neither repeat nor
    contradict each other.
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
    input_at: int = 0
    catalogue: str = ""

    @property
    def place(self) -> str:
        """File and line: `rows.jsonl:7`."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {self.question}"

    @property
    def instruction(self) -> str:
        """What is to be done with the input; "" if the two are not apart."""
        return self.question[: self.input_at]

    @property
    def input(self) -> str:
        """The input of an instruction, or the whole question if the two are not apart."""
        return self.question[self.input_at :].strip()

    @property
    def is_example(self) -> bool:
        """Whether the answer is a plan."""
        return self.steps >= 0

    @property
    def is_conversation(self) -> bool:
        """Whether the row has turns."""
        return self.row.startswith(b'{"messages"')

    @property
    def answer_text(self) -> str:
        """The answer as text."""
        row = self.to_json()
        if self.is_example:
            return json.dumps(row["plan"], ensure_ascii=False)
        return str(row["messages"][-1]["content"] if self.is_conversation else row["output"])

    def to_json(self) -> Any:
        """Return the row as in the project's files."""
        return json.loads(self.row)


@dataclass(frozen=True)
class ReadingOptions:
    """How rows are read: the tools of their plans, whether nearly right rows are repaired, and limits for requests."""

    catalogue: Catalogue | None
    lenient: bool
    bounds: RequestBounds
    columns: Columns = field(default_factory=dict)


@dataclass(frozen=True)
class Candidates:
    """The rows of some sources, in order.

    `unused` counts, by source, the rows that hold something under a key that is not used. `found` has those of the
    user's own column names that occur. `files` has the files that the usable rows of a source are from.
    """

    candidates: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    repaired: list[Repaired] = field(default_factory=list)
    unused: dict[str, Counter[str]] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    files: dict[str, set[str]] = field(default_factory=dict)

    def extend(self, other: "Candidates") -> None:
        """Add the rows of another one."""
        self.candidates.extend(other.candidates)
        self.rejected.extend(other.rejected)
        self.repaired.extend(other.repaired)
        for source, counts in other.unused.items():
            self.unused.setdefault(source, Counter()).update(counts)
        self.found.update(other.found)
        for source, files in other.files.items():
            self.files.setdefault(source, set()).update(files)


@dataclass(frozen=True)
class Batch:
    """Some rows of one source, all of the same kind."""

    source: str
    alpaca: bool | None
    entries: Sequence[RawLine | RawRow]


Mapped = Callable[[Iterator[Batch], ReadingOptions], Iterator[Candidates]]  # `check_batch` of each batch, in order


def gather(sources: Iterable[str], reading: ReadingOptions, *, mapped: Mapped | None = None) -> Candidates:
    """Return all rows of the sources, processed by `mapped` (default: `on_cores`).

    Raises DatasetError for a source that cannot be read or holds no rows.
    """
    everything = Candidates()
    for source in sources:
        for part in (mapped or on_cores)(row_batches(source, reading), reading):
            everything.extend(part)
    return everything


def take_corrections(data: Candidates, path: Path, reading: ReadingOptions, *, keep: Path) -> frozenset[str]:
    """Add the corrections in a file to the rows, in the place of rows with the same request; keep a copy of the file.

    Returns the files that they are from: none if there is no such file. Raises DatasetError if it cannot be read.
    """
    if not path.exists():
        return frozenset()
    shutil.copyfile(path, keep)
    corrections = gather([str(path)], replace(reading, columns={}))
    right = {(one.question, one.catalogue): one for one in corrections.candidates}
    for one in data.candidates:
        if better := right.get((one.question, one.catalogue)):
            reason, evidence = "was corrected: another plan is right for its request", (str(better),)
            data.rejected.append(Rejected(one.file, one.line, reason, one.row, "corrected", evidence))
    data.candidates[:] = [one for one in data.candidates if (one.question, one.catalogue) not in right]
    data.extend(corrections)
    return frozenset(one.file for one in corrections.candidates)


def without_unusable(rows: Candidates, *, catalogue: Catalogue | None, template: Template) -> Candidates:
    """The same rows, with those rejected for which a run with this catalogue and template has no use.

    Without any tools, nothing tells whether a plan is valid, and a prompt has none to show.
    """
    kept: list[Candidate] = []
    rejected = list(rows.rejected)
    for one in rows.candidates:
        if one.is_example and not one.catalogue and catalogue is None:
            reason = "its plan has no tools: the row brings none, and the recipe names no catalogue"
            rejected.append(Rejected(one.file, one.line, reason, one.row, "tools"))
        elif template == "alpaca" and one.is_conversation:
            reason = 'is a conversation, which needs template = "chat" under [prompt]: Alpaca\'s has no place for it'
            rejected.append(Rejected(one.file, one.line, reason, one.row, "template"))
        else:
            kept.append(one)
    return replace(rows, candidates=kept, rejected=rejected)


def row_batches(source: str, reading: ReadingOptions) -> Iterator[Batch]:
    """Yield the rows of a source in batches. Raises DatasetError when it cannot be read or holds no rows."""
    entries = read_raw_rows(source, lenient=reading.lenient)
    first: list[RawLine | RawRow] = []
    alpaca = is_alpaca(_recording(entries, first), source, lenient=reading.lenient, columns=reading.columns)
    entries = chain(first, entries)
    while some := list(islice(entries, BATCH)):
        yield Batch(source, alpaca, some)


def _recording(entries: Iterable[RawLine | RawRow], seen: list[RawLine | RawRow]) -> Iterator[RawLine | RawRow]:
    """The entries, each appended to `seen` when it is read."""
    for entry in entries:
        seen.append(entry)
        yield entry


def check_batch(batch: Batch, reading: ReadingOptions) -> Candidates:
    """Return the rows of a batch as candidates, with the rejected and the repaired rows."""
    dataset = parse_rows(
        batch.entries,
        batch.source,
        reading.catalogue,
        alpaca=batch.alpaca,
        lenient=reading.lenient,
        columns=reading.columns,
    )
    rows = zip(dataset.rows, dataset.files, dataset.lines, strict=True)
    return Candidates(
        [_candidate(row, file, line, reading) for row, file, line in rows],
        list(dataset.rejected),
        list(dataset.repaired),
        {batch.source: Counter(dataset.unused)} if dataset.unused else {},
        set(dataset.found),
        {batch.source: set(dataset.files)},
    )


def _candidate(row: Row, file: str, line: int, reading: ReadingOptions) -> Candidate:
    tools = row.known_tools(reading.catalogue) if isinstance(row, Example) else None
    if isinstance(row, Example) and tools is not None:
        row = replace(row, plan=row.plan.ordered(tools))
    checked = check_row(row, tools, reading.bounds)
    return Candidate(
        file=file,
        line=line,
        original=_original(row, line),
        row=json.dumps(row.to_json(), ensure_ascii=False, default=str).encode("utf-8", "backslashreplace"),
        question=one_line_request(row),
        template=_hashed(request_template(row)),
        answer=_answer(row, tools),
        skeleton=plan_skeleton(row.plan) if isinstance(row, Example) else "",
        tools=tuple({sys.intern(step.tool): None for step in row.plan}) if isinstance(row, Example) else (),
        steps=len(row.plan) if isinstance(row, Example) else -1,
        grounded=checked.grounded,
        findings=checked.findings,
        input_at=len(one_line(request_parts(row)[0])),
        catalogue=sys.intern(row.tools.fingerprint) if isinstance(row, Example) and row.tools else "",
    )


def _original(row: Row, line: int) -> int:
    origin = row.origin if isinstance(row, Example) else {}
    return int(origin["of"]) if origin.get("source") == PARAPHRASED and str(origin.get("of")).isdigit() else line


def _answer(row: Row, catalogue: Catalogue | None) -> int:
    """A hash that is equal for equal answers."""
    if isinstance(row, Example):
        own = f"{row.tools.fingerprint} " if row.tools else ""
        return _hashed(f"plan {own}{fingerprint(row.plan, catalogue) if catalogue else row.plan}")
    return _hashed(f"text {answer_text(row)}")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).digest())


# ---------------------------------------------------------------- several processes


def on_cores(work: Iterator[Batch], reading: ReadingOptions) -> Iterator[Candidates]:
    """Yield `check_batch` of each batch, in order; several processes do it if there are many batches."""
    first = list(islice(work, FEW))
    work, number = chain(first, work), cores()
    if len(first) < FEW or number == 1:
        yield from (check_batch(batch, reading) for batch in work)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that no thread can release any more
    with ProcessPoolExecutor(number, mp_context=spawn) as pool:
        yield from in_order(pool, partial(check_batch, reading=reading), work, ahead=4 * number)
