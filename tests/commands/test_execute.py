"""execute: given plans, requests, traces; with a run, and without one."""

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from platypus.commands import execute as command
from platypus.execution.trace import read_trace
from tests.support.command import Ran, here, write_recipe
from tests.support.scripted_planner import Scripted, crm_prompt
from tests.support.terminal import Terminal

TOOLS = '''"""Boats in a file."""

from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def find_boat(name: str) -> str:
    """Find a boat."""
    if name == "none":
        raise LookupError("no boat is called none")
    return f"{name}-1"


def moor_boat(boat: str) -> None:
    """Moor a boat."""
    with LOG.open("a") as file:
        file.write(boat + "\\n")
'''
PLAN = [
    {"tool_name": "find_boat", "arguments": [{"argument_name": "name", "argument_value": "Ada"}]},
    {"tool_name": "moor_boat", "arguments": [{"argument_name": "boat", "argument_value": "$$PREV[0]"}]},
]


@pytest.fixture
def boats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "boats.py").write_text(TOOLS)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return tmp_path


def given(boats: Path, capsys: pytest.CaptureFixture[str], *more: object) -> Ran:
    return here(capsys, "execute", "--catalogue", boats / "boats.py", "--plan", boats / "plan.json", *more)


def moored(boats: Path) -> list[str]:
    log = boats / "boats.log"
    return log.read_text().splitlines() if log.exists() else []


def test_ctrl_c_at_a_question_is_a_no_and_in_a_step_says_how_to_go_on(boats: Path) -> None:
    (boats / "boats.py").write_text(TOOLS.replace("    with LOG", '    __import__("time").sleep(4)\n    with LOG'))
    words = [sys.executable, "-m", "platypus", "execute", "--catalogue", boats / "boats.py", "--plan"]
    words = [*map(str, words), str(boats / "plan.json"), "--trace"]
    terminal = Terminal([*words, str(boats / "t.jsonl")])
    terminal.expect("[y/N]")
    terminal.interrupt("refused: 0 of 2 steps")
    assert terminal.end() == 1
    terminal = Terminal([*words, str(boats / "u.jsonl"), "--yes"])
    terminal.expect("1. find_boat →")
    terminal.interrupt("cancelled; trace: ")
    assert terminal.end() == 130


def test_a_plan_is_shown_asked_about_and_run(boats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = given(boats, capsys)
    assert (
        refused.code == 1
        and "so the answer is no (`platypus execute --yes` says yes)" in refused.err
        and not moored(boats)
    )
    ran = given(boats, capsys, "--yes", "--trace", "t.jsonl")
    assert ran.code == 0 and moored(boats) == ["Ada-1"]
    lines = ran.out.splitlines()
    assert lines[:2] == [
        'ask    1. find_boat(name = "Ada")  (otherwise: ask)',
        "ask    2. moor_boat(boat = output of step 1)  (otherwise: ask)",
    ]
    assert lines[2].startswith('1. find_boat → "Ada-1" (') and lines[3].startswith("2. moor_boat → null (")
    assert "done: 2 of 2 steps" in ran.err
    shown = here(capsys, "show", "t.jsonl")
    assert shown.code == 0 and shown.out.splitlines()[1:3] == lines[:2]
    assert json.loads(here(capsys, "show", "t.jsonl", "--json").out)["events"][0]["event"] == "start"


def test_as_json_standard_output_is_one_object(boats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = given(boats, capsys, "--yes", "--json")
    data = json.loads(ran.out)
    assert (data["ended"], data["results"]["0"]) == ("done", {"structured": "Ada-1"})
    assert "ask    1. find_boat" in ran.err and Path(data["trace"]).parent == boats / "state/platypus/traces"


def test_a_dry_run_leaves_nothing(boats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = given(boats, capsys, "--dry-run")
    assert ran.code == 0 and not moored(boats) and not (boats / "state").exists()
    assert '1. find_boat → "made up" (made up)' in ran.out


def test_a_trace_is_gone_on_with(boats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert given(boats, capsys, "--trace", "t.jsonl").code == 1
    words = ("execute", "--catalogue", boats / "boats.py", "--resume", "t.jsonl")
    assert here(capsys, *words).code == 1
    assert here(capsys, *words, "--yes").code == 0 and moored(boats) == ["Ada-1"]
    again = here(capsys, *words, "--yes")
    assert again.code == 1 and "is done: there is nothing to go on with" in again.err and moored(boats) == ["Ada-1"]
    assert [event["event"] for event in read_trace(Path("t.jsonl")).events].count("resume") == 2


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        ("nonsense", "not JSON"),
        ('[{"tool_name": "fly", "arguments": []}]', "no tool is named 'fly'"),
        (None, "No such file"),
    ],
)
def test_a_plan_that_cannot_be_run(
    boats: Path, capsys: pytest.CaptureFixture[str], plan: str | None, what: str
) -> None:
    (boats / "plan.json").unlink() if plan is None else (boats / "plan.json").write_text(plan)
    ran = given(boats, capsys, "--yes")
    assert ran.code == 1 and what in ran.err


def planner(says: dict[str, str], **options: Any) -> Any:
    scripted = Scripted(says, crm_prompt(), **options)
    scripted.plan = lambda requests, **_: (  # type: ignore[attr-defined]
        answer for request in requests for answer in scripted.watch(request) if hasattr(answer, "sure")
    )
    return scripted


def test_a_request_to_a_run(boats: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(boats, catalogue=boats / "boats.py", tables='[execute]\nallow = ["find_*", "moor_*"]\n')
    assert here(capsys, "execute", "run", "Moor Ada").code == 1
    from platypus.run.folder import Run

    Run.open(boats / "run", recipe=recipe)
    catalogue = Run.open(boats / "run").catalogue
    says = {"Moor Ada": json.dumps(PLAN), "Moor Ada on 2026-12-01": json.dumps(PLAN), "Fly": "[]"}

    def opened(run: Run, **_: object) -> Any:
        scripted = planner(says)
        scripted.prompt = type(scripted.prompt)(tokenizer=None, catalogue=catalogue, notation="json")
        return scripted

    monkeypatch.setattr(command, "open_planner", opened)
    ran = here(capsys, "execute", "run", "Moor Ada")
    assert ran.code == 0 and moored(boats) == ["Ada-1"]
    (trace,) = (boats / "run" / "traces").iterdir()
    assert read_trace(trace).start["request"] == "Moor Ada"
    later = here(capsys, "execute", "run", "Moor Ada tomorrow", "--trace", "later")
    assert later.code == 0 and "planned by a model\nread as: Moor Ada on 2026-12-01\n" in later.err
    assert read_trace(boats / "later").start["request"] == "Moor Ada on 2026-12-01"
    empty = here(capsys, "execute", "run", " ")
    assert empty.code == 1 and "the request is empty" in empty.err
    wrong = here(capsys, "execute", "run", "Moor Ada", "--today", "soon")
    assert wrong.code == 1 and "decode.today = 'soon' is no day" in wrong.err
    fly = here(capsys, "execute", "run", "Fly")
    assert fly.code == 1 and "these tools cannot answer that" in fly.err


def test_a_plan_from_standard_input(
    boats: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("execute", "--catalogue", boats / "boats.py", "--plan", "-", "--dry-run")
    for content, code, told in (
        (b"\xef\xbb\xbf" + json.dumps(PLAN).encode(), 0, ""),
        (b"\xff", 1, "is not UTF-8 text"),
    ):
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
        ran = here(capsys, *words)
        assert ran.code == code and told in ran.err
    assert "platypus: standard input: " in ran.err and "Send the plan as UTF-8." in ran.err
