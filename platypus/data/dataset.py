"""Example, Instruction, Rejected, Dataset: rows in and out of files, each with its origin.

A file's rows are either planner examples, `{"query": …, "plan": [...]}`, or rows that are answered in text: Alpaca
rows, `{"instruction": …, "input": …, "output": …}`, and conversations, `{"messages": [...]}`. Other keys are counted.
An example may bring its own `tools`, for which its plan is then checked. Rows of public formats are converted first
(`platypus.data.formats`). Reading is strict and drops nothing: what is not a row becomes `Rejected`, with file, line
and reason. Rows are not compared with one another: that is done in `platypus.refinement`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.data.columns import (
    Columns,
    check_found,
    lost_companion,
    numbers_as_text,
    renamed,
    unknown_keys,
    unused,
)
from platypus.data.conversation import Conversation, read_messages
from platypus.data.formats.conversion import Format
from platypus.data.formats.formats import converted, format_of
from platypus.data.row_tools import tools_of
from platypus.data.sources import RawLine, RawRow, decode_row, read_raw_rows
from platypus.data.tables import Padded, without_padding
from platypus.errors import CatalogueError, DatasetError
from platypus.plan.plan import Malformed, Plan, parse_json, parse_plan, plan_from_json
from platypus.plan.repair import mend_plan

LOOKED_AT = 100  # rows whose keys are listed if no row is of a known kind
TURNS = ("messages", "conversations", "conversation")  # lists of turns, which a cell of a table holds as JSON
PARAPHRASED = "teacher:paraphrase"  # `source` in the origin of a paraphrase; its `of` is the line of the original


@dataclass(frozen=True)
class Example:
    """A request and its plan. `catalogue` is the catalogue's fingerprint ("" if unknown), `origin` the row's source.

    `tools` are the row's own, where it brings some that are not those of the run; the plan is then made for them.
    """

    query: str
    plan: Plan
    catalogue: str
    origin: Mapping[str, Any]
    tools: Catalogue | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as it is written to files."""
        return {
            "query": self.query,
            "plan": self.plan.to_json(),
            "catalogue": self.catalogue,
            **({"tools": self.tools.to_json()} if self.tools else {}),
            "origin": dict(self.origin),
        }

    def known_tools(self, catalogue: Catalogue | None) -> Catalogue | None:
        """The tools that the plan is made for: the row's own, else those of this catalogue."""
        return self.tools or catalogue


@dataclass(frozen=True)
class Instruction:
    """An Alpaca row: the instruction, its input ("" for none), and the answer."""

    instruction: str
    input: str
    output: str
    origin: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The Alpaca row with its origin."""
        return asdict(self)


Row = Example | Instruction | Conversation


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used: file, line, reason, the row itself, the kind of reason (for counts), further evidence.

    The row is decoded data, a text that could not be decoded, or JSON as bytes, which `to_json` decodes.
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
    """A row that could be read only after these repairs."""

    file: str
    line: int
    repairs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {', '.join(self.repairs)}"


@dataclass(frozen=True)
class Dataset:
    """The content of a source, in order: usable rows and the line of each, rejected rows, repaired rows.

    `files` has the file of each usable row. `unused` counts the rows that hold something under a key that is not used.
    `found` has those of the user's own column names that occur. `entries` are usable and rejected rows together.
    """

    rows: tuple[Row, ...]
    lines: tuple[int, ...]
    rejected: tuple[Rejected, ...]
    repaired: tuple[Repaired, ...]
    files: tuple[str, ...] = ()
    unused: Mapping[str, int] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    entries: tuple[Row | Rejected, ...] = ()


def read_dataset(
    source: str, catalogue: Catalogue | None, *, lenient: bool = False, columns: Columns | None = None
) -> Dataset:
    """The rows of a file, a folder or a data set on the hub, as `platypus.data.locations` describes their names.

    With a catalogue every plan is checked against it. `lenient` repairs what `platypus.plan.repair` can, and says so.
    `columns` has other names of keys. Raises DatasetError if the source does not exist, is empty, or holds no rows of a
    known kind.
    """
    columns = columns or {}
    raw_rows = list(read_raw_rows(source, lenient=lenient))
    alpaca = is_alpaca(raw_rows, source, lenient=lenient, columns=columns)
    dataset = parse_rows(raw_rows, source, catalogue, alpaca=alpaca, lenient=lenient, columns=columns)
    check_found(columns, dataset.found, where=source)
    return dataset


def parse_rows(
    raw_rows: Iterable[RawLine | RawRow],
    source: str,
    catalogue: Catalogue | None,
    *,
    alpaca: bool | None,
    lenient: bool = False,
    columns: Columns | None = None,
) -> Dataset:
    """Some of a source's raw rows as rows: examples, or with `alpaca` text rows; None: each of its own kind."""
    entries: list[Row | Rejected] = []
    places: list[tuple[str, int]] = []
    repaired: list[Repaired] = []
    others: Counter[str] = Counter()
    found: set[str] = set()
    columns = columns or {}
    for entry in (decode_row(entry, lenient=lenient) for entry in raw_rows):
        if columns and isinstance(entry.data, Mapping):
            found.update(name for name in columns.values() if name in entry.data)
        entry = _prepared(entry, catalogue, columns, lenient)
        foreign = format_of(entry.data)
        used = foreign.keys if foreign else None
        others.update(unused(entry.data, used=used) if isinstance(entry.data, Mapping) else ())
        file = entry.file or source
        place = {"source": file, "line": entry.line}
        try:
            result = _row(entry, place, catalogue, alpaca, lenient, foreign)
        except _Unusable as fault:
            entries.append(Rejected(file, entry.line, fault.reason, entry.raw, fault.kind, fault.evidence))
            continue
        entries.append(result.row)
        places.append((file, entry.line))
        if result.repairs:
            repaired.append(Repaired(file, entry.line, result.repairs))
    files, lines = (tuple(file for file, _ in places), tuple(line for _, line in places))
    rows = tuple(one for one in entries if not isinstance(one, Rejected))
    rejected = tuple(one for one in entries if isinstance(one, Rejected))
    return Dataset(rows, lines, rejected, tuple(repaired), files, dict(others), frozenset(found), tuple(entries))


def is_alpaca(
    raw_rows: Iterable[RawLine | RawRow], source: str, *, lenient: bool = False, columns: Columns | None = None
) -> bool | None:
    """Whether the first row of a known kind is answered in text, not by a plan; then all rows of the source must be.

    None if it is of a foreign format: each row is then of the kind that it is converted to. Raises DatasetError if no
    row is of a known kind.
    """
    faults: list[str] = []
    unknown: list[Mapping[str, Any]] = []
    first = 0
    for entry in (decode_row(entry, lenient=lenient) for entry in raw_rows):
        first = first or entry.line
        row = entry.data
        entry = _prepared(entry, None, columns or {}, lenient)
        if isinstance(entry.data, Mapping):
            if format_of(entry.data):
                return None
            if entry.data.keys() >= {"query", "plan"}:
                return False
            if entry.data.keys() >= {"instruction", "output"} or "messages" in entry.data:
                return True
            unknown += [row] * (len(unknown) < LOOKED_AT)
        elif isinstance(entry.data, Malformed):
            faults.append(entry.data.reason)
    if unknown and columns:
        keys = dict.fromkeys(str(key) for row in unknown for key in row)
        check_found(columns, keys, where=source, keys=keys)
    where = f"{source}:{first}"
    if faults and not unknown:
        raise DatasetError(f"none of its rows can be read; the first: {faults[0]}", where=where, remedy="Correct them.")
    what, remedy = unknown_keys(unknown)
    raise DatasetError(what if unknown else "holds no rows: a row is a JSON object", where=where, remedy=remedy)


def _prepared(entry: RawRow, catalogue: Catalogue | None, columns: Columns, lenient: bool) -> RawRow:
    """The row under the known names, without what a table adds to it; `lenient` writes numbers as text."""
    if not isinstance(entry.data, Mapping):
        return entry
    data = renamed(entry.data, columns)
    data = without_padding(Padded(data), catalogue) if isinstance(entry.data, Padded) else data
    cells = {key: parse_json(data[key]) for key in TURNS if isinstance(data.get(key), str)}
    if lists := {key: turns for key, turns in cells.items() if isinstance(turns, list)}:
        data = {**data, **lists}
    as_text = numbers_as_text(data) if lenient else data
    changed = sum(data[key] is not as_text[key] for key in data) if as_text is not data else 0
    repairs = (*entry.repairs, f"number as text ({changed})") if changed else entry.repairs
    return entry._replace(data=as_text, repairs=repairs)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write one row per line, as `read_dataset` reads them."""
    write_lines(path, (row.to_json() for row in rows))


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines in UTF-8. Half a surrogate pair, which UTF-8 does not allow, is written as a JSON escape."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


# ---------------------------------------------------------------- rows


class _Result(NamedTuple):
    row: Row
    repairs: tuple[str, ...]


class _Unusable(Exception):
    """Why a raw row is not a row."""

    def __init__(self, reason: str, *, kind: str = "row", evidence: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.evidence = evidence


def _row(
    entry: RawRow,
    place: Mapping[str, Any],
    catalogue: Catalogue | None,
    alpaca: bool | None,
    lenient: bool,
    foreign: Format | None,
) -> _Result:
    """The row, converted first if it is of a foreign format, which its origin then names."""
    if foreign:
        entry = _canonical(entry, foreign)
        place = {**place, "format": foreign.name}
    if foreign or alpaca is None:
        alpaca = isinstance(entry.data, Mapping) and bool({"instruction", "messages"} & entry.data.keys())
    try:
        return _text_row(entry, place) if alpaca else _example(entry, place, catalogue, lenient)
    except _Unusable as fault:
        if not foreign:
            raise
        raise _Unusable(f"read as {foreign.name}: {fault.reason}", kind=fault.kind, evidence=fault.evidence) from fault


def _canonical(entry: RawRow, foreign: Format) -> RawRow:
    """The row in a canonical form; what was left out of it is named among its repairs."""
    if lost := lost_companion({key: value for key, value in entry.data.items() if key not in foreign.keys}):
        raise _Unusable(f"{foreign.name}: {lost}", kind="conversion")
    try:
        made = converted(entry.data, foreign)
    except DatasetError as error:
        raise _Unusable(error.what, kind="conversion") from error
    return entry._replace(data=made.row, repairs=entry.repairs + made.notes)


def _example(entry: RawRow, place: Mapping[str, Any], catalogue: Catalogue | None, lenient: bool) -> _Result:
    data = _fields(entry, "query", "plan")
    query = _text(data, "query", needed=True)
    try:
        own = tools_of(data, catalogue)
    except CatalogueError as error:
        raise _Unusable(f"{error.where}: {error.what}", kind="tools") from error
    catalogue = own or catalogue
    fingerprint = catalogue.fingerprint if catalogue else ""
    row_catalogue = _text(data, "catalogue") or fingerprint
    if catalogue and row_catalogue != fingerprint:
        raise _Unusable(f"made for catalogue {row_catalogue}, this one is {fingerprint}", kind="other-catalogue")
    raw_plan, repairs = data["plan"], entry.repairs
    plan = parse_plan(raw_plan, catalogue) if isinstance(raw_plan, str) else plan_from_json(raw_plan, catalogue)
    if lenient and isinstance(plan, Malformed):
        repaired = mend_plan(raw_plan, catalogue)
        if repaired.repairs:
            plan, repairs = plan_from_json(repaired.data, catalogue), repairs + repaired.repairs
    if isinstance(plan, Malformed):
        raise _Unusable(plan.reason, kind=plan.problems[0].kind, evidence=tuple(map(str, plan.problems)))
    return _Result(Example(query, plan, row_catalogue, _origin(data, place), own), repairs)


def _text_row(entry: RawRow, place: Mapping[str, Any]) -> _Result:
    is_conversation = isinstance(entry.data, Mapping) and "messages" in entry.data
    return _conversation(entry, place) if is_conversation else _instruction(entry, place)


def _conversation(entry: RawRow, place: Mapping[str, Any]) -> _Result:
    data = _fields(entry, "messages")
    if data.get("tools"):
        raise _Unusable("has `tools`, which a conversation in text cannot call")
    try:
        messages = read_messages(data["messages"])
    except ValueError as error:
        raise _Unusable(str(error)) from error
    return _Result(Conversation(messages, _origin(data, place)), entry.repairs)


def _instruction(entry: RawRow, place: Mapping[str, Any]) -> _Result:
    data = _fields(entry, "instruction", "output")
    instruction, output = (_text(data, key, needed=True) for key in ("instruction", "output"))
    return _Result(Instruction(instruction, _text(data, "input"), output, _origin(data, place)), entry.repairs)


def _fields(entry: RawRow, *needed: str) -> Mapping[str, Any]:
    """The raw row as an object with these keys. Raises _Unusable if it is none."""
    if isinstance(entry.data, Malformed):
        raise _Unusable(entry.data.reason, kind=entry.data.problems[0].kind)
    if not isinstance(entry.data, Mapping):
        raise _Unusable(f"a row is a JSON object, not {type(entry.data).__name__}")
    missing = [key for key in needed if key not in entry.data]
    if missing:
        raise _Unusable(f"has no `{missing[0]}`")
    if lost := lost_companion(entry.data):
        raise _Unusable(lost)
    return entry.data


def _text(data: Mapping[str, Any], key: str, *, needed: bool = False) -> str:
    """The text under a key; "" if it is absent or null. Raises _Unusable if it is no text, or empty though needed."""
    value = data.get(key)
    text = "" if value is None else value
    if not isinstance(text, str):
        raise _Unusable(f"`{key}` is {type(text).__name__}, not text")
    if needed and not text.strip():
        raise _Unusable(f"`{key}` is empty")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Unusable(f"`{key}` holds half of a surrogate pair, which is not text")
    return text


def _origin(data: Mapping[str, Any], place: Mapping[str, Any]) -> Mapping[str, Any]:
    """The origin that the row states, otherwise where it was read."""
    origin = data.get("origin")
    return origin if isinstance(origin, Mapping) else place
