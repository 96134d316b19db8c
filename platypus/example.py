"""Example, Instruction, Dataset: rows in and out of JSONL, JSON and the hub, each with where it came from.

A file's rows are either planner examples, `{"query": …, "plan": [...]}`, or Alpaca rows, `{"instruction": …,
"input": …, "output": …}`; further keys are tolerated. Reading is strict and loses nothing: what is not a row becomes
`Rejected`, with file, line and reason. Whether rows repeat or contradict each other is `stages/refine.py`'s matter.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from platypus.catalogue import Catalogue
from platypus.errors import DatasetError
from platypus.plan import Malformed, Plan, Problem, mend, parse_json, parse_plan, plan_from_json

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


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
    """A row that cannot be used: its place, why, the row itself, the reason's kind for counting, further evidence."""

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
        return asdict(self)


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
    """The rows of a JSONL or JSON file, or of a data set on the hub ("owner/name", its `train` split).

    With a catalogue every plan is checked against it. `lenient` mends what `platypus.plan.mend` can, and says so.
    Raises DatasetError when there is no such data, it is empty, or it holds no rows of a known kind.
    """
    entries = list(_entries(source, lenient))
    if not entries:
        raise DatasetError("is empty", where=source, remedy="Give a file with at least one row.")
    is_alpaca = _is_alpaca(entries, source)
    rows: list[Row] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    repaired: list[Repaired] = []
    for entry in entries:
        here = {"source": source, "line": entry.line}
        try:
            made = _instruction(entry, here) if is_alpaca else _example(entry, here, catalogue, lenient)
        except _Unusable as fault:
            rejected.append(Rejected(source, entry.line, fault.reason, entry.raw, fault.kind, fault.evidence))
            continue
        rows.append(made.row)
        lines.append(entry.line)
        if made.repairs:
            repaired.append(Repaired(source, entry.line, made.repairs))
    return Dataset(tuple(rows), tuple(lines), tuple(rejected), tuple(repaired))


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """One row a line, as `read_dataset` reads them."""
    write_lines(path, (row.to_json() for row in rows))


def write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """JSON Lines in UTF-8; half a surrogate pair becomes its escape, which JSON allows and UTF-8 does not."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")


# ---------------------------------------------------------------- entries: decoded rows with their line


class _Entry(NamedTuple):
    """One row before it is understood: `data` is Malformed when it is not JSON."""

    line: int
    raw: Any
    data: Any
    repairs: tuple[str, ...] = ()


def _entries(source: str, lenient: bool) -> Iterator[_Entry]:
    path = Path(source)
    if path.is_file():
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        if content.lstrip().startswith(b"["):
            return _array_entries(content, source)
        return _line_entries(content, lenient)
    if path.suffix in (".json", ".jsonl") or not (path.is_dir() or HUB_NAME.fullmatch(source)):
        raise DatasetError(
            "no such file", where=source, remedy='Give a .jsonl or .json file, or a name on the hub, "owner/name".'
        )
    return _hub_entries(source)


def _line_entries(content: bytes, lenient: bool) -> Iterator[_Entry]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            text = line.decode().strip()
        except UnicodeDecodeError as error:
            fault = Problem("json", "not UTF-8 text", position=error.start)
            yield _Entry(number, repr(line), Malformed(repr(line), (fault,)))
            continue
        data = parse_json(text)
        mended = mend(text)
        if lenient and isinstance(data, Malformed) and mended.repairs:
            yield _Entry(number, text, parse_json(mended.text), mended.repairs)
        else:
            yield _Entry(number, text if isinstance(data, Malformed) else data, data)


def _array_entries(content: bytes, source: str) -> Iterator[_Entry]:
    """The elements of one JSON list, each with the line on which it starts."""
    try:
        text = content.decode()
        elements = _array_elements(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"is not JSON: {error}", where=source, remedy="Mend the JSON there.") from error
    line, position = 1, 0
    for start, end in elements:
        line += text.count("\n", position, start)
        position = start
        data = parse_json(text[start:end])
        yield _Entry(line, text[start:end] if isinstance(data, Malformed) else data, data)


def _array_elements(text: str) -> list[tuple[int, int]]:
    """Where each element of the list starts and ends. Raises ValueError with line and column when it is not JSON."""
    json.loads(text)
    decoder, space = json.JSONDecoder(), re.compile(r"[\s,]*")
    places = []
    position = space.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
    while text[position] != "]":
        end = decoder.raw_decode(text, position)[1]
        places.append((position, end))
        position = space.match(text, end).end()  # type: ignore[union-attr]
    return places


def _hub_entries(source: str) -> Iterator[_Entry]:
    try:
        from datasets import load_dataset

        table = load_dataset(source, split="train")
    except ImportError as error:
        raise DatasetError(
            "a data set on the hub needs the package `datasets`",
            where=source,
            remedy="pip install 'platypus-llm[train]', or give a file.",
        ) from error
    except Exception as error:  # whatever the network, the hub and the data set's files bring up
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(
            f"cannot be loaded from the hub: {type(error).__name__}: {reason}",
            where=source,
            remedy="Check the name and the connection, or download the file and give its path.",
        ) from error
    for number, row in enumerate(table, 1):
        yield _Entry(number, row, row)


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


def _is_alpaca(entries: Sequence[_Entry], source: str) -> bool:
    """The kind of the first row that is of a known kind; the other rows are held to it."""
    for entry in entries:
        if isinstance(entry.data, Mapping):
            if entry.data.keys() >= {"query", "plan"}:
                return False
            if entry.data.keys() >= {"instruction", "output"}:
                return True
    faults = [entry.data.reason for entry in entries if isinstance(entry.data, Malformed)]
    raise DatasetError(
        faults[0] if len(faults) == len(entries) else "holds no rows of a known kind",
        where=f"{source}:{entries[0].line}",
        remedy='A row is {"query": …, "plan": [...]} or {"instruction": …, "input": …, "output": …}, one a line.',
    )


def _example(entry: _Entry, here: Mapping[str, Any], catalogue: Catalogue | None, lenient: bool) -> _Made:
    data = _fields(entry, "query", "plan")
    query = _text(data, "query", needed=True)
    known = catalogue.fingerprint if catalogue else ""
    made_for = _text(data, "catalogue") or known
    if catalogue and made_for != known:
        raise _Unusable(f"made for catalogue {made_for}, this one is {known}", kind="other-catalogue")
    given, repairs = data["plan"], entry.repairs
    if isinstance(given, str):
        mended = mend(given)
        repairs += mended.repairs if lenient else ()
        plan = parse_plan(mended.text if lenient else given, catalogue)
    else:
        plan = plan_from_json(given, catalogue)
    if isinstance(plan, Malformed):
        raise _Unusable(plan.reason, kind=plan.problems[0].kind, evidence=tuple(map(str, plan.problems)))
    return _Made(Example(query, plan, made_for, _origin(data, here)), repairs)


def _instruction(entry: _Entry, here: Mapping[str, Any]) -> _Made:
    data = _fields(entry, "instruction", "output")
    instruction = _text(data, "instruction", needed=True)
    return _Made(
        Instruction(instruction, _text(data, "input"), _text(data, "output"), _origin(data, here)), entry.repairs
    )


def _fields(entry: _Entry, *needed: str) -> Mapping[str, Any]:
    """The row as an object that has these keys."""
    if isinstance(entry.data, Malformed):
        raise _Unusable(entry.data.reason, kind="json")
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
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Unusable(f"`{key}` holds half of a surrogate pair, which is not text")
    return text


def _origin(data: Mapping[str, Any], here: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the row says of where it is from, else where it was read."""
    said = data.get("origin")
    return said if isinstance(said, Mapping) else here
