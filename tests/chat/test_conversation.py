"""The conversation: turns, texts with what was said before, tools of its own, corrections, and undoing all of these."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platypus.chat.conversation import Conversation
from platypus.chat.slash_commands import hear
from platypus.chat.texts import TextOptions
from platypus.errors import RunError
from platypus.plan.plan import Plan
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings
from tests.support.scripted_planner import ANSWERS, SEARCH, SUMMARY, Scripted, conversation
from tests.support.tiny_models import byte_bpe_tokenizer

Capture = pytest.CaptureFixture[str]
ASK = "Sum up CustomerABC"


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts of a text model that answers "one", "two", … in two pieces."""
    tokenizer = byte_bpe_tokenizer()
    prompt_texts: list[str] = []

    def stream(_: object, prompt: list[int], **options: object) -> Iterator[str]:
        prompt_texts.append(tokenizer.decode(prompt, skip_special_tokens=True))
        answer = ("one", "two", "three", "four")[len(prompt_texts) - 1]
        yield answer[:1]
        yield answer[1:]

    monkeypatch.setattr("platypus.model.completion.stream", stream)
    return prompt_texts


def talk(planner: Any, folder: Path, *lines: str, **options: Any) -> Conversation:
    begun = conversation(planner, folder, **options)
    for line in lines:
        hear(begun, line)
    return begun


def text_model(cutoff: int = 4096) -> Scripted:
    return Scripted({}, prompt=Prompt(tokenizer=byte_bpe_tokenizer(), catalogue=None, cutoff=cutoff))


def kept(folder: Path) -> list[Any]:
    path = folder / "corrections.jsonl"
    return [json.loads(line)["plan"] for line in path.read_text().splitlines()] if path.exists() else []


def test_a_request_that_fails_leaves_the_conversation_as_it_was(capsys: Capture, tmp_path: Path) -> None:
    begun = talk(Scripted(ANSWERS), tmp_path, "much too long", "interrupt me", "Fly")
    captured = capsys.readouterr()
    assert "much too long: too long" in captured.err and "stopped" in captured.err
    assert captured.out == "No plan: these tools cannot answer that.\n"
    assert [turn.request for turn in begun.state.turns] == ["Fly"]


def test_a_correction_is_kept_until_it_is_undone(tmp_path: Path) -> None:
    begun = talk(Scripted(ANSWERS), tmp_path, ASK)
    begun.keep(SEARCH)
    begun.keep(Plan())
    assert kept(tmp_path) == [[]] and begun.last.answer == Plan()
    assert begun.undo() == f"the correction of '{ASK}'" and kept(tmp_path) == [SEARCH.to_json()]
    begun.undo()
    assert kept(tmp_path) == [] and begun.last.answer == SUMMARY
    begun.undo()
    assert begun.state.turns == ()
    with pytest.raises(RunError, match="nothing to undo"):
        begun.undo()


def test_undoing_the_correction_of_a_repeated_request_brings_its_first_back(tmp_path: Path) -> None:
    begun = talk(Scripted(ANSWERS), tmp_path, ASK, "/keep", "Fly", ASK, "/correct []")
    assert kept(tmp_path) == [[]]
    begun.undo()
    assert kept(tmp_path) == [SUMMARY.to_json()]
    assert begun.state.turns[0].kept and not begun.last.kept


def test_undoing_brings_back_what_an_earlier_conversation_kept(tmp_path: Path) -> None:
    talk(Scripted(ANSWERS), tmp_path, ASK, "/correct []")
    row = (tmp_path / "corrections.jsonl").read_text()
    talk(Scripted(ANSWERS), tmp_path, ASK, "/keep", "/undo")
    assert (tmp_path / "corrections.jsonl").read_text() == row


def test_undoing_after_a_change_of_tools_leaves_one_row(tmp_path: Path) -> None:
    begun = talk(Scripted(ANSWERS), tmp_path, ASK, "/correct []", "/tools remove action_item", "/keep")
    assert len(kept(tmp_path)) == 2  # for other tools
    begun.undo()
    assert kept(tmp_path) == [[]]


def test_a_plan_that_the_tools_of_now_cannot_do_is_not_kept(capsys: Capture, tmp_path: Path) -> None:
    talk(Scripted(ANSWERS), tmp_path, ASK, "/tools remove search", "/keep")
    assert kept(tmp_path) == [] and "not valid for the tools of now" in capsys.readouterr().err


def test_a_correction_tells_what_was_answered(tmp_path: Path) -> None:
    talk(Scripted(ANSWERS), tmp_path, ASK, "/correct []")
    row = json.loads((tmp_path / "corrections.jsonl").read_text())
    assert row["query"] == ASK and row["origin"]["answered"] == SUMMARY.to_json()
    assert row["origin"]["model"] == "a model"


def test_a_correction_is_kept_with_its_dates_in_figures(tmp_path: Path) -> None:
    asked = f"{ASK} tomorrow"
    begun = talk(Scripted({f"{ASK} on 2026-12-01": ANSWERS[ASK]}), tmp_path, asked, "/correct []")
    assert json.loads((tmp_path / "corrections.jsonl").read_text())["query"] == f"{ASK} on 2026-12-01"
    assert begun.last.request == asked
    begun.undo()
    assert kept(tmp_path) == []


def test_the_first_tools_come_back_with_their_planner(tmp_path: Path) -> None:
    begun = talk(Scripted(ANSWERS), tmp_path, "/tools remove search")
    assert begun.state.planner is not begun.original
    assert begun.original.prompt.catalogue is not None
    begun.use_tools("all", begun.original.prompt.catalogue)
    assert begun.state.planner is begun.original


def test_text_is_streamed_and_the_conversation_goes_into_the_next_prompt(
    capsys: Capture, prompts: list[str], tmp_path: Path
) -> None:
    planner = text_model()
    begun = talk(planner, tmp_path, "Count", "Go on", "And on")
    assert capsys.readouterr().out == "one\ntwo\nthree\n"
    assert prompts[0] == planner.prompt.text("Count")
    assert "### Instruction:\nGo on\n\n### Input:\nRequest: Count\nAnswer: one\n\n### Response:\n" in prompts[1]
    assert "Request: Count\nAnswer: one\nRequest: Go on\nAnswer: two\n\n" in prompts[2]
    begun.undo()
    begun.answer("And then")
    assert "Request: Go on" in prompts[3] and "And on" not in prompts[3]


def test_the_oldest_turns_are_left_out_if_the_context_is_full(
    capsys: Capture, prompts: list[str], tmp_path: Path
) -> None:
    free = len(text_model().prompt.ids("x")) + 100  # room for an answer of 100 tokens, and little more
    planner = text_model(cutoff=free + 200)
    talk(planner, tmp_path, "a" * 60, "b" * 60, "c" * 10, "d" * 10)
    assert "Request: aaa" in prompts[1]
    assert "Request: aaa" not in prompts[3] and "Request: ccc" in prompts[3]
    assert capsys.readouterr().err.count("the oldest turns are left out from now on") == 1
    assert (
        len(planner.prompt.tokenizer.encode(prompts[3], add_special_tokens=True, split_special_tokens=True))
        <= free + 100
    )


def test_a_first_request_may_use_the_room_of_its_answer_but_not_more(
    capsys: Capture, prompts: list[str], tmp_path: Path
) -> None:
    planner = text_model(cutoff=len(text_model().prompt.ids("x")) + 5)
    begun = talk(planner, tmp_path, "x", "much longer than that, in a way that no context holds")
    captured = capsys.readouterr()
    assert captured.out == "one\n" and "leaves no room for an answer" in captured.err
    assert len(begun.state.turns) == 1


def test_a_text_that_takes_too_long_is_cut(capsys: Capture, prompts: list[str], tmp_path: Path) -> None:
    planner = text_model()
    planner.settings = DecodeSettings(seconds=1e-9)
    talk(planner, tmp_path, "Count", options=TextOptions(stop=()))
    captured = capsys.readouterr()
    assert captured.out == "o\n" and "cut after 1e-09 s" in captured.err


def test_answers_as_json_are_one_object_each(prompts: list[str], tmp_path: Path) -> None:
    begun = conversation(Scripted(ANSWERS), tmp_path)
    assert begun.answer_as_json(ASK)["plan"] == SUMMARY.to_json()
    assert begun.answer_as_json("unknown") == {"request": "unknown", "error": "unknown: too long"}
    assert conversation(text_model(), tmp_path).answer_as_json("Count") == {"request": "Count", "answer": "one"}
