"""plan and chat: one request, or a conversation in the terminal, with the model of a run.

A planner answers each request with a plan, whose steps are shown as they are complete. A model without a catalogue
(fine-tuned on instructions) answers in text, token by token, and is given what was said before as the input of its next
instruction, as far as the context allows. Lines come from standard input, a terminal or a pipe; answers go to standard
output, all else to standard error, a plan of which the planner is not sure among it.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.text import Text

from platypus.catalogue.tools import Catalogue
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
  /history  list what was asked and answered
  /help     this list
  /quit     leave (so does the end of input)"""


def chat(run: Run, *, catalogue: Catalogue | None = None) -> None:
    """Answer line after line until `/quit` or the end of input, with the run's tools or those of another catalogue."""
    planner = open_planner(run, catalogue=catalogue)
    conversation = Conversation(planner, run.recipe.evaluate.max_new_tokens)
    conversation.say(f"{planner.loaded.source} (/help lists the commands)", style="dim")
    for line in _lines():
        if line == "/quit":
            return
        conversation.hear(line)


def plan(run: Run, request: str, *, catalogue: Catalogue | None = None, as_json: bool = False) -> bool:
    """Answer one request with a plan, as `chat` would. Returns whether there is one, and the planner is sure of it.

    Raises RunError when the run has no catalogue.
    """
    if run.catalogue is None:
        raise RunError(
            "the run has no catalogue to plan with", where=str(run.path), remedy=f"Ask it: platypus chat {run.path}"
        )
    planner = open_planner(run, catalogue=catalogue)
    return _answered(planner, request, f"answered by {planner.loaded.source}", recipe=run.recipe, as_json=as_json)


def plan_untrained(request: str, catalogue: Catalogue, recipe: Recipe, *, as_json: bool = False) -> bool:
    """Answer one request with the recipe's base, as it is. Returns whether there is a plan that it is sure of."""
    said = f"answered by the base {recipe.base!r} as it is; fine-tuned for these tools it plans better (platypus all)"
    return _answered(open_untrained(catalogue, recipe), request, said, recipe=recipe, as_json=as_json)


def _answered(planner: Planner, request: str, said: str, *, recipe: Recipe, as_json: bool) -> bool:
    conversation = Conversation(planner, recipe.evaluate.max_new_tokens, as_json)
    conversation.say(said, style="dim")
    answer = conversation.ask(request)
    return isinstance(answer.plan, Plan) and answer.sure


def _lines() -> Iterator[str]:
    """What is typed, until the end of input; empty lines are nothing said."""
    prompt = ""
    if sys.stdin.isatty():
        prompt = "> "
        with suppress(ImportError):  # Windows has none, and its console no need of it
            import readline  # noqa: F401  (gives input() line editing and history)
    with suppress(EOFError):
        while True:
            if line := input(prompt).strip():
                yield line


@dataclass(frozen=True)
class Turn:
    """One request and what the model answered."""

    request: str
    answer: Plan | Malformed | str


@dataclass
class Conversation:
    """What has been said so far, and how plans are shown."""

    planner: Planner
    max_new_tokens: int
    as_json: bool = False
    turns: list[Turn] = field(default_factory=list)
    talk: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, soft_wrap=True))

    def say(self, text: str, *, style: str = "") -> None:
        """Talk to the user, beside the answers."""
        self.talk.print(Text(text, style=style))

    def hear(self, line: str) -> None:
        """Do a command or answer a request. A request that fails leaves the conversation as it was."""
        match line:
            case "/help":
                self.say(HELP)
            case "/json":
                self._switch_notation()
            case "/history":
                for turn in self.turns:
                    self.say(f"> {turn.request}\n{self._text(turn.answer)}")
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
            said = self.ask(request)
            self.turns.append(Turn(request, said.plan if said.sure else f"not sure: {self._text(said.plan)}"))

    def ask(self, request: str) -> Answer:
        """Show the plan of a request, step by step as far as it is sure to stand, and what is to be said of it."""
        by_step = not self.as_json and not self.planner.settings.min_confidence
        shown = 0
        with self.talk.status("planning …") as status:
            for said in self.planner.watch(request, max_new_tokens=self.max_new_tokens):
                if isinstance(said, Answer):
                    break
                if by_step:
                    status.stop()  # it would take what is printed to its own stream
                    print("\n".join(readable(said).split("\n")[shown:]), flush=True)
                    shown = len(said)
        assert isinstance(said, Answer)  # the last thing that a planner says
        if not said.sure:
            self.say(f"not sure: {_doubt(said, self.planner.settings.min_confidence)}; it might be", style="yellow")
            self.say(self._text(said.plan))
        elif isinstance(said.plan, Malformed) or not shown:
            self._show(said.plan)
        else:
            print("".join(f"{line}\n" for line in readable(said.plan).split("\n")[shown:]), end="", flush=True)
        for note, style in self._notes(said):
            self.say(note, style=style)
        return said

    def _notes(self, answer: Answer) -> Iterator[tuple[str, str]]:
        """What is to be said beside an answer, and how it looks."""
        if answer.ended_by == "length" and isinstance(answer.plan, Plan):
            yield f"cut after {self.max_new_tokens} tokens: valid, but not all that was to be said", "yellow"
        elif answer.ended_by == "time":
            yield f"cut after {self.planner.settings.seconds:g} s: valid, but not all that was to be said", "yellow"
        elif answer.sure and answer.confidence is not None:
            known = self.planner.calibration.rows
            yield (
                f"confidence {answer.confidence:.0%}" + ("" if known else " (`platypus evaluate` calibrates it)"),
                "dim",
            )

    def _stream(self, request: str) -> str:
        from platypus.model.completion import stream  # torch

        pieces: list[str] = []
        begun, limit = time.monotonic(), self.planner.settings.seconds
        for piece in stream(self.planner.loaded, self._prompt_ids(request), max_new_tokens=self.max_new_tokens):
            print(piece, end="", flush=True)
            pieces.append(piece)
            if limit is not None and time.monotonic() - begun > limit:
                self.say(f"\ncut after {limit:g} s", style="yellow")
                break
        print(flush=True)
        return "".join(pieces).strip()

    def _prompt_ids(self, request: str) -> list[int]:
        """The prompt with as many of the last turns as leave room for an answer."""
        prompt = self.planner.prompt
        context = min(prompt.cutoff, self.planner.loaded.context)
        roomy = replace(prompt, cutoff=context - self.max_new_tokens)
        for start in range(len(self.turns)):
            with suppress(PromptError):
                return roomy.row_ids(_instruction(self.turns[start:], request))
        return prompt.ids(request)

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
    """The request as an instruction whose input, Alpaca's place for further context, is the conversation so far."""
    said = "\n".join(f"Request: {turn.request}\nAnswer: {turn.answer}" for turn in turns)
    return Instruction(instruction=request, input=said, output="", origin={})


def _doubt(answer: Answer, least: float) -> str:
    if not answer.finished:
        return "the plan was cut by a limit"
    return f"the confidence is {answer.confidence:.0%}, and {least:.0%} are wanted"
