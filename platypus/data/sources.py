"""Raw rows of a source: of JSON Lines, a JSON list, CSV, Parquet or Arrow, in a file, in a folder or on the hub.

Files are recognised by what they hold; only CSV and TSV by their names. Values stay as the file has them. A line of
JSON Lines is decoded later (`decode_row`), so that other processes can do it; the other formats give decoded data. What
the keys of a row mean is decided in `platypus.data.dataset`. `lenient` repairs what `platypus.plan.lenient_json` can,
and names each repair.
"""

import bz2
import gzip
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple, cast

from platypus.data.locations import COMPRESSED, SourceFile, locate
from platypus.data.tables import ARROW, DELIMITERS, PARQUET, arrow_batches, arrow_rows, csv_rows
from platypus.errors import DatasetError
from platypus.plan.lenient_json import Element, Read, read_list_loosely, read_loosely
from platypus.plan.plan import Malformed, Problem, parse_json

BATCH = 1000  # rows that are read from a table at once
ROWS_ONLY = {".jsonl", ".ndjson", ".parquet", *DELIMITERS}  # suffixes of files that hold nothing else
BEGINNING = 4096  # bytes
BOM = b"\xef\xbb\xbf"
UNPACKERS: dict[bytes, type[gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ARCHIVES = {b"PK\x03\x04": "a zip archive, as .zip and .xlsx are", b"\x28\xb5\x2f\xfd": "compressed by zstd"}


class RawLine(NamedTuple):
    """A line of a JSON Lines file, not decoded yet. `file` names the file in a folder; "" if the source is the file."""

    line: int
    content: bytes
    file: str = ""


class RawRow(NamedTuple):
    """A row whose keys have not been checked yet. `data` is Malformed if the row is not JSON."""

    line: int
    raw: Any
    data: Any
    repairs: tuple[str, ...] = ()
    file: str = ""


def read_raw_rows(source: str, *, lenient: bool = False) -> Iterator[RawLine | RawRow]:
    """The rows of a source, as `platypus.data.locations` describes its name, with their line or number from 1.

    Raises DatasetError if the source does not exist, cannot be read at all, or is empty.
    """
    rows = _open(source, lenient)
    first = next(rows, None)
    if first is None:
        raise DatasetError("is empty", where=source, remedy="Give a file with at least one row.")
    return chain([first], rows)


def holds_rows(path: Path) -> bool:
    """Whether a file can be nothing but rows: by its suffix, JSON aside, or as it is a table of Arrow or compressed."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(6)
    return _suffix(path.name) in ROWS_ONLY or beginning.startswith((PARQUET, *ARROW, *UNPACKERS, *ARCHIVES))


def decode_row(entry: RawLine | RawRow, *, lenient: bool = False) -> RawRow:
    """The row, decoded if it is a line."""
    if isinstance(entry, RawRow):
        return entry
    try:
        text = entry.content.decode().strip()
    except UnicodeDecodeError as error:
        fault = Problem("json", "not UTF-8 text", position=error.start)
        return RawRow(entry.line, repr(entry.content), Malformed(repr(entry.content), (fault,)), (), entry.file)
    read = read_loosely(text) if lenient else Read(parse_json(text))
    keep_text = isinstance(read.data, Malformed) or read.repairs
    return RawRow(entry.line, text if keep_text else read.data, read.data, read.repairs, entry.file)


def _open(source: str, lenient: bool) -> Iterator[RawLine | RawRow]:
    location = locate(source)
    if location.table is not None:
        rows = arrow_rows(location.table.with_format("arrow").iter(batch_size=BATCH))
        return (RawRow(number, row, row) for number, row in enumerate(rows, 1))
    if location.numbered:
        entries = chain.from_iterable(_file_rows(file, lenient) for file in location.files)
        return (entry._replace(line=number) for number, entry in enumerate(entries, 1))
    if [file.name for file in location.files] == [source]:
        return _file_rows(location.files[0], lenient)
    return (entry._replace(file=file.name) for file in location.files for entry in _file_rows(file, lenient))


def _file_rows(file: SourceFile, lenient: bool) -> Iterator[RawLine | RawRow]:
    """The rows of one file, whatever its format."""
    try:
        with _opened(file) as opened:
            yield from _rows(opened, file.name, lenient)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        what = f"cannot be read: {str(error) or type(error).__name__}"
        raise DatasetError(what, where=file.name, remedy="Check the file; copy or pack it again.") from error


def _rows(opened: IO[bytes], name: str, lenient: bool) -> Iterator[RawLine | RawRow]:
    suffix = _suffix(name)
    beginning = opened.read(BEGINNING)
    opened.seek(0)
    if beginning.startswith((PARQUET, *ARROW)) or suffix == ".parquet":
        rows = arrow_rows(arrow_batches(opened, name, beginning, rows=BATCH))
        yield from (RawRow(number, row, row) for number, row in enumerate(rows, 1))
    elif suffix in DELIMITERS:
        yield from (RawRow(*row) for row in csv_rows(opened, name, suffix))
    elif beginning.removeprefix(BOM).lstrip().startswith(b"["):
        yield from _list_rows(opened.read(), name, lenient)
    else:
        _refuse_one_object(opened, name, beginning)
        yield from _lines(opened)


def _refuse_one_object(opened: IO[bytes], name: str, beginning: bytes) -> None:
    """Raise DatasetError if the file is a single JSON object over several lines."""
    first, newline, _ = beginning.removeprefix(BOM).lstrip().partition(b"\n")
    read = parse_json(first.decode(errors="replace").rstrip())
    if not first.startswith(b"{") or not newline or not isinstance(read, Malformed):
        return
    if (read.problems[0].position or 0) < len(read.text) - 1:  # a bad row, which no further line completes
        return
    try:
        data = json.loads(opened.read())
    except (ValueError, RecursionError):
        data = None
    opened.seek(0)
    if isinstance(data, dict):
        raise DatasetError(
            f"is one JSON object (its keys: {', '.join(data)}), not one row per line",
            where=name,
            remedy="Give a JSON list of rows, or write each row on one line.",
        )


def _suffix(name: str) -> str:
    path = PurePath(name)
    return PurePath(path.stem).suffix if path.suffix in COMPRESSED else path.suffix


def _opened(file: SourceFile) -> IO[bytes]:
    """The file, unpacked if it is compressed."""
    with file.path.open("rb") as opened:
        beginning = opened.read(6)
    for magic, what in ARCHIVES.items():
        if beginning.startswith(magic):
            raise DatasetError(f"is {what}", where=file.name, remedy="Unpack it, or save it as CSV or JSON Lines.")
    for magic, unpack in UNPACKERS.items():
        if beginning.startswith(magic):
            return cast(IO[bytes], unpack(file.path, "rb"))
    return file.path.open("rb")


def _lines(file: IO[bytes]) -> Iterator[RawLine]:
    for number, line in enumerate(file, 1):
        content = line.removeprefix(BOM) if number == 1 else line
        if content.strip():
            yield RawLine(number, content.removesuffix(b"\n"))


def _list_rows(content: bytes, name: str, lenient: bool) -> Iterator[RawRow]:
    """The elements of one JSON list, each with the line on which it starts."""
    try:
        text = content.decode("utf-8-sig")
        elements = _list_elements(text, lenient)
    except (ValueError, RecursionError) as error:
        remedy = "Correct the JSON there; of JSON Lines, each line is an object."
        raise DatasetError(f"is not JSON: {error}", where=name, remedy=remedy) from error
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
