"""check: the kind of a file, and every problem in it with its place."""

import json
from pathlib import Path

import pytest

from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import CRM, here

PLAN = Plan((Step("search", {"customer": "CustomerABC"}), Step("summarize", {"objects": Reference(0)})))

Capture = pytest.CaptureFixture[str]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.json", CRM.read_text(encoding="utf-8"), "catalogue"),
        ("a.json", '{"tools": [{"tool_name": "go", "arguments": []}]}', "catalogue"),
        (
            "a.json",
            '[{"tool_name": "go", "arguments": [{"argument_name": "query", "argument_type": "string"}]}]',
            "catalogue",
        ),
        ("a.toml", "seed = 3\n", "recipe"),
        ("a.json", "[]", "plan"),
        ("a.json", str(PLAN), "plan"),
        ("a.txt", '[{"tool_name": "who_am_i", "arguments": []}]', "plan"),
        ("a.jsonl", '{"query": "Go", "plan": []}\n', "dataset"),
        ("a.json", '[{"instruction": "Say hi", "input": "", "output": "hi"}]', "dataset"),
        ("a.json", '[{"input": "", "instruction": "Say hi", "output": "hi"}]', "dataset"),
    ],
)
def test_check_recognises_the_kind_of_a_file(capsys: Capture, tmp_path: Path, name: str, text: str, kind: str) -> None:
    file = write(tmp_path / name, text)
    ran = here(capsys, "check", file, "--json")
    report = json.loads(ran.out)
    assert (ran.code, report["kind"], report["file"], report["problems"]) == (0, kind, str(file), [])


def test_check_lists_bad_rows_with_file_line_and_reason(capsys: Capture, tmp_path: Path) -> None:
    unknown = '{"query": "Fly", "plan": [{"tool_name": "fly", "arguments": []}]}'
    file = write(tmp_path / "a.jsonl", f'{{"query": "Go", "plan": []}}\n{unknown}\n{{"query": \n')
    ran = here(capsys, "check", file, "--catalogue", CRM)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{file}:2: ")
    assert "'fly'" in lines[0]
    assert lines[1].startswith(f"{file}:3: ")
    assert lines[-1] == f"{file}: dataset, 1 good rows, 2 bad"
    report = json.loads(here(capsys, "check", file, "--catalogue", CRM, "--json").out)
    assert [(problem["file"], problem["line"]) for problem in report["problems"]] == [(str(file), 2), (str(file), 3)]


def test_check_compares_a_plan_with_a_catalogue_only_if_one_is_given(capsys: Capture, tmp_path: Path) -> None:
    file = write(tmp_path / "plan.json", '[{"tool_name": "fly", "arguments": []}]')
    assert here(capsys, "check", file).code == 0
    ran = here(capsys, "check", file, "--catalogue", CRM)
    assert ran.code == 1
    assert f"{file}: step 0: no tool is named 'fly'" in ran.out


def test_check_gives_the_position_in_a_plan_that_is_not_json(capsys: Capture, tmp_path: Path) -> None:
    text = str(PLAN).replace("}, {", "} {", 1)
    ran = here(capsys, "check", write(tmp_path / "plan.txt", text))
    assert ran.code == 1
    assert f"character {text.index('} {') + 2}" in ran.out


@pytest.mark.parametrize("name", ["none.json", "none.jsonl", "none.toml"])
def test_check_of_a_missing_file_is_one_error(capsys: Capture, tmp_path: Path, name: str) -> None:
    ran = here(capsys, "check", tmp_path / name)
    assert (ran.code, ran.out) == (1, "")
    assert str(tmp_path / name) in ran.err
