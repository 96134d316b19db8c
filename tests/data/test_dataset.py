"""Rows in and out: nothing is lost, and each rejected row has its place and reason."""

import doctest
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Instruction, Rejected, Repaired, Row, read_dataset, write_lines, write_rows
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Reference, Step

CRM = read_catalogue(Path(__file__).parents[2] / "examples" / "crm" / "catalogue.json")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: "$$PREV[" not in text)
SOME_TEXT = TEXT.filter(str.strip)
ORIGIN = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.booleans(), st.none()), max_size=3)
CUSTOMER_PLAN = st.builds(lambda name: Plan((Step("search", {"customer": name}),)), TEXT)
LONGER_PLAN = st.builds(
    lambda plan, tool: Plan((*plan.steps, Step(tool, {"objects": Reference(0)}))),
    CUSTOMER_PLAN,
    st.sampled_from(["action_item", "summarize"]),
)
EXAMPLE = st.builds(
    Example, SOME_TEXT, st.one_of(st.just(Plan()), CUSTOMER_PLAN, LONGER_PLAN), st.just(CRM.fingerprint), ORIGIN
)
INSTRUCTION = st.builds(Instruction, SOME_TEXT, TEXT, SOME_TEXT, ORIGIN)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)

SEARCH = [{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "Globex"}]}]
GOOD = {"query": "What does Globex want?", "plan": SEARCH}
ALPACA = {"instruction": "Name a colour.", "input": "", "output": "Blue"}


def lines(*rows: Any) -> str:
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)


def written(folder: Path, text: str | bytes, name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def only_rejected(source: str, catalogue: Catalogue | None = CRM) -> Rejected:
    """The one rejected row of a file whose first row is good."""
    dataset = read_dataset(source, catalogue)
    assert dataset.rows[0] == Example(
        GOOD["query"], Plan((Step("search", {"customer": "Globex"}),)), CRM.fingerprint, {"source": source, "line": 1}
    )
    (rejected,) = dataset.rejected
    return rejected


@given(st.one_of(st.lists(EXAMPLE, min_size=1, max_size=5), st.lists(INSTRUCTION, min_size=1, max_size=5)))
def test_rows_that_were_written_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    write_rows(path, rows)
    dataset = read_dataset(str(path), CRM)
    assert dataset.rows == tuple(rows)
    assert dataset.lines == tuple(range(1, len(rows) + 1))
    assert dataset.rejected == dataset.repaired == ()
    assert path.read_bytes().count(b"\n") == len(rows)


@given(st.lists(st.one_of(JSON, st.fixed_dictionaries({"query": JSON, "plan": JSON})), max_size=5))
def test_every_row_is_read_or_rejected(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    for lenient in (False, True):
        in_lines = read_dataset(written(folder, lines(*map(json.dumps, [GOOD, *rows]))), CRM, lenient=lenient)
        assert len(in_lines.rows) + len(in_lines.rejected) == 1 + len(rows)
        assert sorted([*in_lines.lines, *(r.line for r in in_lines.rejected)]) == list(range(1, 2 + len(rows)))
        in_list = read_dataset(written(folder, json.dumps([GOOD, *rows], indent=1), "rows.json"), CRM, lenient=lenient)
        assert [row.query for row in in_list.rows] == [row.query for row in in_lines.rows]
        assert [r.reason for r in in_list.rejected] == [r.reason for r in in_lines.rejected]


@given(st.binary(max_size=60))
def test_no_content_raises_any_other_error_than_documented(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    for name in ("rows.jsonl", "rows.json"):
        source = written(tmp_path_factory.mktemp("rows"), raw, name)
        try:
            read_dataset(source, CRM)
        except DatasetError as error:
            assert source in str(error)


def test_a_broken_line_in_the_middle_is_rejected_and_the_rest_read(tmp_path: Path) -> None:
    source = written(tmp_path, lines(GOOD, "", '{"query": "What', GOOD) + "\r\n")
    dataset = read_dataset(source, CRM)
    assert dataset.lines == (1, 4)
    assert [(r.line, r.kind, r.row) for r in dataset.rejected] == [(3, "json", '{"query": "What')]
    assert str(dataset.rejected[0]).startswith(f"{source}:3: character 10: not JSON: Unterminated string")


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        ({"query": "Hello"}, "row", "has no `plan`"),
        ({"query": " ", "plan": []}, "row", "`query` is empty"),
        ({"query": ["a"], "plan": []}, "row", "`query` is list, not text"),
        ({"query": "a\ud800", "plan": []}, "row", "`query` holds half of a surrogate pair, which is not text"),
        ([GOOD], "row", "a row is a JSON object, not list"),
        (ALPACA, "row", "has no `query`"),
        (
            {**GOOD, "catalogue": "0123456789abcdef"},
            "other-catalogue",
            "made for catalogue 0123456789abcdef, this one is",
        ),
        ({"query": "a", "plan": [{"tool_name": "fly", "arguments": []}]}, "unknown-tool", "no tool is named 'fly'"),
        ({"query": "a", "plan": "[{]"}, "json", "character 2: not JSON"),
        ('{"query": "a", "plan": [], "plan": []}', "json", "key 'plan' stands twice"),
        ('{"query": "a", "plan": [], "score": NaN}', "json", "NaN is not JSON"),
    ],
)
def test_a_rejected_row_says_why(tmp_path: Path, row: Any, kind: str, reason: str) -> None:
    rejected = only_rejected(written(tmp_path, lines(GOOD, row)))
    assert (rejected.line, rejected.kind, rejected.row) == (2, kind, row)
    assert reason in rejected.reason


def test_every_problem_of_a_plan_is_evidence(tmp_path: Path) -> None:
    steps = [{"tool_name": name, "arguments": []} for name in ("fly", "search")]
    rejected = only_rejected(written(tmp_path, lines(GOOD, {"query": "a", "plan": steps})))
    assert [reason.split(":")[0] for reason in rejected.evidence] == ["step 1", "step 2 (search)"]
    assert rejected.reason == rejected.evidence[0]


def test_a_line_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    rejected = only_rejected(written(tmp_path, lines(GOOD).encode() + b'\n{"query": "caf\xe9", "plan": []}'))
    assert (rejected.line, rejected.kind) == (2, "json")
    assert "not UTF-8" in rejected.reason


def test_rows_of_a_json_list_have_their_line(tmp_path: Path) -> None:
    text = "\ufeff[\n" + json.dumps(GOOD) + ",\n\n  7, " + json.dumps(GOOD, indent=1) + ',\n{"query": "No plan"}\n]\n'
    source = written(tmp_path, text, "rows.json")
    dataset = read_dataset(source, CRM)
    last = text[: text.index('{"query": "No')].count("\n") + 1
    assert dataset.lines == (2, 4)
    assert [rejected.line for rejected in dataset.rejected] == [4, last]


def test_a_row_without_a_catalogue_gets_that_of_the_reader_if_there_is_one(tmp_path: Path) -> None:
    source = written(tmp_path, lines(GOOD, {**GOOD, "catalogue": "of another"}))
    assert read_dataset(source, CRM).rows[0].catalogue == CRM.fingerprint  # type: ignore[union-attr]
    assert [row.catalogue for row in read_dataset(source, None).rows] == ["", "of another"]  # type: ignore[union-attr]


def test_other_keys_are_allowed_and_counted_where_they_hold_something(tmp_path: Path) -> None:
    rows = [
        {**GOOD, "clean": True, "issues": [1], "origin": "web", "note": ""},
        {**GOOD, "clean": False, "note": None},
        {"query": "", "plan": [], "clean": 0},
    ]
    source = written(tmp_path, lines(*rows))
    dataset = read_dataset(source, CRM)
    assert dataset.rows[0].origin == {"source": source, "line": 1}
    assert dataset.unused == {"clean": 3, "issues": 1, "origin": 1}
    assert read_dataset(written(tmp_path, lines(GOOD, {**GOOD, "origin": {"source": "web"}})), CRM).unused == {}


@pytest.mark.parametrize("output", ["", " \n", None])
@pytest.mark.parametrize("key", ["instruction", "output"])
def test_a_text_that_is_needed_is_not_empty(tmp_path: Path, key: str, output: str | None) -> None:
    (rejected,) = read_dataset(written(tmp_path, lines(ALPACA, {**ALPACA, key: output})), None).rejected
    assert (rejected.line, rejected.reason) == (2, f"`{key}` is empty")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**GOOD, "system": "Be brief."}, "`system` holds a system prompt"),
        ({**ALPACA, "images": ["moss.png"]}, "`images` holds pictures"),
        ({**GOOD, "history": [["Hi", "Hello"]]}, "`history` holds earlier turns"),
    ],
)
def test_a_row_is_not_used_without_what_belongs_to_it(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    empty = {key: type(value)() if key in ("system", "history", "images") else value for key, value in row.items()}
    (rejected,) = read_dataset(written(tmp_path, lines(empty, row)), CRM).rejected
    assert rejected.line == 2
    assert reason in rejected.reason


def test_a_number_is_text_only_for_the_lenient_reader(tmp_path: Path) -> None:
    numbers = [{"instruction": 7, "input": 2.5, "output": 3}, {**ALPACA, "output": True}, {**ALPACA, "output": ["a"]}]
    source = written(tmp_path, lines(ALPACA, *numbers))
    assert [row.line for row in read_dataset(source, None).rejected] == [2, 3, 4]
    dataset = read_dataset(source, None, lenient=True)
    assert [(row.line, row.reason) for row in dataset.rejected] == [
        (3, "`output` is bool, not text"),
        (4, "`output` is list, not text"),
    ]
    assert dataset.rows[1] == Instruction("7", "2.5", "3", {"source": source, "line": 2})
    assert dataset.repaired == (Repaired(source, 2, ("number as text (3)",)),)


def test_rows_under_other_names(tmp_path: Path) -> None:
    rows = [{"question": "Hi", "answer": "Hello", "id": 1}, {"instruction": "Go", "answer": "Gone"}]
    source = written(tmp_path, lines(*rows))
    dataset = read_dataset(source, None, columns={"instruction": "question", "output": "answer"})
    assert [(row.instruction, row.output) for row in dataset.rows if isinstance(row, Instruction)] == [
        ("Hi", "Hello"),
        ("Go", "Gone"),
    ]
    assert dataset.unused == {"id": 1}
    with pytest.raises(DatasetError, match="no row has the column `contxt`, which `columns` gives for `input`"):
        read_dataset(source, None, columns={"instruction": "question", "output": "answer", "input": "contxt"})


def test_rows_of_no_known_kind_say_which_keys_they_have(tmp_path: Path) -> None:
    source = written(tmp_path, lines({"Question": "Hi", "context": "x"}, {"Question": "Hi", "response": "Hello"}))
    with pytest.raises(DatasetError, match="the keys of its rows are: Question, context, response") as caught:
        read_dataset(source, None)
    assert 'columns = {instruction = "Question", output = "response"}' in caught.value.remedy


def test_alpaca_rows(tmp_path: Path) -> None:
    rows = [
        ALPACA,
        {"instruction": "Add.", "input": "1 2", "output": "3", "text": "…"},
        {"instruction": "x", "input": None, "output": "y"},
    ]
    for source in (written(tmp_path, lines(*rows)), written(tmp_path, json.dumps(rows), "rows.json")):
        dataset = read_dataset(source, None)
        assert [(r.instruction, r.input, r.output) for r in dataset.rows if isinstance(r, Instruction)] == [
            *(("Name a colour.", "", "Blue"), ("Add.", "1 2", "3"), ("x", "", "y"))
        ]
    assert read_dataset(written(tmp_path, lines(ALPACA, GOOD)), CRM).rejected[0].reason == "has no `instruction`"


ESCAPED = r'[{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "\$5 Inc"}]}]'


def test_the_lenient_reader_repairs_an_escaped_dollar_and_reports_it(tmp_path: Path) -> None:
    as_text = json.dumps({"query": "a", "plan": ESCAPED})
    as_json = f'{{"query": "a", "plan": {ESCAPED}}}'
    source = written(tmp_path, lines(GOOD, as_text, as_json))
    assert [rejected.line for rejected in read_dataset(source, CRM).rejected] == [2, 3]
    dataset = read_dataset(source, CRM, lenient=True)
    assert [row.plan for row in dataset.rows if isinstance(row, Example)][1:] == [
        Plan((Step("search", {"customer": "$5 Inc"}),))
    ] * 2
    assert dataset.repaired == tuple(Repaired(source, line, ("escaped dollar (1)",)) for line in (2, 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("[]", "is empty"),
        ("[1, 2", "is not JSON: Expecting ',' delimiter: line 1 column 6"),
        ("query,plan\na,b", "not JSON: Expecting value"),
        ('{"question": "a", "answer": "b"}', "holds no rows of a known kind"),
    ],
)
def test_a_file_without_rows_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    source = written(tmp_path, text)
    with pytest.raises(DatasetError) as caught:
        read_dataset(source, CRM)
    assert caught.value.where.startswith(source)
    assert message in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["no-such.jsonl", "no/such/file", "nowhere"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read_dataset(str(tmp_path / name), CRM)


def test_a_folder_whose_name_could_be_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    written(tmp_path / "owner" / "name", lines(ALPACA, ALPACA), "train.jsonl")
    dataset = read_dataset("owner/name", None)
    assert dataset.lines == (1, 2)
    place = {"source": "owner/name/train.jsonl", "line": 2}
    assert dataset.rows[1] == Instruction("Name a colour.", "", "Blue", place)


def test_a_data_set_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(DatasetError, match="cannot be loaded from the hub") as caught:
        read_dataset("owner/there-is-no-such-name", None)
    assert "give its path" in caught.value.remedy
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(DatasetError, match="needs the package `datasets`") as caught:
        read_dataset("owner/name", None)
    assert "pip install" in caught.value.remedy


def test_half_a_surrogate_pair_is_written_as_an_escape(tmp_path: Path) -> None:
    row = {"text": "a\ud800b" + string.printable + "é\u2028"}
    write_lines(tmp_path / "rows.jsonl", [row])
    assert json.loads((tmp_path / "rows.jsonl").read_text(encoding="utf-8")) == row


def test_the_examples_of_the_page_on_formats() -> None:
    result = doctest.testfile("../../docs/data-formats.md", encoding="utf-8")
    assert result.failed == 0 and result.attempted > 10


# ---------------------------------------------------------------- rows with their own tools

SAIL = [{"name": "sail", "parameters": {"to": {"type": "str"}, "n": {"type": "int, optional"}}}]
SAIL_PLAN = [{"tool_name": "sail", "arguments": [{"argument_name": "to", "argument_value": "Wyk"}]}]


@pytest.mark.parametrize("catalogue", [None, CRM])
@pytest.mark.parametrize("tools", [SAIL, json.dumps(SAIL)])
def test_a_plan_is_checked_for_the_tools_of_its_row(tmp_path: Path, tools: Any, catalogue: Catalogue | None) -> None:
    rows = [
        {"query": "To Wyk", "plan": SAIL_PLAN, "tools": tools},
        {"query": "Find it", "plan": SEARCH, "tools": tools},
    ]
    dataset = read_dataset(written(tmp_path, lines(*rows)), catalogue)
    (row,) = dataset.rows
    assert isinstance(row, Example) and row.tools is not None
    assert row.tools.fingerprint == catalogue_from_json(SAIL).fingerprint == row.catalogue
    assert [(bad.line, bad.kind) for bad in dataset.rejected] == [(2, "unknown-tool")]
    write_rows(tmp_path / "again.jsonl", [row])
    assert read_dataset(str(tmp_path / "again.jsonl"), catalogue).rows == (row,)


def test_rows_with_the_tools_of_the_run_are_like_rows_without(tmp_path: Path) -> None:
    rows = [{**GOOD, "tools": CRM.to_json()}, {**GOOD, "tools": ["search", "summarize"]}, {**GOOD, "tools": []}, GOOD]
    dataset = read_dataset(written(tmp_path, lines(*rows)), CRM)
    assert dataset.rejected == ()
    assert all(isinstance(row, Example) and row.tools is None for row in dataset.rows)
    assert all("tools" not in row.to_json() for row in dataset.rows)


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        (
            {**GOOD, "tools": [{"name": "a", "parameters": {"x": {"type": "ndarray"}}}]},
            "tools",
            "unknown type 'ndarray'",
        ),
        ({**GOOD, "tools": "[{"}, "tools", "`tools`: tools in a text that is not JSON"),
        ({**GOOD, "tools": SAIL, "catalogue": CRM.fingerprint}, "other-catalogue", "made for catalogue"),
    ],
)
def test_tools_that_cannot_be_used_say_why(tmp_path: Path, row: Any, kind: str, reason: str) -> None:
    rejected = only_rejected(written(tmp_path, lines(GOOD, row)))
    assert rejected.kind == kind and reason in rejected.reason


def test_repairs_know_the_tools_of_the_row(tmp_path: Path) -> None:
    row = {"query": "To Wyk", "plan": [{"name": "Sail", "arguments": {"to": "Wyk", "n": "2"}}], "tools": SAIL}
    source = written(tmp_path, lines({**row, "plan": SAIL_PLAN}, {**row, "plan": str(row["plan"])}))
    dataset = read_dataset(source, None, lenient=True)
    assert isinstance(dataset.rows[1], Example)
    assert dataset.rows[1].plan == Plan((Step("sail", {"to": "Wyk", "n": 2}),))
    assert "tool name (1)" in dataset.repaired[0].repairs


def test_a_source_of_a_foreign_format_may_have_rows_of_several_kinds(tmp_path: Path) -> None:
    foreign = {"query": "To Wyk", "answers": [{"name": "sail", "arguments": {"to": "Wyk"}}], "tools": SAIL}
    dataset = read_dataset(written(tmp_path, lines(foreign, ALPACA, {**GOOD, "tools": CRM.to_json()}, {"a": 1})), None)
    assert [type(row) for row in dataset.rows] == [Example, Instruction, Example]
    assert [row.origin.get("format") for row in dataset.rows] == ["xLAM", None, None]
    assert [bad.line for bad in dataset.rejected] == [4]


@pytest.mark.parametrize("key", ["messages", "conversations"])
def test_turns_in_a_cell_of_a_table(tmp_path: Path, key: str) -> None:
    call = {"role": "tool_call", "content": '{"name": "search", "arguments": {"customer": "Globex"}}'}
    cells = [
        json.dumps(value).replace('"', '""') for value in ([{"role": "user", "content": "Go"}, call], CRM.to_json())
    ]
    dataset = read_dataset(written(tmp_path, f'{key},tools\n"{cells[0]}","{cells[1]}"\n', "rows.csv"), CRM)
    assert dataset.rejected == ()
    assert [row.plan for row in dataset.rows if isinstance(row, Example)] == [
        Plan((Step("search", {"customer": "Globex"}),))
    ]
