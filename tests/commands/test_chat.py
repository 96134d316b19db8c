"""The commands plan and chat: lines from a pipe, JSON lines, and what is refused."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from platypus.chat.texts import TextOptions
from platypus.commands.chat import chat
from platypus.errors import RunError
from platypus.run.corrections import CORRECTIONS
from platypus.run.folder import Run
from tests.support.command import CRM, here, write_recipe
from tests.support.scripted_planner import ANSWERS, SUMMARY, Scripted
from tests.support.terminal import Terminal
from tests.support.tiny_models import tiny_llama

Capture = pytest.CaptureFixture[str]
ASK = "Sum up CustomerABC"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose planner has scripted answers."""
    planner: Any = Scripted(ANSWERS)
    monkeypatch.setattr("platypus.commands.chat.open_planner", lambda run, catalogue: planner)
    monkeypatch.setattr("platypus.commands.chat.open_untrained", lambda catalogue, recipe: planner)
    return Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_lines_are_answered_until_quit(capsys: Capture, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    typed(monkeypatch, f"  \n {ASK} \n/keep\n/quit\nFly\n")
    assert chat(run)
    captured = capsys.readouterr()
    assert captured.out.startswith("1. search\n") and "No plan" not in captured.out
    assert f"1 in {run.path / CORRECTIONS} to be learned by: platypus all {run.path}" in captured.err


def test_json_is_one_line_for_each_request_and_nothing_else(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    typed(monkeypatch, f"{ASK}\n\n/help\nFly\n")
    ran = here(capsys, "chat", run.path, "--json")
    assert ran.code == 1 and ran.err == ""
    first, refused, last = map(json.loads, ran.out.splitlines())
    assert first["plan"] == SUMMARY.to_json() and last["plan"] == []
    assert refused == {"request": "/help", "error": "/help: too long"}
    typed(monkeypatch, "Fly\n")
    ran = here(capsys, "chat", "--catalogue", CRM, "--json")
    assert ran.code == 0 and json.loads(ran.out)["request"] == "Fly"


def test_bytes_that_are_no_text_are_answered_too(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path
) -> None:
    for options in ([], ["--json"]):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\nFly\n"), encoding="utf-8"))
        assert "unexpected" not in here(capsys, "chat", run.path, *options).err


def test_options_of_texts_are_no_options_of_planners(capsys: Capture, run: Run) -> None:
    with pytest.raises(RunError, match="nothing is drawn"):
        chat(run, options=TextOptions(temperature=1.0))
    assert "/alternatives" in here(capsys, "chat", run.path, "--top-p", "0.5").err
    assert here(capsys, "chat", "--catalogue", CRM, "--stop", "x").code == 2
    assert here(capsys, "chat").code == 2


def test_a_text_model_answers_in_a_pipe_and_in_a_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = tiny_llama(tmp_path / "base")
    recipe = write_recipe(tmp_path, base=base, catalogue=None, tables="[evaluate]\nmax_new_tokens = 5\n")
    run = Run.open(tmp_path / "run", recipe=recipe)
    typed(monkeypatch, f"{ASK}\n/history\n")
    ran = here(capsys, "chat", run.path)
    assert ran.code == 0, ran.err
    answer = ran.out.strip()
    assert answer and f"> {ASK}\n{answer}\n" in ran.err
    terminal = Terminal([sys.executable, "-m", "platypus", "chat", str(run.path), "--temperature", "1", "--seed", "7"])
    terminal.expect("(/help lists the commands)")
    terminal.answer("/set\r")
    terminal.expect("temperature 1, top_p 1, seed 7, stop")
    terminal.answer("\x04")
    assert terminal.end() == 0
