"""The chat: readable plans and JSON, its commands, streamed text with the conversation so far, input from a pipe."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.commands.chat import Conversation, chat
from platypus.errors import PromptError
from platypus.inference.calibration import Calibration
from platypus.inference.planner import Answer
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan, Reference, Step, parse_plan
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.settings import DecodeSettings
from tests.support.command import CRM, apart, write_recipe
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

SUMMARY = Plan((Step("search", {"customer": "CustomerABC"}), Step("summarize", {"objects": Reference(0)})))
REFUSAL = Plan()

Capture = pytest.CaptureFixture[str]


@dataclass
class Loaded:
    source: str = "a model"
    context: int = 2048


@dataclass
class Scripted:
    """A planner with scripted answers."""

    says: dict[str, str]
    prompt: Prompt = field(
        default_factory=lambda: Prompt(tokenizer=byte_bpe_tokenizer(), catalogue=read_catalogue(CRM), notation="json")
    )
    loaded: Loaded = field(default_factory=Loaded)

    settings: DecodeSettings = field(default_factory=DecodeSettings)
    calibration: Calibration = field(default_factory=Calibration)
    ended_by: Any = "model"
    confidence: float | None = None

    def watch(self, request: str, **_: object) -> Iterator[Plan | Answer]:
        if request not in self.says:
            raise PromptError("too long", where=request)
        text = self.says[request]
        plan = parse_plan(text, self.prompt.catalogue)
        if isinstance(plan, Plan):
            yield from (Plan(plan.steps[:count]) for count in range(1, len(plan)))
        sure = self.confidence is None or self.confidence >= self.settings.min_confidence
        yield Answer(request, plan, text, 9, 3, self.ended_by, self.confidence, self.confidence, sure)


def talk(planner: Any, *lines: str) -> Conversation:
    conversation = Conversation(planner, max_new_tokens=100)
    for line in lines:
        conversation.hear(line)
    return conversation


# ---------------------------------------------------------------- a planner


def test_plans_go_to_standard_output_and_messages_do_not(capsys: Capture) -> None:
    talk(Scripted({"Sum up": str(SUMMARY)}), "/help", "Sum up", "/history", "/fly")
    captured = capsys.readouterr()
    assert captured.out == readable(SUMMARY) + "\n"
    assert "/quit" in captured.err
    assert f"> Sum up\n{readable(SUMMARY)}\n" in captured.err
    assert "no command /fly" in captured.err


def test_json_shows_the_last_plan_again_and_stays_until_switched_back(capsys: Capture) -> None:
    planner = Scripted({"Sum up": str(SUMMARY), "Fly": "[]"})
    talk(planner, "Sum up", "/json", "Fly", "/json")
    out = capsys.readouterr().out
    assert out == f"{readable(SUMMARY)}\n{SUMMARY}\n[]\n{readable(REFUSAL)}\n"


def test_a_malformed_answer_is_shown_with_every_problem(capsys: Capture) -> None:
    text = '[{"tool_name": "fly", "arguments": []}, {"tool_name": "swim", "arguments": []}]'
    conversation = talk(Scripted({"Go": text}), "Go", "/json")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert "no tool is named 'fly'" in captured.err
    assert "no tool is named 'swim'" in captured.err
    assert isinstance(conversation.turns[0].answer, Malformed)


def test_after_a_request_that_fails_the_conversation_goes_on(capsys: Capture) -> None:
    conversation = talk(Scripted({"Fly": "[]"}), "much too long", "Fly")
    captured = capsys.readouterr()
    assert "much too long: too long" in captured.err
    assert captured.out == readable(REFUSAL) + "\n"
    assert [turn.request for turn in conversation.turns] == ["Fly"]


def test_an_interruption_stops_only_the_answer(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Scripted({"Fly": "[]"})

    def interrupted(request: str, **_: object) -> Iterator[Answer]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(planner, "watch", interrupted)
        conversation = talk(planner, "Fly")
    conversation.hear("Fly")
    assert capsys.readouterr().out == readable(REFUSAL) + "\n"
    assert len(conversation.turns) == 1


def test_steps_are_shown_when_complete_but_not_before_the_planner_is_sure(capsys: Capture) -> None:
    planner = Scripted({"Sum up": str(SUMMARY)})
    printed: list[str] = []
    scripted_watch = planner.watch

    def watch(request: str, **_: object) -> Iterator[Plan | Answer]:
        for update in scripted_watch(request):
            yield update
            printed.append(capsys.readouterr().out)

    planner.watch = watch  # type: ignore[method-assign]
    first, second = readable(SUMMARY).splitlines(keepends=True)
    conversation = talk(planner, "Sum up")
    assert [*printed, capsys.readouterr().out] == [first, f"{second}\n"]
    for wary in (True, False):
        printed.clear()
        conversation.as_json, planner.settings = not wary, DecodeSettings(min_confidence=0.5 if wary else 0)
        conversation.hear("Sum up")
        assert printed == [""]
        assert capsys.readouterr().out == (f"{readable(SUMMARY)}\n" if wary else f"{SUMMARY}\n")


def test_a_plan_that_the_planner_is_not_sure_of_is_not_printed_as_an_answer(capsys: Capture) -> None:
    planner = Scripted({"Sum up": str(SUMMARY)}, settings=DecodeSettings(min_confidence=0.5), confidence=0.314)
    conversation = talk(planner, "Sum up", "/json", "/history")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not sure: the confidence is 31%, and at least 50% is required; it might be\n1. search(" in captured.err
    assert "> Sum up\nnot sure: 1. search(" in captured.err
    assert conversation.ask("Sum up").sure is False


def test_limits_and_confidence_are_reported_with_the_plan(capsys: Capture) -> None:
    texts = {"Sum up": str(SUMMARY)}
    talk(Scripted(texts, confidence=0.876), "Sum up")
    assert "confidence 88% (`platypus evaluate` calibrates it)\n" in capsys.readouterr().err
    talk(Scripted(texts, confidence=0.876, calibration=Calibration(1, 0, 40)), "Sum up")
    assert "confidence 88%\n" in capsys.readouterr().err
    talk(Scripted(texts, confidence=0.0, ended_by="length"), "Sum up")
    assert "cut after 100 tokens: a valid plan, but perhaps not a complete one" in capsys.readouterr().err
    talk(Scripted(texts, confidence=0.0, ended_by="time", settings=DecodeSettings(seconds=1.5)), "Sum up")
    captured = capsys.readouterr()
    assert "cut after 1.5 s: a valid plan" in captured.err and captured.out == readable(SUMMARY) + "\n"
    unsure = DecodeSettings(min_confidence=0.1)
    talk(Scripted(texts, confidence=0.0, ended_by="length", settings=unsure), "Sum up")
    assert "not sure: the plan was cut by a limit" in capsys.readouterr().err


def test_typed_lines_are_answered_until_quit(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = iter(["  ", " Sum up ", "/quit", "Fly"])
    monkeypatch.setattr("builtins.input", lambda _: next(lines))
    monkeypatch.setattr(
        "platypus.commands.chat.open_planner", lambda _, catalogue: Scripted({"Sum up": str(SUMMARY), "Fly": "[]"})
    )
    chat(Run.open(tmp_path / "run", recipe=write_recipe(tmp_path)))
    assert capsys.readouterr().out == readable(SUMMARY) + "\n"
    assert next(lines) == "Fly"


# ---------------------------------------------------------------- a text model


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prompts of a text model that answers "one", "two", … in two pieces."""
    tokenizer = byte_bpe_tokenizer()
    prompt_texts: list[str] = []

    def stream(_: object, prompt: list[int], *, max_new_tokens: int) -> Iterator[str]:
        prompt_texts.append(tokenizer.decode(prompt, skip_special_tokens=True))
        answer = ("one", "two", "three", "four")[len(prompt_texts) - 1]
        yield answer[:1]
        yield answer[1:]

    monkeypatch.setattr("platypus.model.completion.stream", stream)
    return prompt_texts


def text_model(cutoff: int = 4096) -> Scripted:
    return Scripted({}, prompt=Prompt(tokenizer=byte_bpe_tokenizer(), catalogue=None, cutoff=cutoff))


def test_text_is_streamed_and_the_conversation_goes_into_the_next_prompt(capsys: Capture, prompts: list[str]) -> None:
    planner = text_model()
    talk(planner, "Count", "Go on", "And on")
    assert capsys.readouterr().out == "one\ntwo\nthree\n"
    assert prompts[0] == planner.prompt.text("Count")
    assert "### Instruction:\nGo on\n\n### Input:\nRequest: Count\nAnswer: one\n\n### Response:\n" in prompts[1]
    assert "Request: Count\nAnswer: one\nRequest: Go on\nAnswer: two\n\n" in prompts[2]


def test_the_oldest_turns_are_left_out_if_the_context_is_full(capsys: Capture, prompts: list[str]) -> None:
    free = len(text_model().prompt.ids("x")) + 100  # room for an answer of 100 tokens, and little more
    planner = text_model(cutoff=free + 200)
    talk(planner, "a" * 60, "b" * 60, "c" * 10, "d" * 10)
    assert "Request: aaa" in prompts[1]
    assert "Request: aaa" not in prompts[3]
    assert "Request: ccc" in prompts[3]
    assert len(planner.prompt.tokenizer.encode(prompts[3], add_special_tokens=True)) <= free + 200 - 100


def test_a_first_request_may_use_the_room_of_its_answer_but_not_more(capsys: Capture, prompts: list[str]) -> None:
    planner = text_model(cutoff=len(text_model().prompt.ids("x")) + 5)
    conversation = talk(planner, "x", "much longer than that, in a way that no context holds")
    captured = capsys.readouterr()
    assert captured.out == "one\n"
    assert "leaves no room for an answer" in captured.err
    assert len(conversation.turns) == 1


def test_a_text_that_takes_too_long_is_cut(capsys: Capture, prompts: list[str]) -> None:
    planner = text_model()
    planner.settings = DecodeSettings(seconds=1e-9)
    talk(planner, "Count")
    captured = capsys.readouterr()
    assert captured.out == "o\n" and "cut after 1e-09 s" in captured.err


# ---------------------------------------------------------------- a real model, through a pipe


def test_input_may_come_from_a_pipe_and_its_end_quits(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    recipe = write_recipe(tmp_path, base=base, catalogue=None, tables="[evaluate]\nmax_new_tokens = 5\n")
    run = Run.open(tmp_path / "run", recipe=recipe)
    ran = apart("chat", run.path, typed="Sum up CustomerABC\n/history\n")
    assert ran.code == 0, ran.err
    answer = ran.out.strip()
    assert answer
    assert f"> Sum up CustomerABC\n{answer}\n" in ran.err
