"""Conversation: the turns so far, answered by a planner or by a model that answers in text; each change can be undone.

A planner answers each request by itself: its plans know nothing of earlier turns. What a person corrected is kept with
the run (`platypus.run.corrections`).
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.chat.asking import Screen, ask, record
from platypus.chat.lines import Lines, PlainLines
from platypus.chat.showing import malformed_text
from platypus.chat.texts import Said, TextOptions, streamed, text_prompt
from platypus.errors import PlatypusError, RunError
from platypus.inference.planner import Answer, Planner
from platypus.plan.plan import Malformed, Plan
from platypus.run.corrections import Corrections


@dataclass(frozen=True)
class Turn:
    """One request and its answer as it is now; `given` is what the planner answered, `kept` the id of a correction.

    `tools` are those of the plan; None if the answer is text.
    """

    request: str
    answer: Plan | Malformed | str
    given: Answer | None = None
    kept: str = ""
    tools: Catalogue | None = None

    @property
    def doubtful(self) -> bool:
        """Whether the planner was not sure of this plan, and nobody has said that it is right."""
        return self.given is not None and not self.given.sure and self.answer is self.given.plan


@dataclass(frozen=True)
class State:
    """What a conversation has come to, and what can be undone."""

    planner: Planner
    turns: tuple[Turn, ...] = ()
    system: str = ""
    options: TextOptions = field(default_factory=TextOptions)


class Conversation:
    """A conversation with a planner or, without a catalogue, with a model that answers in text."""

    def __init__(
        self,
        planner: Planner,
        max_new_tokens: int,
        corrections: Corrections,
        *,
        options: TextOptions | None = None,
        screen: Screen | None = None,
    ) -> None:
        self.original, self.max_new_tokens, self.corrections = planner, max_new_tokens, corrections
        self.screen = screen or Screen()
        self.lines: Lines = PlainLines()  # until `chat` has those that know the conversation
        self.state = State(planner, options=options or TextOptions())
        self.offered: tuple[Answer, ...] = ()
        self._told_full = False
        self._past: list[tuple[str, State]] = []
        self._replaced: dict[str, dict[str, Any] | None] = {}  # correction → the row whose place it took

    @property
    def tools(self) -> Catalogue | None:
        """The tools that plans may use now; None if the model answers in text."""
        return self.state.planner.prompt.catalogue

    @property
    def last(self) -> Turn:
        """The last turn. Raises RunError if there is none."""
        if not self.state.turns:
            raise RunError("nothing has been asked yet", remedy="Type a request first.")
        return self.state.turns[-1]

    @property
    def last_plan(self) -> Plan:
        """The plan of the last turn. Raises RunError if that has none."""
        answer = self.last.answer
        if not isinstance(answer, Plan):
            raise RunError("the last answer is no plan")
        return answer

    def answer(self, request: str) -> None:
        """Answer a request. One that fails leaves the conversation as it was."""
        if self.tools is None:
            turn = Turn(request, self._stream(request))
        else:
            answer = ask(self.state.planner, request, self.screen, max_new_tokens=self.max_new_tokens)
            turn = Turn(request, answer.plan, answer, tools=self.tools)
        self.change(f"the request {request!r}", turns=(*self.state.turns, turn))

    def answer_as_json(self, request: str) -> dict[str, Any]:
        """Answer a request with a JSON object, which has an `error` if it fails."""
        try:
            if self.tools is None:
                turn = Turn(request, "".join(self._pieces(request)).strip())
                self.change("", turns=(*self.state.turns, turn))
                return {"request": request, "answer": turn.answer}
            *_, answer = self.state.planner.watch(request, max_new_tokens=self.max_new_tokens)
            assert isinstance(answer, Answer)  # a planner yields the answer last
            return record(request, answer)
        except PlatypusError as error:
            return {"request": request, "error": str(error)}

    def prompt_ids(self, request: str) -> list[int]:
        """The prompt of a request to a model that answers in text, with the turns so far, or the latest."""
        planner, said = self.state.planner, [Said(turn.request, str(turn.answer)) for turn in self.state.turns]
        known = (planner.prompt, planner.loaded.context, said, request)
        ids, left_out = text_prompt(*known, system=self.state.system, room=self.max_new_tokens)
        if left_out and not self._told_full:
            self._told_full = True
            self.screen.say("the context is full: the oldest turns are left out from now on", style="dim")
        return ids

    def _pieces(self, request: str) -> Any:
        planner, options, draw = self.state.planner, self.state.options, len(self.state.turns)
        known = (planner.loaded, planner.prompt, self.prompt_ids(request), options)
        started, limit = time.monotonic(), planner.settings.seconds
        for piece in streamed(*known, max_new_tokens=self.max_new_tokens, draw=draw):
            yield piece
            if limit is not None and time.monotonic() - started > limit:
                self.screen.say(f"\ncut after {limit:g} s", style="yellow")
                return

    def _stream(self, request: str) -> str:
        pieces: list[str] = []
        try:
            for piece in self._pieces(request):
                print(piece, end="", flush=True)
                pieces.append(piece)
        finally:
            if pieces:
                print(flush=True)
        return "".join(pieces).strip()

    # ------------------------------------------------------------ changes

    def change(self, label: str, **fields: Any) -> None:
        """Change the state, so that `undo` can take it back."""
        self._past.append((label, self.state))
        self.state, self.offered = replace(self.state, **fields), ()

    def change_last(self, label: str, turn: Turn) -> None:
        """Put a turn in the place of the last one."""
        self.change(label, turns=(*self.state.turns[:-1], turn))

    def use_tools(self, label: str, tools: Catalogue) -> None:
        """Plan with these tools from now on."""
        same = tools == self.original.prompt.catalogue
        self.change(label, planner=self.original if same else self.original.with_tools(tools))

    def keep(self, plan: Plan) -> None:
        """Keep a plan as the right one for the last request.

        Raises RunError if it is not valid for the tools of now, DatasetError if it cannot be written.
        """
        self.change_last(f"the correction of {self.last.request!r}", self._kept(self.last, plan))

    def _kept(self, turn: Turn, plan: Plan) -> Turn:
        tools = self.tools
        assert tools is not None  # otherwise there are no plans
        if problems := plan.problems(tools):
            what = f"the plan is not valid for the tools of now: {'; '.join(map(str, problems))}"
            raise RunError(what, remedy="/correct it, or /undo the change of tools.")
        request = self.state.planner.dated(turn.request)
        before = self.corrections.of_request(request, tools)
        answered = turn.given.plan if turn.given and isinstance(turn.given.plan, Plan) else None
        source = self.state.planner.loaded.source
        id = self.corrections.add(request, plan, tools, answered=answered, model=source)
        self._replaced[id] = before
        return replace(turn, answer=plan, kept=id, tools=tools)

    def undo(self) -> str:
        """Take the last change back, also from the corrections that are kept; what it was, in words.

        Raises RunError if there is none.
        """
        if not self._past:
            raise RunError("there is nothing to undo")
        label, before = self._past.pop()
        kept = {turn.kept for turn in before.turns}
        gone = [turn for turn in self.state.turns if turn.kept and turn.kept not in kept]
        self.state, self.offered = before, ()
        for turn in gone:
            self.corrections.remove(turn.kept, back=self._replaced.pop(turn.kept))
        return label

    def text(self, turn: Turn) -> str:
        """The answer of a turn as text."""
        match turn.answer:
            case Plan():
                text = "\n".join(line.plain for line in self.screen.lines(turn.answer))
            case Malformed():
                text = malformed_text(turn.answer)
            case _:
                text = turn.answer
        return f"not sure: {text}" if turn.doubtful else text
