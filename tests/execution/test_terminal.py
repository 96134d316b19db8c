"""The dialogue on a terminal: what is told, what is asked, and who answers without a terminal."""

from pathlib import Path
from typing import Any

import pytest

from platypus.execution import terminal
from platypus.execution.execution import Execution, Terms, execute_plan
from platypus.execution.policy import Policy
from platypus.execution.terminal import Answers, cancelling, ending, terminal_dialogue
from tests.support.executions import CHANGES, Memory, plan, tool, tools

SEND = plan(("send", {}))
CATALOGUE = tools(tool("send", CHANGES))


def run(answers: Answers, told: list[str], trace: Path | None = None, policy: Policy | None = None) -> Execution:
    terms, dialogue = Terms(policy or Policy()), terminal_dialogue(told.append, answers)
    return execute_plan(SEND, CATALOGUE, Memory().toolbox, terms=terms, dialogue=dialogue, trace=trace)


def test_without_a_terminal_ask_means_no(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    assert run(Answers(), told).ended == "refused"
    assert told == ["ask    1. send()  (otherwise: ask)"]
    expected = (
        "Run step 1 (send)? There is no terminal to ask at, so the answer is no (`platypus execute --yes` says yes).\n"
    )
    assert capsys.readouterr().err == expected


def test_yes(tmp_path: Path) -> None:
    told: list[str] = []
    done = run(Answers(yes=True), told, trace=tmp_path / "t.jsonl")
    assert done.done and told[1].startswith("1. send → {} (")
    assert ending(done).startswith("done: 1 of 1 steps in ") and ending(done).endswith(f"; trace: {tmp_path}/t.jsonl")


@pytest.mark.parametrize(("answer", "ended"), [(True, "done"), (False, "refused")])
def test_on_a_terminal_it_is_asked(monkeypatch: pytest.MonkeyPatch, answer: bool, ended: str) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(terminal.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(terminal.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(terminal.typer, "confirm", lambda question, **_: asked.append(question) or answer)
    assert run(Answers(), []).ended == ended and asked == ["Run step 1 (send)?"]


def test_what_did_not_end_says_how_to_go_on(tmp_path: Path) -> None:
    done = run(Answers(), [], trace=tmp_path / "t.jsonl")
    assert ending(done).endswith(
        "t.jsonl (to go on: `platypus execute` with --resume and this trace in place of a request or plan)"
    )


def test_ctrl_c_says_how_to_go_on_if_there_is_a_trace(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), cancelling(tmp_path / "t.jsonl", told.append):
            raise KeyboardInterrupt
        (tmp_path / "t.jsonl").touch()
    assert len(told) == 1 and told[0].startswith(f"cancelled; trace: {tmp_path}/t.jsonl (to go on: ")


def test_a_denied_plan_has_nothing_to_go_on_with(tmp_path: Path) -> None:
    done = run(Answers(yes=True), [], tmp_path / "t.jsonl", Policy.of(deny=["send"]))
    assert ending(done).startswith("denied: 0 of 1 steps in ") and ending(done).endswith("t.jsonl")
