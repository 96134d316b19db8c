"""`check` reads a dataset as `refine` does, whatever its format, and names what it does not use."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.check import Report, check
from platypus.errors import DatasetError, PlatypusError
from tests.support.command import ROOT, here

ROWS = [{"instruction": f"Name bird {n}", "input": "", "output": f"Bird {n} is grey."} for n in range(4)]
CASES = ROOT.parent / "shared" / "cases" / "finetuning"


def table(rows: list[dict[str, Any]], mark: str = ",") -> str:
    return "\n".join([mark.join(rows[0]), *(mark.join(map(str, row.values())) for row in rows)]) + "\n"


def summary(report: Report) -> tuple[str, str]:
    return report.kind, report.summary


GOOD = ("dataset", "4 good rows, 0 bad")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", table(ROWS)),
        ("rows.csv", table(ROWS, ";")),
        ("rows.tsv", table([{key.title(): value for key, value in row.items()} for row in ROWS], "\t")),
        ("rows.ndjson", "\n".join(map(json.dumps, ROWS))),
        ("rows.json", json.dumps(ROWS)),
        ("folder/rows.json", json.dumps(ROWS)),
        ("folder/a.csv", table(ROWS)),
    ],
)
def test_a_dataset_in_every_format(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert summary(check(path)) == GOOD
    if path.parent != tmp_path:
        assert summary(check(path.parent)) == GOOD


def test_a_table_that_is_not_text(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert summary(check(tmp_path / "rows.parquet")) == GOOD
    (tmp_path / "rows.parquet").rename(tmp_path / "rows")
    assert summary(check(tmp_path / "rows")) == GOOD


def test_what_is_not_used_is_named_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({**row, "text": "x", "score": n or None}) for n, row in enumerate(ROWS)))
    report = check(path)
    assert report.unused == {"text": 4, "score": 3}
    assert str(report).splitlines() == [
        f"{path}: not used: `text` (4), `score` (3)",
        f"{path}: dataset, 4 good rows, 0 bad",
    ]


def test_other_names_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"question": row["instruction"], "answer": row["output"]} for row in ROWS]))
    with pytest.raises(DatasetError, match="the keys of its rows are: question, answer"):
        check(path)
    assert summary(check(path, columns={"instruction": "question", "output": "answer"})) == GOOD
    with pytest.raises(DatasetError, match="no row has the column `context`"):
        check(path, columns={"instruction": "question", "output": "answer", "input": "context"})


def test_a_column_that_is_misspelt_and_rows_in_an_object(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"question": "a", "answer": "b"}]))
    with pytest.raises(DatasetError, match="no row has the column `anser`") as caught:
        check(path, columns={"instruction": "question", "output": "anser"})
    assert caught.value.remedy == "Correct its name, or take it out. The rows have: question, answer."
    path.write_text(json.dumps({"version": 1, "data": ROWS}, indent=1))
    with pytest.raises(DatasetError, match=r"is one JSON object \(its keys: version, data\)"):
        check(path)


@pytest.mark.parametrize("name", ["none.jsonl", "none.json", "none.toml", "none.csv", "none", "none/there.parquet"])
def test_what_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlatypusError) as caught:
        check(tmp_path / name)
    assert str(tmp_path / name) in caught.value.where
    assert "No such file" in caught.value.what or "no such file" in caught.value.what


@pytest.mark.parametrize(
    ("name", "good"),
    [
        *(("check-of-tables/" + name, 20) for name in ("bigcell.csv", "caps.csv", "semicolon.csv", "nullcol.parquet")),
        ("empty-outputs/null.jsonl", 15),
        ("empty-outputs/rows.jsonl", 10),
    ],
)
def test_the_cases_of_others(name: str, good: int) -> None:
    if not CASES.is_dir():
        pytest.skip("no cases here: ../shared/cases is not beside this checkout")
    assert summary(check(CASES / name)) == ("dataset", f"{good} good rows, {20 - good} bad")


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda tools: [{"function_declarations": tools}],
        lambda tools: {"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}},
        lambda tools: {"functions": tools},
    ],
)
def test_tools_in_the_shapes_of_other_programs_are_a_catalogue(wrapped: Any, tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(wrapped([{"name": "tides", "parameters": {"type": "object"}}])), encoding="utf-8")
    assert check(path).kind == "catalogue"


BOAT = {"name": "sail", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}
PATHS = {"/boats": {"get": {"operationId": "sail", "tags": ["sea"]}, "put": {"operationId": "moor", "tags": ["port"]}}}
OPENAPI = {"openapi": "3.1.0", "info": {"title": "Boats"}, "paths": PATHS}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("tools.jsonl", f"\n{json.dumps(BOAT)}\n{json.dumps({**BOAT, 'name': 'moor'})}\n", "catalogue"),
        ("bfcl.jsonl", json.dumps({"id": "1", "question": [[]], "function": [BOAT]}), "catalogue"),
        ("lines.json", f"{json.dumps(BOAT)}\n{json.dumps({**BOAT, 'name': 'moor'})}", "catalogue"),
        ("boats.json", json.dumps(OPENAPI), "catalogue"),
        ("boats.yaml", f"# boats\n{json.dumps(OPENAPI)}", "catalogue"),
        ("boats.py", "def sail(query: str): ...", "catalogue"),
        ("request.json", json.dumps({"model": "m", "messages": [], "tools": [BOAT]}, indent=1), "catalogue"),
        ("asked.json", json.dumps({"messages": [{"role": "user", "content": "Hi"}], "tools": [BOAT]}), "catalogue"),
        ("rows.jsonl", json.dumps({"query": "Sail", "plan": [], "tools": [BOAT]}), "dataset"),
        ("chat.jsonl", json.dumps({"tools": [BOAT], "messages": [{"role": "user", "content": "Hi"}] * 2}), "dataset"),
    ],
)
def test_kinds_of_catalogues_are_told_from_datasets(name: str, text: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert check(path).kind == kind


def test_a_catalogue_is_written_as_a_file_of_mcp(tmp_path: Path) -> None:
    document, kept = tmp_path / "boats.json", tmp_path / "tools.json"
    document.write_text(json.dumps(OPENAPI))
    report = check(document, only=["sea"], write=kept)
    assert report.summary.startswith("1 tools, fingerprint ") and report.summary.endswith(f"written to {kept}")
    assert [tool["name"] for tool in json.loads(kept.read_text())] == ["sail"]
    assert check(kept).summary in report.summary


def test_only_and_write_are_for_catalogues(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"query": "Sail", "plan": []}))
    for options in ({"write": tmp_path / "x.json"}, {"only": ["sea"]}):
        with pytest.raises(PlatypusError, match="is no catalogue"):
            check(rows, **options)  # type: ignore[arg-type]


def test_the_command_takes_parts_of_a_source_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, kept = tmp_path / "boats.py", tmp_path / "tools.json"
    source.write_text("def sail(to: str): ...\ndef moor(): ...\n")
    ran = here(capsys, "check", source, "--only", "sail", "--write", kept, "--json")
    assert ran.code == 0 and json.loads(ran.out)["kind"] == "catalogue"
    assert [tool["name"] for tool in json.loads(kept.read_text())] == ["sail"]
    assert here(capsys, "check", f"{source}:moor").out.startswith(f"{source}:moor: catalogue, 1 tools")
    assert here(capsys, "plan", "Sail", "--only", "sail").code == 2


def test_bad_tools_are_listed_and_notes_are_grouped(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    unread = {"type": "object", "properties": {"code": {"type": "string", "pattern": r"(.)\1"}}}
    tools = [{"name": f"tool_{n}", "inputSchema": unread} for n in range(300)]
    wrong = {"type": "object", "properties": {"x": {"type": "strnig"}, "y": {"minLength": "three"}}}
    path.write_text(json.dumps([*tools, {"name": "two words"}, {"name": "wrong", "inputSchema": wrong}]))
    report = check(path)
    assert str(report).splitlines()[:3] == [
        f"{path}: tool 301 has no usable name ('two words'). Rename it: letters, digits and _ . : / - (at most 128;"
        " the first one no punctuation but _).",
        f"{path}: tool 'wrong'.x: unknown type 'strnig'. Known types: string, integer, number, boolean, array, object,"
        " null.",
        f"{path}: tool 'wrong'.y: not a valid schema: 'three' is not of type 'integer'. Correct it by JSON Schema,"
        " draft 2020-12.",
    ]
    notes = [line for line in str(report).splitlines() if ": note: " in line]
    assert len(notes) < 4 and notes[0].endswith("(tool_0.code, tool_1.code, tool_2.code, and 297 more)")
    assert summary(report)[1].startswith("300 tools, 2 that cannot be used, fingerprint ")
    assert len(report.problems) == 3 and len(report.to_json()["notes"]) >= 300


def test_notes_are_no_problems(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "minProperties": 1}
    path.write_text(json.dumps([{"name": "a", "inputSchema": schema}]))
    report = check(path)
    assert not report.problems and str(report).startswith(f"{path}: note: `minProperties` always with a (a)\n")


def test_the_tokens_of_a_catalogue_and_what_a_base_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "tools.json"
    many = [{"name": f"tool_{i}", "description": f"Finds part {i}. " + "It is slow. " * 20} for i in range(500)]
    shown = []
    for count in (3, 60, 500):
        file.write_text(json.dumps(many[:count]))
        tokens = check(file).tokens
        assert tokens is not None and len(tokens.full) == len(tokens.brief) == count
        assert sum(tokens.brief.values()) < sum(tokens.full.values())
        shown.append(tokens.shown)
        assert f"{sum(tokens.full.values()):,} tokens in full" in str(tokens)
    assert shown == ["full", "brief", "some"]
    assert check(file, base="nobody/nothing").tokens is None


STEP = {"tool_name": "tides", "arguments": [{"argument_name": "port", "argument_value": "Husum"}]}
TIDES = [{"name": "tides", "parameters": {"port": {"type": "str"}}}]
CALL = {"name": "tides", "arguments": {"port": "Husum"}}


@pytest.mark.parametrize(
    "row",
    [
        {"id": 0, "query": "Tides?", "answers": json.dumps([CALL]), "tools": json.dumps(TIDES)},
        {"tools": TIDES, "query": "Tides?", "plan": [STEP]},
        {"origin": {"source": "a", "line": 1}, "query": "Tides?", "plan": [STEP]},
        {"id": 0, "tools": "", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    ],
)
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_rows_that_begin_with_another_key_are_a_dataset(row: dict[str, Any], name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(json.dumps([row, row] if name == "rows.json" else row), encoding="utf-8")
    report = check(path)
    assert (report.kind, report.problems) == ("dataset", ())


def test_bad_rows_that_refine_repairs_are_counted(tmp_path: Path) -> None:
    plans = [[{"tool_name": "list", "arguments": {"limit": 3}}], [{"tool_name": "list", "arguments": []}], "?"]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps({"query": f"Show {i}", "plan": plan}) for i, plan in enumerate(plans)))
    assert check(file).summary == "1 good rows, 2 bad (1 of them `refine` repairs)"


def test_habits_of_rows_are_listed(tmp_path: Path) -> None:
    plan = '[{"tool_name": "works_list", "arguments": [{"argument_name": "type", "argument_value": ["task"]}]}]'
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"query": "List all tasks {number}", "plan": {plan}}}\n' for number in range(6)))
    report = check(rows, catalogue=ROOT / "examples" / "worktracker" / "catalogue.json")
    assert f"{rows}: habit: works_list.type: a value that is said in passing sets it in 6 of 6" in str(report)
    (given,) = [habit for habit in report.to_json()["habits"] if habit["argument"] == "works_list.limit"]
    assert (given["does"], given["held"], given["against"]) == ("never given", 6, ())


def test_a_recipe_that_names_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text("[]")
    (tmp_path / "a.toml").write_text('catalogue = "tools.json"\n[refine]\ndata = ["./gone.jsonl"]\n')
    report = check(tmp_path / "a.toml")
    assert summary(report) == ("recipe", "base 'embedded', catalogue 'tools.json'")
    (problem,) = report.problems
    assert problem.reason.startswith("./gone.jsonl: there is no such file or folder. The recipe names it")
    (tmp_path / "b.toml").write_text("")
    assert check(tmp_path / "b.toml").summary.endswith("no catalogue") and not check(tmp_path / "b.toml").problems
