"""Rows of every file format, with their lines; errors name the place."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.data.dataset import Example, read_dataset
from platypus.data.sources import RawLine, RawRow, decode_row, read_raw_rows
from platypus.errors import DatasetError
from platypus.plan.plan import Malformed

PLAN = [{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "Globex, Inc"}]}]
ROWS = [{"query": "Find\nGlobex", "plan": json.dumps(PLAN)}, {"query": 'Say "hi"', "plan": "[]"}]


def read(path: Path, *, lenient: bool = False) -> list[RawRow]:
    return [decode_row(entry, lenient=lenient) for entry in read_raw_rows(str(path), lenient=lenient)]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows in the format that the suffix names."""
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        mark = "," if path.suffix == ".csv" else "\t"
        lines = [mark.join(rows[0]), *(mark.join(quoted(str(cell)) for cell in row.values()) for row in rows)]
        path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"rows{suffix}", ROWS)
    assert [entry.data for entry in read(path)] == ROWS
    dataset = read_dataset(str(path), None)
    assert [row.plan.to_json() for row in dataset.rows if isinstance(row, Example)] == [PLAN, []]
    assert dataset.lines == ((2, 4) if suffix in (".csv", ".tsv") else (1, 2))


def test_alpaca_rows_of_a_table(tmp_path: Path) -> None:
    rows = [{"instruction": "Add.", "input": "1 2", "output": "3"}]
    for suffix in (".csv", ".parquet"):
        (row,) = read_dataset(str(write(tmp_path / f"rows{suffix}", rows)), None).rows
        assert row.to_json().items() >= rows[0].items()


def test_a_plan_in_parquet_may_be_nested(tmp_path: Path) -> None:
    dataset = read_dataset(str(write(tmp_path / "rows.parquet", [{"query": "Find it", "plan": PLAN}])), None)
    assert [row.plan.to_json() for row in dataset.rows if isinstance(row, Example)] == [PLAN]


def test_only_the_ragged_lines_of_a_table_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("query,plan\na task,[]\none cell\nb task,[],more\nc task,[]\n", encoding="utf-8")
    dataset = read_dataset(str(path), None)
    assert dataset.lines == (2, 5)
    assert [(row.line, row.kind, row.reason) for row in dataset.rejected] == [
        (3, "row", "has more or fewer cells than the header: 1, not 2"),
        (4, "row", "has more or fewer cells than the header: 3, not 2"),
    ]


def test_a_file_of_which_no_row_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("query,plan\none cell\n", encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"rows.csv:2: none of its rows can be read; the first: has more or"
    ) as caught:
        read_dataset(str(path), None)
    assert caught.value.remedy == "Correct them."


def test_lines_are_decoded_only_by_decode_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": }\r\n')
    assert list(read_raw_rows(str(path))) == [RawLine(1, b'{"a": 1}'), RawLine(3, b'{"a": }\r')]
    first, second = read(path)
    assert first == RawRow(1, {"a": 1}, {"a": 1})
    assert isinstance(second.data, Malformed)
    assert second.raw == '{"a": }'


def test_a_list_that_is_nearly_json_is_repaired_only_by_the_lenient_reader(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[{'query': 'a'},\n{'query': 'b'},]", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"is not JSON: .*line 1"):
        read(path)
    assert [(entry.line, entry.data, entry.repairs) for entry in read(path, lenient=True)] == [
        (1, {"query": "a"}, ("single quotes (2)",)),
        (2, {"query": "b"}, ("single quotes (2)", "trailing comma (1)")),
    ]
    path.write_text("[{'query': 'a'},\n{'query': ", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 2"):
        read(path, lenient=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "is empty"),
        ("rows.csv", b"query,plan\n", "is empty"),
        ("rows.csv", b"query,plan\na,b\nc\xe9,d\n", "is not CSV in UTF-8"),
        ("rows.csv", b'query,plan\n"a" b,c\n', "is not CSV in UTF-8"),
        ("rows.parquet", b"PAR1", "is not Parquet"),
        ("rows.parquet", b"", "is not Parquet"),
        ("rows.json", b"[1", "is not JSON"),
        ("rows.jsonl", b"\n", "is empty"),
        ("rows.csv", b"query,plan,query\na,b,c\n", "two columns named `query`"),
        ("rows.json", b'{\n"version": 1,\n"data": []\n}', r"is one JSON object \(its keys: version, data\)"),
        ("rows.jsonl", b"PK\x03\x04abc", "is a zip archive"),
        ("rows.jsonl.zst", b"\x28\xb5\x2f\xfdabc", "is compressed by zstd"),
        ("rows.jsonl.gz", b"\x1f\x8b\x08\x00abc", "cannot be read"),
        ("rows.jsonl.xz", b"\xfd7zXZ\x00abc", "cannot be read"),
        ("rows.feather", b"ARROW1abc", "is not Arrow"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read(path)
    assert str(path) in caught.value.where
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.parquet", "none"])
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file") as caught:
        read(tmp_path / name)
    assert ".parquet" in caught.value.remedy


def test_parquet_needs_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "rows.parquet", ROWS)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DatasetError, match="needs the package `pyarrow`"):
        read(path)


@pytest.mark.parametrize("module", ["gzip", "bz2", "lzma"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_compressed_file_is_unpacked_whatever_its_name(module: str, suffix: str, tmp_path: Path) -> None:
    plain = write(tmp_path / f"rows{suffix}", ROWS)
    packed = tmp_path / f"packed{suffix}"
    packed.write_bytes(__import__(module).compress(plain.read_bytes()))
    assert [entry.data for entry in read(packed)] == ROWS


def test_tables_are_recognised_by_what_they_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", ROWS)
    assert [entry.data for entry in read(path.rename(tmp_path / "rows"))] == ROWS
    table = pytest.importorskip("pyarrow").Table.from_pylist(ROWS)
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(table, str(tmp_path / "rows.feather"))
    assert [entry.data for entry in read(tmp_path / "rows.feather")] == ROWS


def test_values_of_json_stay_as_they_are(tmp_path: Path) -> None:
    """`datasets` settles a type for each column by the first rows and the first file, and changes what does not fit."""
    folder = tmp_path / "folder"
    folder.mkdir()
    first = {"query": "2024-05-01", "plan": json.dumps(PLAN), "value": "text", "number": 1}
    late = {"query": "2024-05-02T10:00:00Z", "plan": PLAN, "value": ["a", 1, None], "number": 1.5}
    write(folder / "a.jsonl", [first] * 3)
    (folder / "b.json").write_text(json.dumps([late, {**late, "value": 7, "number": "007"}]), encoding="utf-8")
    assert [entry.data for entry in read(folder)] == [first] * 3 + [late, {**late, "value": 7, "number": "007"}]
    assert [(entry.file, entry.line) for entry in read(folder)][2:4] == [
        (str(folder / "a.jsonl"), 3),
        (str(folder / "b.json"), 1),
    ]


def test_a_bad_first_line_is_a_bad_row_and_no_object_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for line in ('{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}', "{'a': 1}"):
        path.write_text(f"{line}\n")
        (row,) = read(path)
        assert row.raw == line and isinstance(row.data, Malformed)
    for whole in ('{\n"a": 1}\n', '{"a": [\n1]}', '{"a": 1,\n"b": NaN}', '{"a":\r\n1}', '{"a": 1\n}'):
        path.write_text(whole)
        with pytest.raises(DatasetError, match="is one JSON object"):
            read(path)
