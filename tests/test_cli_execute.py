"""What `platypus execute` takes: a request, a plan or a trace, with a run or with tools."""

import json
from pathlib import Path

import pytest

from tests.support.command import CRM, here

PLAN = [{"tool_name": "search", "arguments": [{"argument_name": "customer", "argument_value": "CustomerABC"}]}]


@pytest.mark.parametrize("words", [[], ["--catalogue", CRM], ["run", "request", "--plan", "plan.json"]])
def test_what_is_missing_or_too_much(capsys: pytest.CaptureFixture[str], words: list[object]) -> None:
    ran = here(capsys, "execute", *words)
    assert ran.code == 2 and "--resume TRACE" in ran.err


def test_a_run_without_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    ran = here(capsys, "execute", "runs/mine")
    assert ran.code == 2 and "RUN and REQUEST, or REQUEST and" in ran.err
    ran = here(capsys, "execute", "--plan", "plan.json")
    assert ran.code == 1 and "Name a run, or give one: --catalogue SOURCE" in ran.err


@pytest.mark.parametrize("words", [["--replan", "1"], ["--again"]])
def test_options_that_the_plan_of_a_file_cannot_have(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    ran = here(capsys, "execute", "--catalogue", CRM, "--plan", "plan.json", *words)
    assert ran.code == 2 and words[0] in ran.err


@pytest.mark.parametrize("words", [["--trace", "u.jsonl"], ["--dry-run"]])
def test_options_that_do_not_go_with_a_trace(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    ran = here(capsys, "execute", "--catalogue", CRM, "--resume", "t.jsonl", *words)
    assert ran.code == 2 and words[0] in ran.err


def test_every_option_arrives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    words = [
        "--catalogue",
        CRM,
        "--plan",
        tmp_path / "plan.json",
        "--dry-run",
        "--json",
        "--trace",
        tmp_path / "t.jsonl",
    ]
    ran = here(capsys, "execute", *words)
    assert ran.code == 0 and json.loads(ran.out)["decision"][0]["verdict"] == "ask"
    ran = here(capsys, "execute", *words[:-1], tmp_path / "u.jsonl", "--trust", "dry*")
    assert json.loads(ran.out)["decision"][0]["verdict"] == "allow"
    assert json.loads(ran.out)["trace"] == str(tmp_path / "u.jsonl")


def test_a_run_and_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = here(capsys, "execute", tmp_path / "none", "--plan", tmp_path / "plan.json")
    assert ran.code == 1 and "is not a run yet\n  Make it: platypus all " in ran.err
