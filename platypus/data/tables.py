"""Rows of tables: CSV and TSV, and Arrow in its files (Parquet, Arrow, what `datasets` saves).

A cell of CSV is text, whatever it holds. Arrow fills the missing members of a struct with null: all steps of a column
`plan` have the arguments of all tools. Structs are therefore read as `Padded` objects, and `without_padding` removes
the null members again. Columns of Arrow's JSON type, as `datasets` 5 writes mixed values, are decoded. What the columns
mean is not known here.
"""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

from platypus.catalogue.tools import Catalogue, Tool
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed, Problem, parse_json

DELIMITERS = {".csv": ",", ".tsv": "\t"}
OTHER_DELIMITERS = (",", ";", "\t", "|")
EXCEL_DELIMITER = re.compile(r"sep=(.)\r?\n?")  # a first line that Excel writes
JSON_TYPE = "arrow.json"
PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"  # what a file begins with
ARROW = (ARROW_FILE, ARROW_STREAM)


class TableRow(NamedTuple):
    """One row; `data` is Malformed if it has not as many cells as the header."""

    line: int
    raw: Any
    data: Any


class Padded(dict[str, Any]):
    """An object from an Arrow struct: a null member may stand for no member."""


# ---------------------------------------------------------------- CSV


def csv_rows(file: IO[bytes], name: str, suffix: str) -> Iterator[TableRow]:
    """The rows below the header, each with its line. Raises DatasetError if it is not CSV, with the line."""
    csv.field_size_limit(sys.maxsize)  # of the process; the default, 131,072 letters, is too little for long texts
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    line = 1
    try:
        delimiter, skipped = _delimiter(text, DELIMITERS[suffix])
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        header = _header(next(reader, []), name)
        line = reader.line_num + skipped + 1
        for cells in reader:
            if cells:
                yield _csv_row(line, cells, header)
            line = reader.line_num + skipped + 1
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(
            f"is not CSV in UTF-8: {error}", where=f"{name}:{line}", remedy="Correct the file there."
        ) from error


def _csv_row(line: int, cells: list[str], header: list[str]) -> TableRow:
    if len(cells) == len(header):
        row = dict(zip(header, cells, strict=True))
        return TableRow(line, row, row)
    fault = Problem("row", f"has more or fewer cells than the header: {len(cells)}, not {len(header)}")
    return TableRow(line, cells, Malformed(str(cells), (fault,)))


def _delimiter(text: io.TextIOWrapper, usual: str) -> tuple[str, int]:
    """The delimiter, and the number of lines before the header; the text stands at the header afterwards.

    It is the usual one unless the header has a single column by it and several by another.
    """
    first = text.readline()
    said = EXCEL_DELIMITER.fullmatch(first)
    if said:
        return said[1], 1
    columns = {}
    for delimiter in (usual, *OTHER_DELIMITERS):
        text.seek(0)
        columns[delimiter] = len(next(csv.reader(text, delimiter=delimiter), []))
    text.seek(0)
    return (usual if columns[usual] > 1 else max(columns, key=columns.__getitem__)), 0


def _header(cells: list[str], name: str) -> list[str]:
    """The names of the columns; one without a name is called by its number. Raises DatasetError if one occurs twice."""
    names = [cell or f"(column {i})" for i, cell in enumerate(cells, 1)]
    twice = [column for column, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(
            f"has two columns named `{twice[0]}`", where=f"{name}:1", remedy="Rename one of them in the file."
        )
    return names


# ---------------------------------------------------------------- Arrow


def arrow_rows(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The rows of Arrow record batches or tables."""
    for batch in batches:
        types = {field.name: field.type for field in batch.schema if _is_nested(field.type)}
        for row in batch.to_pylist():
            if types:
                row = Padded(row)
                for name, kind in types.items():
                    row[name] = _value(row[name], kind)
            yield row


def arrow_batches(file: IO[bytes], name: str, beginning: bytes, *, rows: int) -> Iterator[Any]:
    """The record batches of a Parquet or Arrow file, by its beginning. Raises DatasetError if it cannot be read."""
    try:
        from pyarrow import ArrowException, ipc
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        remedy = "pip install 'platypus-llm[train]', or give JSON Lines."
        raise DatasetError("a Parquet file needs the package `pyarrow`", where=name, remedy=remedy) from error
    kind = "Arrow" if beginning.startswith(ARROW) else "Parquet"
    try:
        if beginning.startswith(ARROW_FILE):
            reader = ipc.open_file(file)
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
        elif beginning.startswith(ARROW_STREAM):
            yield from ipc.open_stream(file)
        else:
            yield from ParquetFile(file).iter_batches(batch_size=rows)
    except (ArrowException, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(f"is not {kind}: {reason}", where=name, remedy="Write the file again.") from error


def _is_nested(kind: Any) -> bool:
    """Whether values of an Arrow type are not what `to_pylist` makes of them: structs, maps, JSON."""
    from pyarrow import types

    if types.is_struct(kind) or types.is_map(kind):
        return True
    return _is_json(kind) or (_is_list(kind) and _is_nested(kind.value_type))


def _is_json(kind: Any) -> bool:
    return getattr(kind, "extension_name", "") == JSON_TYPE


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _value(value: Any, kind: Any) -> Any:
    """A Python value of an Arrow type: structs as Padded, maps as objects, JSON decoded."""
    if value is None or not _is_nested(kind):
        return value
    if _is_json(kind):
        data = parse_json(value)
        return value if isinstance(data, Malformed) else data
    if _is_list(kind):
        return [_value(element, kind.value_type) for element in value]
    if isinstance(value, dict):
        return Padded({field.name: _value(value[field.name], field.type) for field in kind})
    return {key: _value(element, kind.item_type) for key, element in value}


# ---------------------------------------------------------------- null members


def without_padding(row: Padded, catalogue: Catalogue | None) -> Mapping[str, Any]:
    """The row without the null members of its structs, but for those that a tool requires.

    `{"plan": [{"tool_name": "lift", "arguments": {"load": "crate", "x": None}}]}` →
    `{"plan": [{"tool_name": "lift", "arguments": {"load": "crate"}}]}`
    """
    plan = row.get("plan")
    return {
        key: [_step(step, catalogue) for step in plan] if key == "plan" and isinstance(plan, list) else _filled(value)
        for key, value in row.items()
    }


def _step(step: Any, catalogue: Catalogue | None) -> Any:
    if not isinstance(step, Padded):
        return _filled(step)
    name, arguments = step.get("tool_name", step.get("name")), step.get("arguments")
    tool = catalogue.tool(name) if catalogue and isinstance(name, str) else None
    schema = _arguments_schema(tool) if tool else {}
    if isinstance(arguments, list):  # in the canonical form, a null value is a value
        properties = schema.get("properties", {})
        arguments = [
            {key: _filled(value, properties.get(one.get("argument_name"), {})) for key, value in one.items()}
            if isinstance(one, Padded)
            else one
            for one in arguments
        ]
    else:
        arguments = _filled(arguments, schema)
    return _filled(Padded({**step, "arguments": arguments}))


def _arguments_schema(tool: Tool) -> dict[str, Any]:
    required = [argument.name for argument in tool.arguments if argument.required]
    return {"properties": {argument.name: argument.schema for argument in tool.arguments}, "required": required}


def _filled(value: Any, schema: Any = None) -> Any:
    """The value without the null members of its Padded objects, unless the schema requires them."""
    schema = schema if isinstance(schema, Mapping) else {}
    if isinstance(value, list):
        return [_filled(element, schema.get("items")) for element in value]
    if not isinstance(value, Padded):
        return value
    properties = schema.get("properties", {})
    return {
        key: _filled(member, properties.get(key))
        for key, member in value.items()
        if member is not None or key in schema.get("required", ())
    }
