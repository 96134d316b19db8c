"""plan and chat: one request, or a conversation in the terminal, with the model of a run.

A planner answers each request with a plan, whose steps are shown as soon as they are complete. A model without a
catalogue (fine-tuned on instructions) answers in text, token by token. It gets the conversation so far, as far as the
context allows: as turns if it was trained through its base's chat template, otherwise as the input of its next
instruction. Requests are read from standard input, a terminal or a pipe. Answers go to standard output; everything else
goes to standard error, including a plan that the planner is not sure of.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.text import Text

from platypus.catalogue.tools import Catalogue
from platypus.data.conversation import Message
from platypus.data.dataset import Instruction
from platypus.errors import PlatypusError, PromptError, RunError
from platypus.inference.opening import open_planner, open_untrained
from platypus.inference.planner import Answer, Planner
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan
from platypus.run.folder import Run
from platypus.run.recipe import Recipe

HELP = """\
Type a request and press Enter.
  /json     show plans as JSON, or readable again; the last plan is shown once more
  /history  list requests and answers
  /system   set the system message of a model with a chat template: /system Answer briefly.
  /help     this list
  /quit     leave (so does the end of input)"""


def chat(run: Run, *, catalogue: Catalogue | None = None) -> None:
    """Answer each line until `/quit` or the end of input, with the run's tools or those of `catalogue`."""
    planner = open_planner(run, catalogue=catalogue)
    conversation = Conversation(planner, run.recipe.evaluate.max_new_tokens)
    conversation.say(f"{planner.loaded.source} (/help lists the commands)", style="dim")
    for line in _lines():
        if line == "/quit":
            return
        conversation.hear(line)


def plan(run: Run, request: str, *, catalogue: Catalogue | None = None, as_json: bool = False) -> bool:
    """Answer one request with a plan, as `chat` does. Returns whether there is a plan that the planner is sure of.

    Raises RunError when neither the run has a catalogue nor another is given.
    """
    if run.catalogue is None and catalogue is None:
        raise RunError(
            "the run has no catalogue to plan with",
            where=str(run.path),
            remedy=f"Give one: --catalogue FILE; or ask it for text: platypus chat {run.path}",
        )
    planner = open_planner(run, catalogue=catalogue)
    return _ask_once(planner, request, f"answered by {planner.loaded.source}", recipe=run.recipe, as_json=as_json)


def plan_untrained(request: str, catalogue: Catalogue, recipe: Recipe, *, as_json: bool = False) -> bool:
    """Answer one request with the recipe's base, not fine-tuned. Returns whether there is a plan that it is sure of."""
    source_note = (
        f"answered by the base {recipe.base!r} as it is; fine-tuned for these tools it plans better (platypus all)"
    )
    return _ask_once(open_untrained(catalogue, recipe), request, source_note, recipe=recipe, as_json=as_json)


def _ask_once(planner: Planner, request: str, source_note: str, *, recipe: Recipe, as_json: bool) -> bool:
    conversation = Conversation(planner, recipe.evaluate.max_new_tokens, as_json)
    conversation.say(source_note, style="dim")
    answer = conversation.ask(request)
    return isinstance(answer.plan, Plan) and answer.sure


def _lines() -> Iterator[str]:
    """The lines that are typed, until the end of input, without empty ones."""
    prompt = ""
    if sys.stdin.isatty():
        prompt = "> "
        with suppress(ImportError):  # Windows has no readline, and its console needs none
            import readline  # noqa: F401  (gives input() line editing and history)
    with suppress(EOFError):
        while True:
            if line := input(prompt).strip():
                yield line


@dataclass(frozen=True)
class Turn:
    """One request and the model's answer."""

    request: str
    answer: Plan | Malformed | str


@dataclass
class Conversation:
    """The turns so far, and how plans are shown."""

    planner: Planner
    max_new_tokens: int
    as_json: bool = False
    turns: list[Turn] = field(default_factory=list)
    system: str = ""
    talk: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True))

    def say(self, text: str, *, style: str = "") -> None:
        """Print a message to standard error."""
        self.talk.print(Text(text, style=style))

    def hear(self, line: str) -> None:
        """Carry out a command or answer a request. A request that fails leaves the conversation unchanged."""
        match line:
            case "/help":
                self.say(HELP)
            case "/json":
                self._switch_notation()
            case "/history":
                for turn in self.turns:
                    self.say(f"> {turn.request}\n{self._text(turn.answer)}")
            case _ if line == "/system" or line.startswith("/system "):
                self._set_system(line.removeprefix("/system").strip())
            case _ if line.startswith("/"):
                self.say(f"no command {line} (/help lists them)", style="red")
            case _:
                try:
                    self._answer(line)
                except KeyboardInterrupt:
                    self.say("\nstopped (/quit leaves)", style="yellow")
                except PlatypusError as error:
                    self.say(str(error), style="red")

    def _answer(self, request: str) -> None:
        if self.planner.prompt.catalogue is None:
            self.turns.append(Turn(request, self._stream(request)))
        else:
            answer = self.ask(request)
            self.turns.append(Turn(request, answer.plan if answer.sure else f"not sure: {self._text(answer.plan)}"))

    def ask(self, request: str) -> Answer:
        """Answer a request and print its plan and notes; step by step, unless the whole plan may still be withheld."""
        by_step = not self.as_json and not self.planner.settings.min_confidence
        shown = 0
        with self.talk.status("planning …") as status:
            for update in self.planner.watch(request, max_new_tokens=self.max_new_tokens):
                if isinstance(update, Answer):
                    break
                if by_step:
                    status.stop()  # a running status would redirect what is printed
                    print("\n".join(readable(update).split("\n")[shown:]), flush=True)
                    shown = len(update)
        assert isinstance(update, Answer)  # a planner yields the answer last
        if not update.sure:
            self.say(
                f"not sure: {_reason_for_doubt(update, self.planner.settings.min_confidence)}; it might be",
                style="yellow",
            )
            self.say(self._text(update.plan))
        elif isinstance(update.plan, Malformed) or not shown:
            self._show(update.plan)
        else:
            print("".join(f"{line}\n" for line in readable(update.plan).split("\n")[shown:]), end="", flush=True)
        for note, style in self._notes(update):
            self.say(note, style=style)
        return update

    def _notes(self, answer: Answer) -> Iterator[tuple[str, str]]:
        """Notes on an answer, each with its style."""
        if answer.ended_by == "length" and isinstance(answer.plan, Plan):
            yield f"cut after {self.max_new_tokens} tokens: a valid plan, but perhaps not a complete one", "yellow"
        elif answer.ended_by == "time":
            yield (
                f"cut after {self.planner.settings.seconds:g} s: a valid plan, but perhaps not a complete one",
                "yellow",
            )
        elif answer.sure and answer.confidence is not None:
            known = self.planner.calibration.rows
            yield (
                f"confidence {answer.confidence:.0%}" + ("" if known else " (`platypus evaluate` calibrates it)"),
                "dim",
            )

    def _stream(self, request: str) -> str:
        from platypus.model.completion import stream  # torch

        pieces: list[str] = []
        started, limit = time.monotonic(), self.planner.settings.seconds
        streamed = stream(self.planner.loaded, self._prompt_ids(request), max_new_tokens=self.max_new_tokens)
        for piece in _without_lead(streamed, self.planner.prompt.lead):
            print(piece, end="", flush=True)
            pieces.append(piece)
            if limit is not None and time.monotonic() - started > limit:
                self.say(f"\ncut after {limit:g} s", style="yellow")
                break
        print(flush=True)
        return "".join(pieces).strip()

    def _prompt_ids(self, request: str) -> list[int]:
        """The prompt with as many of the latest turns as leave room for an answer."""
        prompt = self.planner.prompt
        context = min(prompt.cutoff, self.planner.loaded.context)
        roomy = replace(prompt, cutoff=context - self.max_new_tokens)
        for start in range(len(self.turns)):
            with suppress(PromptError):
                if prompt.template == "chat":
                    return roomy.message_ids(self._messages(self.turns[start:], request))
                return roomy.row_ids(_instruction(self.turns[start:], request))
        return prompt.message_ids(self._messages((), request)) if prompt.template == "chat" else prompt.ids(request)

    def _messages(self, turns: Sequence[Turn], request: str) -> list[Message]:
        """The request as the last of these turns, after the system message, if there is one."""
        said = [
            message
            for turn in turns
            for message in (Message("user", turn.request), Message("assistant", str(turn.answer)))
        ]
        system = [Message("system", self.system)] if self.system else []
        return [*system, *said, Message("user", request)]

    def _set_system(self, text: str) -> None:
        if self.planner.prompt.template != "chat" or self.planner.prompt.catalogue is not None:
            self.say('a system message needs a model that was trained with template = "chat"', style="red")
        else:
            self.system = text
            self.say(f"the system message is now {text!r}" if text else "there is no system message now", style="dim")

    def _switch_notation(self) -> None:
        self.as_json = not self.as_json
        plans = [turn.answer for turn in self.turns if isinstance(turn.answer, Plan)]
        if plans:
            self._show(plans[-1])
        else:
            self.say(f"plans will be shown {'as JSON' if self.as_json else 'readable'}", style="dim")

    def _show(self, answer: Plan | Malformed) -> None:
        if isinstance(answer, Plan):
            print(self._text(answer), flush=True)
        else:
            self.say(self._text(answer), style="yellow")

    def _text(self, answer: Plan | Malformed | str) -> str:
        match answer:
            case Plan():
                return str(answer) if self.as_json else readable(answer)
            case Malformed():
                return "\n  ".join([f"not a valid plan: {answer.text}", *map(str, answer.problems)])
            case _:
                return answer


def _instruction(turns: Sequence[Turn], request: str) -> Instruction:
    """The request as an instruction, with the conversation so far as its input (Alpaca's field for context)."""
    conversation = "\n".join(f"Request: {turn.request}\nAnswer: {turn.answer}" for turn in turns)
    return Instruction(instruction=request, input=conversation, output="", origin={})


def _without_lead(pieces: Iterable[str], lead: str) -> Iterator[str]:
    """The pieces of an answer without the text that its chat template puts before each answer."""
    start: str | None = ""
    for piece in pieces:
        if start is None:
            yield piece
            continue
        start += piece
        if not lead.startswith(start):
            yield start.removeprefix(lead)
            start = None
    if start:
        yield start.removeprefix(lead)


def _reason_for_doubt(answer: Answer, least: float) -> str:
    if not answer.finished:
        return "the plan was cut by a limit"
    return f"the confidence is {answer.confidence:.0%}, and at least {least:.0%} is required"
