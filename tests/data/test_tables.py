"""Cells of CSV are read whole and as they are; Arrow's null members are removed, its JSON decoded."""

import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.data.dataset import Example, read_dataset
from platypus.data.sources import decode_row, read_raw_rows
from platypus.data.tables import Padded, csv_rows, without_padding

CRANE = catalogue_from_json(
    [
        {
            "name": "lift",
            "inputSchema": {
                "properties": {
                    "load": {"type": "string"},
                    "straps": {"type": "array", "items": {"type": "string"}},
                    "owner": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "site": {"type": "object", "properties": {"gate": {"type": "string"}, "row": {"type": "integer"}}},
                },
                "required": ["load"],
            },
        },
        {
            "name": "assign",
            "inputSchema": {
                "properties": {"to": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                "required": ["to"],
            },
        },
    ]
)


def cells(text: str, suffix: str = ".csv") -> list[tuple[int, Any]]:
    return [(row.line, row.data) for row in csv_rows(io.BytesIO(text.encode()), "rows.csv", suffix)]


def written(folder: Path, rows: list[dict[str, Any]]) -> str:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(rows), folder / "rows.parquet")
    return str(folder / "rows.parquet")


def read(source: str) -> list[Any]:
    return [decode_row(entry).data for entry in read_raw_rows(source)]


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize(
    ("text", "suffix", "lines"),
    [
        ("query;plan\na;[]\n", ".csv", [2]),
        ("query\tplan\na\t[]\n", ".csv", [2]),
        ("query|plan\na|[]\n", ".csv", [2]),
        ('"query";"plan"\n"a";"[]"\n', ".csv", [2]),
        ('"query","plan"\n"a","[]"\n', ".csv", [2]),
        ("query,plan\na,[]\n", ".tsv", [2]),
        ("sep=;\r\nquery;plan\r\na;[]\r\n", ".csv", [3]),
        ('\ufeffquery,plan\n\n"a","[]"\n', ".csv", [3]),
    ],
)
def test_the_delimiter_is_found_where_the_usual_one_gives_a_single_column(
    text: str, suffix: str, lines: list[int]
) -> None:
    assert cells(text, suffix) == [(line, {"query": "a", "plan": "[]"}) for line in lines]


def test_the_usual_delimiter_stays_where_it_gives_columns() -> None:
    assert cells("a,b;c;d\n1,2;3;4\n") == [(2, {"a": "1", "b;c;d": "2;3;4"})]


def test_a_cell_may_be_long() -> None:
    long = "word " * 40_000
    assert cells(f'query,plan\n"{long}",[]\n') == [(2, {"query": long, "plan": "[]"})]


def test_a_cell_is_text_as_it_is() -> None:
    assert cells('a,b,c\n007,2024-05-01," x\ny"\n')[0][1] == {"a": "007", "b": "2024-05-01", "c": " x\ny"}


def test_columns_without_a_name_are_called_by_their_number() -> None:
    assert cells(",query,\n0,a,x\n") == [(2, {"(column 1)": "0", "query": "a", "(column 3)": "x"})]


# ---------------------------------------------------------------- null members


def test_null_members_that_arrow_adds_are_removed(tmp_path: Path) -> None:
    rows = [
        {"query": "Lift it", "plan": [{"tool_name": "lift", "arguments": {"load": "crate", "site": {"gate": "a"}}}]},
        {"query": "Assign it", "plan": [{"tool_name": "assign", "arguments": {"to": "Ann"}}]},
        {"query": "Lift both", "plan": [{"tool_name": "lift", "arguments": {"load": "b", "site": {"row": 2}}}] * 2},
    ]
    source = written(tmp_path, rows)
    assert read(source)[0]["plan"][0]["arguments"] == {
        "load": "crate",
        "to": None,
        "site": {"gate": "a", "row": None},
    }
    dataset = read_dataset(source, CRANE, lenient=True)
    assert dataset.rejected == ()
    asked = [step for row in rows for step in row["plan"]]
    given = [step for row in dataset.rows if isinstance(row, Example) for step in row.plan.to_json()]
    assert [{one["argument_name"]: one["argument_value"] for one in step["arguments"]} for step in given] == [
        step["arguments"] for step in asked
    ]


def test_a_null_member_stays_where_the_tool_requires_it() -> None:
    row = Padded(query="Free it", plan=[Padded(tool_name="assign", arguments=Padded(to=None, load=None))])
    assert without_padding(row, CRANE)["plan"] == [{"tool_name": "assign", "arguments": {"to": None}}]
    assert without_padding(row, None)["plan"] == [{"tool_name": "assign", "arguments": {}}]


def test_a_null_value_in_the_canonical_form_is_a_value(tmp_path: Path) -> None:
    steps = [{"tool_name": "assign", "arguments": [{"argument_name": "to", "argument_value": None}]}]
    named = [{"tool_name": "assign", "arguments": [{"argument_name": "to", "argument_value": "Ann"}]}]
    source = written(tmp_path, [{"query": "Free it", "plan": steps}, {"query": "Give it to Ann", "plan": named}])
    rows = read_dataset(source, CRANE).rows
    assert [row.plan.to_json() for row in rows if isinstance(row, Example)] == [steps, named]


def test_what_was_null_in_json_stays_null(tmp_path: Path) -> None:
    """Only Arrow adds null members; an optional argument that is null in JSON Lines is meant so."""
    path = tmp_path / "rows.jsonl"
    arguments = [
        {"argument_name": "load", "argument_value": "a"},
        {"argument_name": "owner", "argument_value": None},
    ]
    path.write_text(json.dumps({"query": "Lift a", "plan": [{"tool_name": "lift", "arguments": arguments}]}))
    (row,) = read_dataset(str(path), CRANE).rows
    assert isinstance(row, Example)
    assert row.plan.to_json()[0]["arguments"] == arguments


def test_maps_are_objects_and_dates_are_not_text(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(
        {
            "query": ["a"],
            "plan": pyarrow.array([[("x", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
            "day": pyarrow.array([datetime.date(2024, 5, 1)]),
        }
    )
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "rows.parquet")
    assert read(str(tmp_path / "rows.parquet")) == [{"query": "a", "plan": {"x": 1}, "day": datetime.date(2024, 5, 1)}]


# ---------------------------------------------------------------- Arrow's JSON type

MIXED = [
    {"query": "a", "plan": [{"tool_name": "x", "arguments": {"n": 1, "none": None}}], "value": "Globex"},
    {"query": "b", "plan": [{"tool_name": "x", "arguments": {"n": "s"}}], "value": [1, "2"]},
    {"query": "c", "plan": [{"tool_name": "y", "arguments": {"m": [None, {"k": 1.5}]}}], "value": {"k": None}},
    {"query": "d", "plan": [], "value": None},
]


@pytest.fixture(scope="module")
def mixed() -> Any:
    """A `datasets.Dataset` whose columns have Arrow's JSON type, at the top and within structs."""
    datasets = pytest.importorskip("datasets", minversion="5.0")
    return datasets.Dataset.from_list(MIXED, on_mixed_types="use_json")


def test_json_in_parquet_is_decoded(tmp_path: Path, mixed: Any) -> None:
    mixed.to_parquet(tmp_path / "rows.parquet")
    assert read(str(tmp_path / "rows.parquet")) == MIXED


def test_json_in_a_saved_folder_is_decoded(tmp_path: Path, mixed: Any) -> None:
    mixed.save_to_disk(tmp_path / "saved")
    assert read(str(tmp_path / "saved")) == MIXED


def test_null_members_of_decoded_json_are_no_padding(tmp_path: Path, mixed: Any) -> None:
    mixed.to_parquet(tmp_path / "rows.parquet")
    row = without_padding(read(str(tmp_path / "rows.parquet"))[0], CRANE)
    assert row["plan"] == MIXED[0]["plan"]
