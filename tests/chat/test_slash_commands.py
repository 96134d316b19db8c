"""What each command does and says, and what completes a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.chat.conversation import Conversation
from platypus.chat.slash_commands import COMMANDS, hear, suggestions
from platypus.data.dataset import read_dataset
from platypus.plan.plan import Plan
from platypus.prompt.prompt import Prompt
from platypus.run.corrections import Corrections
from platypus.run.folder import Run
from tests.support.command import CRM, write_recipe
from tests.support.scripted_planner import ANSWERS, SEARCH, SUMMARY, Scripted, conversation

Capture = pytest.CaptureFixture[str]
ASK = "Sum up CustomerABC"


def talk(folder: Path, *lines: str, text: bool = False) -> Conversation:
    prompt: dict[str, Any] = {"prompt": Prompt(None, None)} if text else {}  # type: ignore[arg-type]
    begun = conversation(Scripted(ANSWERS, others={SUMMARY: 0.6, SEARCH: 0.25}, **prompt), folder)
    for line in lines:
        hear(begun, line)
    return begun


def test_help_lists_what_there_is(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(tmp_path, "/help", "/fly", "/set")
    told = capsys.readouterr().err
    assert all(f"  {name}" in told for name, command in COMMANDS.items() if command.plans is not False)
    assert "no command /fly" in told and "no command /set" in told
    assert hear(begun, "/quit") is False
    talk(tmp_path, "/help", "/tools", text=True)
    told = capsys.readouterr().err
    assert "/set " in told and "/system" in told and "no command /tools" in told


@pytest.mark.parametrize("name", ["/alternatives", "/explain", "/correct", "/keep", "/copy", "/choose 1", "/undo"])
def test_before_the_first_request_there_is_nothing(capsys: Capture, tmp_path: Path, name: str) -> None:
    talk(tmp_path, name)
    told = capsys.readouterr().err
    assert "nothing" in told and "Traceback" not in told


def test_an_alternative_can_be_chosen_and_kept(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(tmp_path, ASK, "/alternatives 2", "/choose 3", "/choose 1", "/choose 2")
    captured = capsys.readouterr()
    assert "[1] 60.0%  (the present plan)" in captured.err and "[2] 25.0%" in captured.err
    assert "a number from 1 to 2" in captured.err
    assert captured.out.endswith('1. search\n     customer = "CustomerABC"\n') and begun.last.answer == SEARCH
    hear(begun, "/keep")
    assert begun.last.kept and len(begun.corrections.rows()) == 1
    assert f"1 in {tmp_path}/corrections.jsonl to be learned by: platypus all RUN" in capsys.readouterr().err


def test_a_plan_is_run_by_the_policy_of_its_run(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(tmp_path, ASK, "/run")
    assert "what runs these tools is not known here" in capsys.readouterr().err
    tables = f'[execute]\nsources = ["{CRM.parent / "tools.py"}"]\n'
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, tables=tables))
    begun.corrections = Corrections.of(run)
    hear(begun, "/run dry")
    told = capsys.readouterr().err
    assert 'ask    1. search(customer = "CustomerABC")  (otherwise: ask)' in told
    assert "(made up)" in told and "done: 2 of 2 steps" in told
    (run.path / "recipe.toml").write_text(write_recipe(tmp_path, tables=f'{tables}deny = ["search"]\n').read_text())
    hear(begun, "/run dry")
    assert 'deny   1. search(customer = "CustomerABC")  (deny "search")' in capsys.readouterr().err
    hear(begun, "/run fast")
    assert "/run, or /run dry" in capsys.readouterr().err


def test_fewer_alternatives_than_wanted_are_said(capsys: Capture, tmp_path: Path) -> None:
    talk(tmp_path, ASK, "/alternatives", "/alternatives x")
    told = capsys.readouterr().err
    assert "2 found: no more in 20 s" in told and "a number from 1 to 50" in told


def test_an_explanation_names_words_and_steps(capsys: Capture, tmp_path: Path) -> None:
    talk(tmp_path, ASK, "/explain", "Fly", "/explain")
    told = capsys.readouterr().err
    assert 'customer = "CustomerABC" from “CustomerABC”' in told and "objects ← the output of search" in told
    assert "the plan is empty" in told


class Typed:
    """A person who types these lines."""

    typed = True

    def __init__(self, *lines: str) -> None:
        self.lines: Iterator[str] = iter(lines)

    def read(self, prompt: str) -> str:
        raise EOFError

    def ask(self, label: str, default: str) -> str:
        line = next(self.lines, None)
        if line is None:
            raise KeyboardInterrupt
        return default if line == "…" else line

    def edit(self, text: str) -> str | None:
        return text.replace("CustomerABC", "CustomerB")


class Leaving(Typed):
    """A person who leaves the editor with Ctrl-D, or with Ctrl-C."""

    def __init__(self, how: type[BaseException]) -> None:
        super().__init__()
        self.how = how

    def edit(self, text: str) -> str | None:
        raise self.how


@pytest.mark.parametrize("how", [EOFError, KeyboardInterrupt])
def test_leaving_the_editor_leaves_the_plan_as_it_was(
    capsys: Capture, tmp_path: Path, how: type[BaseException]
) -> None:
    begun = talk(tmp_path, ASK)
    begun.lines = Leaving(how)
    assert hear(begun, "/correct calls") and begun.last.answer == SUMMARY
    assert "the plan is as it was" in capsys.readouterr().err


def test_a_plan_is_corrected_step_by_step_or_in_an_editor(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(tmp_path, ASK)
    begun.lines = Typed("…", "-", "")
    hear(begun, "/correct")
    assert begun.last.answer == SEARCH
    hear(begun, "/correct")
    assert begun.last.answer == SEARCH and "the plan is as it was" in capsys.readouterr().err
    for notation in ("calls", "json"):
        hear(begun, "/undo")
        hear(begun, f"/correct {notation}")
        assert isinstance(begun.last.answer, Plan) and begun.last.answer.steps[0].arguments == {"customer": "CustomerB"}


def test_only_a_valid_plan_is_kept(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(tmp_path, ASK, "/correct fly()", "/correct calls")
    told = capsys.readouterr().err
    assert "no tool is named 'fly'" in told and "Nothing is kept" in told and "there is no editor here" in told
    assert begun.last.answer == SUMMARY and begun.corrections.rows() == []


def test_tools_are_browsed_added_and_removed(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text('[{"name": "fly", "description": "Flies there. At once."}]')
    begun = talk(tmp_path, "/tools", "/tools short text", "/tools search", "/tools qqqq")
    told = capsys.readouterr().err
    assert "action_item  Notes" in told and "search(customer: string)" in told and "no tool is like 'qqqq'" in told
    hear(begun, f"/tools add {tmp_path}/more.json")
    for name in ("search", "summarize", "action_item", "walk", "fly"):
        hear(begun, f"/tools remove {name}")
    told = capsys.readouterr().err
    assert "4 tools, fly among them" in told and "no tool is named 'walk'" in told and "it is the last tool" in told
    assert begun.tools is not None and [tool.name for tool in begun.tools] == ["fly"]
    for line in (f"/tools add {tmp_path}/more.json", "/tools add", f"/tools add {tmp_path}/none.json"):
        hear(begun, line)
    told = capsys.readouterr().err
    assert "two tools are named 'fly'" in told and "/tools add FILE" in told and "none.json: cannot be read" in told
    hear(begun, "/undo")
    assert len(begun.tools or ()) == 2


def test_json_shows_the_last_plan_again_and_stays_until_switched_back(capsys: Capture, tmp_path: Path) -> None:
    talk(tmp_path, "/json", "/json", ASK, "/json", "Fly", "/json", "/history")
    captured = capsys.readouterr()
    refusal = "No plan: these tools cannot answer that."
    assert captured.out.endswith(f"output of search\n{SUMMARY}\n[]\n{refusal}\n")
    assert f"> Fly\n{refusal}\n" in captured.err


def test_the_last_answer_goes_to_the_clipboard_of_a_terminal(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = talk(tmp_path, "Fly", "/copy")
    assert "no terminal" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    hear(begun, "/copy")
    assert capsys.readouterr().out == "\033]52;c;W10=\a"


@pytest.mark.parametrize("name", ["~no-such-user-here/a.txt", "x" * 300])
def test_a_name_that_no_file_can_have(capsys: Capture, tmp_path: Path, name: str) -> None:
    talk(tmp_path, ASK, f"/save {name}")
    told = name if len(name) < 80 else f"{name[:80]}…"
    assert f"{told}: cannot be looked up: " in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["inf", "nan", "1.5", "-1", "1" * 20])
def test_a_seed_is_a_whole_number(capsys: Capture, tmp_path: Path, seed: str) -> None:
    begun = talk(tmp_path, f"/set seed {seed}", text=True)
    assert "seed is a whole number from 0" in capsys.readouterr().err and begun.state.options.seed == 0


def test_a_conversation_is_saved_once(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "said"
    begun = talk(tmp_path, ASK, "Fly", f"/save {path}.jsonl", f"/save {path}.md", f"/save {path}.md", "/save")
    hear(begun, f"/save {tmp_path}/no/folder.md")
    told = capsys.readouterr().err
    assert "exists already" in told and "cannot be written" in told and "/save FILE" in told
    rows = [json.loads(line) for line in Path(f"{path}.jsonl").read_text().splitlines()]
    tools = read_catalogue(CRM).to_json()
    assert rows == [
        {"query": ASK, "plan": SUMMARY.to_json(), "tools": tools},
        {"query": "Fly", "plan": [], "tools": tools},
    ]
    assert Path(f"{path}.md").read_text().startswith(f"> {ASK}\n\n1. search\n")


def test_saved_plans_are_rows_for_their_own_tools(capsys: Capture, tmp_path: Path) -> None:
    """Those of the run need not be brought; an answer that is no plan is no row."""
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    (tmp_path / "more.json").write_text('[{"name": "fly"}]')
    begun = conversation(Scripted({**ANSWERS, "Sleep": "sleep()"}), tmp_path)
    begun.corrections = Corrections.of(run)
    changed = f"/tools add {tmp_path}/more.json"
    for line in (
        ASK,
        "Sleep",
        changed,
        "Fly",
        '/correct [{"tool_name": "fly", "arguments": []}]',
        f"/save {tmp_path}/s.jsonl",
    ):
        hear(begun, line)
    assert "2 turns saved in " in (told := capsys.readouterr().err) and "1 without a valid plan left out" in told
    saved = read_dataset(str(tmp_path / "s.jsonl"), run.catalogue)
    assert not saved.rejected and [row.tools is None for row in saved.rows] == [True, False]  # type: ignore[union-attr]


def test_how_texts_are_drawn_can_be_set_and_undone(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(
        tmp_path, "/set temperature 0.7", "/set top_p 0.9", '/set stop ["###", "User:"]', "/set seed 3", text=True
    )
    told = capsys.readouterr().err
    assert told.splitlines()[-1] == 'temperature 0.7, top_p 0.9, seed 3, stop "###", "User:"'
    for line in ("/set stop", "/undo", "/set stop User:", "/set top_p 2", "/set top_p x", "/set speed 1", "/system Hi"):
        hear(begun, line)
    told = capsys.readouterr().err
    assert "stop none" in told and 'stop "User:"' in told and "top_p: must be above 0" in told
    assert "top_p is a number, not 'x'" in told and "no setting 'speed'" in told and 'template = "chat"' in told
    assert begun.state.options.top_p == 0.9


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/al", ["/alternatives"]),
        ("/s", ["/save"]),
        ("/q", ["/quit"]),
        ("/tools ", ["add", "remove", "search", "action_item", "summarize"]),
        ("/tools remove s", ["search", "summarize"]),
        ("Sum", [ASK]),
        ("Please sum", ["summarize"]),
        ("/correct se", ["search"]),
        ("Please ", []),
    ],
)
def test_lines_are_completed(tmp_path: Path, line: str, expected: list[str]) -> None:
    found = [*suggestions(talk(tmp_path), line, [ASK, "/help", ASK, "Fly"])]
    assert [one.text for one in found] == expected
    assert all((line[: len(line) - one.replaces] + one.text).startswith(line) for one in found)
