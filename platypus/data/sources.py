"""Raw rows of JSON Lines, a JSON list, CSV, Parquet, or a data set on the hub.

A line of JSON Lines is decoded later (`decode_row`), so that other processes can do it; the other formats give decoded
data. What the keys of a row mean is decided in `platypus.data.dataset`. `lenient` repairs what
`platypus.plan.lenient_json` can, and names each repair.
"""

import csv
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from platypus.errors import DatasetError
from platypus.plan.lenient_json import Element, Read, read_list_loosely, read_loosely
from platypus.plan.plan import Malformed, Problem, parse_json

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".json", ".jsonl", ".parquet", *DELIMITERS)
BATCH = 1000  # rows that are read from a Parquet file at once


class RawLine(NamedTuple):
    """A line of a JSON Lines file, not decoded yet."""

    line: int
    content: bytes


class RawRow(NamedTuple):
    """A row whose keys have not been checked yet. `data` is Malformed if the row is not JSON."""

    line: int
    raw: Any
    data: Any
    repairs: tuple[str, ...] = ()


def read_raw_rows(source: str, *, lenient: bool = False) -> Iterator[RawLine | RawRow]:
    """The rows of a file or of a hub data set ("owner/name", its `train` split), with their line or number from 1.

    Raises DatasetError if the source does not exist, cannot be read at all, or is empty.
    """
    rows = _open(source, lenient)
    first = next(rows, None)
    if first is None:
        raise DatasetError("is empty", where=source, remedy="Give a file with at least one row.")
    return chain([first], rows)


def decode_row(entry: RawLine | RawRow, *, lenient: bool = False) -> RawRow:
    """The row, decoded if it is a line."""
    if isinstance(entry, RawRow):
        return entry
    try:
        text = entry.content.decode().strip()
    except UnicodeDecodeError as error:
        fault = Problem("json", "not UTF-8 text", position=error.start)
        return RawRow(entry.line, repr(entry.content), Malformed(repr(entry.content), (fault,)))
    read = read_loosely(text) if lenient else Read(parse_json(text))
    keep_text = isinstance(read.data, Malformed) or read.repairs
    return RawRow(entry.line, text if keep_text else read.data, read.data, read.repairs)


def _open(source: str, lenient: bool) -> Iterator[RawLine | RawRow]:
    path = Path(source)
    if path.is_file():
        if path.suffix in DELIMITERS:
            return _table_rows(path, DELIMITERS[path.suffix])
        if path.suffix == ".parquet":
            return _parquet_rows(path)
        with path.open("rb") as file:
            beginning = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
        return _list_rows(path, lenient) if beginning.startswith(b"[") else _lines(path)
    if path.suffix in SUFFIXES or not (path.is_dir() or HUB_NAME.fullmatch(source)):
        raise DatasetError(
            "no such file",
            where=source,
            remedy=f'Give a file ({", ".join(SUFFIXES)}), or a name on the hub, "owner/name".',
        )
    return _hub_rows(source)


def _lines(path: Path) -> Iterator[RawLine]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield RawLine(number, content.removesuffix(b"\n"))


def _list_rows(path: Path, lenient: bool) -> Iterator[RawRow]:
    """The elements of one JSON list, each with the line on which it starts."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        elements = _list_elements(text, lenient)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"is not JSON: {error}", where=str(path), remedy="Correct the JSON there.") from error
    line, position = 1, 0
    for start, read in elements:
        line += text.count("\n", position, start)
        position = start
        raw = read.data.text if isinstance(read.data, Malformed) else read.data
        yield RawRow(line, raw, read.data, read.repairs)


def _list_elements(text: str, lenient: bool) -> list[Element]:
    """The elements of the list. Raises ValueError with line and column if it is not JSON."""
    try:
        json.loads(text)
    except ValueError:
        if lenient:
            return read_list_loosely(text)
        raise
    decoder, space = json.JSONDecoder(), re.compile(r"[\s,]*")
    elements = []
    position = space.match(text, text.index("[") + 1).end()  # type: ignore[union-attr]
    while text[position] != "]":
        end = decoder.raw_decode(text, position)[1]
        elements.append(Element(position, Read(parse_json(text[position:end]))))
        position = space.match(text, end).end()  # type: ignore[union-attr]
    return elements


def _table_rows(path: Path, delimiter: str) -> Iterator[RawRow]:
    """The rows below the header. A row with more or fewer cells than the header is Malformed."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        line = 2
        try:
            for row in reader:
                ragged = None in row or None in row.values()
                fault = Problem("row", "has more or fewer cells than the header")
                yield RawRow(line, row, Malformed(str(row), (fault,)) if ragged else row)
                line = reader.line_num + 1
        except (csv.Error, UnicodeDecodeError) as error:
            where = f"{path}:{line}"
            raise DatasetError(
                f"is not CSV in UTF-8: {error}", where=where, remedy="Correct the file there."
            ) from error


def _parquet_rows(path: Path) -> Iterator[RawRow]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        remedy = "pip install 'platypus-llm[train]', or give JSON Lines."
        raise DatasetError("a Parquet file needs the package `pyarrow`", where=str(path), remedy=remedy) from error
    try:
        batches = ParquetFile(path).iter_batches(batch_size=BATCH)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows, 1):
            yield RawRow(number, row, row)
    except (ArrowException, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(f"is not Parquet: {reason}", where=str(path), remedy="Write the file again.") from error


def _hub_rows(source: str) -> Iterator[RawRow]:
    try:
        from datasets import load_dataset

        table = load_dataset(source, split="train")
    except ImportError as error:
        raise DatasetError(
            "a data set on the hub needs the package `datasets`",
            where=source,
            remedy="pip install 'platypus-llm[train]', or give a file.",
        ) from error
    except Exception as error:  # any error of the network, the hub or the data set's files
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(
            f"cannot be loaded from the hub: {type(error).__name__}: {reason}",
            where=source,
            remedy="Check the name and the connection, or download the file and give its path.",
        ) from error
    for number, row in enumerate(table, 1):
        yield RawRow(number, row, row)
