"""Example, Instruction, Dataset: rows in and out of files, each with where it came from.

A file's rows are either planner examples, `{"query": …, "plan": [...]}`, or Alpaca rows, `{"instruction": …,
"input": …, "output": …}`; further keys are tolerated. Reading is strict and loses nothing: what is not a row becomes
`Rejected`, with file, line and reason. Whether rows repeat or contradict each other is `stages/refine.py`'s matter.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.data.sources import RawLine, RawRow, decode_row, read_raw_rows
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed, Plan, parse_plan, plan_from_json
from platypus.plan.repair import mend_plan

PARAPHRASED = "teacher:paraphrase"  # the `source` of a row that says in other words what the line `of` says


@dataclass(frozen=True)
class Example:
    """A request and its plan. `catalogue` is the tools' fingerprint ("" when unknown), `origin` its source."""

    query: str
    plan: Plan
    catalogue: str
    origin: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The row as the project's files hold it."""
        return {
            "query": self.query,
            "plan": self.plan.to_json(),
            "catalogue": self.catalogue,
            "origin": dict(self.origin),
        }


@dataclass(frozen=True)
class Instruction:
    """An Alpaca row: what to do, on which input ("" for none), and the answer."""

    instruction: str
    input: str
    output: str
    origin: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The Alpaca row, and its origin."""
        return asdict(self)


Row = Example | Instruction


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used: its place, why, the row itself, the reason's kind for counting, further evidence.

    The row is decoded data, a text that could not be decoded, or JSON as bytes, to be decoded late.
    """

    file: str
    line: int
    reason: str
    row: Any
    kind: str = "row"
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """The line in `rejected.jsonl`."""
        row = json.loads(self.row) if isinstance(self.row, bytes) else self.row
        return {
            **{"file": self.file, "line": self.line, "reason": self.reason, "row": row},
            **{"kind": self.kind, "evidence": list(self.evidence)},
        }


@dataclass(frozen=True)
class Repaired:
    """A row that was read only after the named repairs."""

    file: str
    line: int
    repairs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {', '.join(self.repairs)}"


@dataclass(frozen=True)
class Dataset:
    """What a file held, in its order: usable rows and the line of each, rejected rows, repairs made."""

    rows: tuple[Row, ...]
    lines: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    repaired: tuple[Repaired, ...]


def read_dataset(source: str, catalogue: Catalogue | None, *, lenient: bool = False) -> Dataset:
    """The rows of a JSONL, JSON, CSV or Parquet file, or of a data set on the hub ("owner/name", its `train` split).

    With a catalogue every plan is checked against it. `lenient` mends what `platypus.plan.repair` can, and says so.
    Raises DatasetError when there is no such data, it is empty, or it holds no rows of a known kind.
    """
    found = list(read_raw_rows(source, lenient=lenient))
    return parse_rows(found, source, catalogue, alpaca=is_alpaca(found, source, lenient=lenient), lenient=lenient)


def parse_rows(
    found: Iterable[RawLine | RawRow], source: str, catalogue: Catalogue | None, *, alpaca: bool, lenient: bool = False
) -> Dataset:
    """Some of a source's entries as rows of one kind, Alpaca rows or examples."""
    rows: list[Row] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    repaired: list[Repaired] = []
    for entry in (decode_row(entry, lenient=lenient) for entry in found):
        here = {"source": source, "line": entry.line}
        try:
            made = _instruction(entry, here) if alpaca else _example(entry, here, catalogue, lenient)
        except _Unusable as fault:
            rejected.append(Rejected(source, entry.line, fault.reason, entry.raw, fault.kind, fault.evidence))
            continue
        rows.append(made.row)
        lines.append(entry.line)
        if made.repairs:
            repaired.append(Repaired(source, entry.line, made.repairs))
    return Dataset(tuple(rows), tuple(lines), tuple(rejected), tuple(repaired))


def is_alpaca(found: Iterable[RawLine | RawRow], source: str, *, lenient: bool = False) -> bool:
    """The kind of the first entry that is of a known kind; the source's other rows are held to it.

    Raises DatasetError when none is.
    """
    faults: list[str | None] = []
    first = 0
    for entry in (decode_row(entry, lenient=lenient) for entry in found):
        first = first or entry.line
        if isinstance(entry.data, Mapping):
            if entry.data.keys() >= {"query", "plan"}:
                return False
            if entry.data.keys() >= {"instruction", "output"}:
                return True
        faults.append(entry.data.reason if isinstance(entry.data, Malformed) else None)
    raise DatasetError(
        faults[0] if faults[0] and None not in faults else "holds no rows of a known kind",
        where=f"{source}:{first}",
        remedy='A row is {"query": …, "plan": [...]} or {"instruction": …, "input": …, "output": …}, one a line.',
    )


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One row a line, as `read_dataset` reads them."""
    write_lines(path, (row.to_json() for row in rows))


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """JSON Lines in UTF-8; half a surrogate pair becomes its escape, which JSON allows and UTF-8 does not."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


# ---------------------------------------------------------------- rows


class _Made(NamedTuple):
    row: Row
    repairs: tuple[str, ...]


class _Unusable(Exception):
    """Why an entry is not a row."""

    def __init__(self, reason: str, *, kind: str = "row", evidence: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.evidence = evidence


def _example(entry: RawRow, here: Mapping[str, Any], catalogue: Catalogue | None, lenient: bool) -> _Made:
    data = _fields(entry, "query", "plan")
    query = _text(data, "query", needed=True)
    known = catalogue.fingerprint if catalogue else ""
    made_for = _text(data, "catalogue") or known
    if catalogue and made_for != known:
        raise _Unusable(f"made for catalogue {made_for}, this one is {known}", kind="other-catalogue")
    given, repairs = data["plan"], entry.repairs
    plan = parse_plan(given, catalogue) if isinstance(given, str) else plan_from_json(given, catalogue)
    if lenient and isinstance(plan, Malformed):
        mended = mend_plan(given, catalogue)
        if mended.repairs:
            plan, repairs = plan_from_json(mended.data, catalogue), repairs + mended.repairs
    if isinstance(plan, Malformed):
        raise _Unusable(plan.reason, kind=plan.problems[0].kind, evidence=tuple(map(str, plan.problems)))
    return _Made(Example(query, plan, made_for, _origin(data, here)), repairs)


def _instruction(entry: RawRow, here: Mapping[str, Any]) -> _Made:
    data = _fields(entry, "instruction", "output")
    instruction = _text(data, "instruction", needed=True)
    return _Made(
        Instruction(instruction, _text(data, "input"), _text(data, "output"), _origin(data, here)), entry.repairs
    )


def _fields(entry: RawRow, *needed: str) -> Mapping[str, Any]:
    """The row as an object that has these keys."""
    if isinstance(entry.data, Malformed):
        raise _Unusable(entry.data.reason, kind=entry.data.problems[0].kind)
    if not isinstance(entry.data, Mapping):
        raise _Unusable(f"a row is a JSON object, not {type(entry.data).__name__}")
    missing = [key for key in needed if key not in entry.data]
    if missing:
        raise _Unusable(f"has no `{missing[0]}`")
    return entry.data


def _text(data: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    """The text under a key; absent or null is empty."""
    value = data.get(key)
    text = "" if value is None else value
    if not isinstance(text, str):
        raise _Unusable(f"`{key}` is {type(text).__name__}, not text")
    if needed and not text.strip():
        raise _Unusable(f"`{key}` is empty")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Unusable(f"`{key}` holds half of a surrogate pair, which is not text")
    return text


def _origin(data: Mapping[str, Any], here: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the row says of where it is from, else where it was read."""
    said = data.get("origin")
    return said if isinstance(said, Mapping) else here
