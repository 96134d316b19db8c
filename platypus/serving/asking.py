"""Asking: a question of any endpoint → calls, or a text, by a planner of this process.

A question over no more than the planner's own tools costs only the tokens of its request. With `count` above 1, the
answers are the likeliest plans, or with a temperature, samples. How questions and answers look on the wire is not known
here.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from platypus.catalogue.tools import Catalogue
from platypus.decoding.results import DecodingLimits, DecodingProgress
from platypus.errors import PlatypusError
from platypus.inference.planner import Answer, Planner
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan
from platypus.serving.batching import Begun, Engine
from platypus.serving.calls import Call, Calls, Earlier, References
from platypus.serving.errors import ApiError, invalid, refused
from platypus.serving.planners import Planners, Ready, Served, Variant

NO_PLAN = "No plan: these tools cannot answer that."
Finish = Literal["tool_calls", "stop", "length"]


@dataclass(frozen=True)
class Question:
    """What a client wants to know.

    `tools` are those that it sent (None: the planner's own), `allowed` the ones that may be called (None: all). With
    `required` the plan is not empty; with `described` it is told, not called; with `one` only the next call is given.
    `written` wants the arguments of the one tool as JSON text. `form` is a tool to be written like that once no call is
    left to run. Where `references` is None, the server's setting holds. `tokens` limits the plan.
    """

    request: str
    tools: Catalogue | None = None
    allowed: tuple[str, ...] | None = None
    required: bool = False
    described: bool = False
    one: bool = False
    written: bool = False
    form: Catalogue | None = None
    references: References | None = None
    earlier: tuple[Earlier, ...] = ()
    count: int = 1
    temperature: float = 0.0
    seed: int = 0
    tokens: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def variant(self) -> Variant:
        """What it asks of its catalogue."""
        return Variant(self.allowed, not self.required, 1 if self.written else None)

    def at_first(self) -> "Question":
        """Itself, or the question for the form alone, if it sends no tools and needs no calls."""
        needless = self.described or (self.tools is None and not self.required)
        return self.filling_in() if self.form and needless else self

    def filling_in(self) -> "Question":
        """The question for the form alone, from the request and the results that are there."""
        results = [f"{call.tool}: {call.result}" for call in self.earlier]
        form = Question("\n".join([self.request, *results]), self.form, required=True, written=True)
        drawn = replace(form, count=self.count, temperature=self.temperature, seed=self.seed)
        return replace(drawn, tokens=self.tokens, notes=self.notes)


@dataclass(frozen=True)
class Started:
    """The decoding of a question has begun: it was accepted, and can be answered."""


@dataclass(frozen=True)
class Choice:
    """One answer: the calls to run now, or a text if there are none; what ended it; and what it cost in tokens.

    `logs` has each token of the plan as the model wrote it, with its log-probability.
    """

    answer: Answer
    calls: tuple[Call, ...]
    text: str
    finish: Finish
    prompt_tokens: int
    cached_tokens: int
    logs: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def plan(self) -> Plan:
        """The whole plan. The grammar gives no others."""
        assert isinstance(self.answer.plan, Plan)
        return self.answer.plan

    def to_json(self) -> dict[str, Any]:
        """What this server adds to an answer: the whole plan, its probability, and notes.

        Its confidence is null where none was calibrated: a probability does not tell how many such plans are right.
        """
        answer = self.answer
        confidence = answer.confidence if self.calibrated else None
        known = {"probability": answer.probability, "confidence": confidence, "sure": answer.sure}
        return {"plan": self.plan.to_json(), **known, "ended_by": answer.ended_by, "notes": list(self.notes)}


class Asking:
    """Puts questions to the planners, on the engine's thread."""

    def __init__(self, planners: Planners, engine: Engine) -> None:
        self.planners, self.engine = planners, engine

    async def choices(self, served: Served, question: Question) -> list[Choice]:
        """The answers, best first: `count` of them, or fewer if there are no more plans."""
        if question.count == 1 or question.temperature:
            draws = [asyncio.create_task(self._sample(served, question, draw)) for draw in range(question.count)]
            try:
                return [*await asyncio.gather(*draws)]
            finally:  # without one of them, nobody waits for the others
                for draw in draws:
                    draw.cancel()
        deadline = self._accepted(question.request)
        return await self._compute(lambda: self._best(served, question, deadline), deadline)  # type: ignore[no-any-return]

    async def _sample(self, served: Served, question: Question, draw: int) -> Choice:
        updates = self.stream(served, question, draw, watched=False)
        return [choice async for choice in updates if isinstance(choice, Choice)][-1]

    async def stream(
        self, served: Served, question: Question, draw: int = 0, *, watched: bool = True
    ) -> AsyncGenerator[Started | Call | Choice]:
        """First that it began, then the calls as their steps are complete, and at last the answer.

        Without `watched` the calls come at the end. Where no call is left and there is a form, the answer is the form.
        Closing it ends the decoding.
        """
        deadline = self._accepted(question.request)
        async with aclosing(self._updates(served, question, draw, deadline, watched)) as updates:
            async for update in updates:
                if isinstance(update, Choice) and question.form and update.answer.sure and not update.calls:
                    break
                yield update
            else:
                return
        last = question.filling_in()
        self._accepted(last.request)
        async with aclosing(self._updates(served, last, draw, deadline, watched)) as updates:
            async for update in updates:
                if isinstance(update, Choice):
                    yield update

    async def _updates(
        self, served: Served, question: Question, draw: int, deadline: float, watched: bool
    ) -> AsyncGenerator[Started | Call | Choice]:
        found: list[tuple[Ready, int]] = []
        calls: Calls | None = None
        given: list[Call] = []
        seen = 0
        updates = self.engine.updates(
            lambda: self._begin(served, question, draw, found), deadline=deadline, watched=watched
        )
        try:
            async for update in updates:
                planner = found[0][0].planner
                if calls is None:
                    calls, reading = self._calls(planner, question), planner.reading(question.request)
                    yield Started()
                if isinstance(update, DecodingProgress):
                    if not self._at_once(planner, question):
                        continue
                    steps = planner.begun(reading, update.text).steps
                else:
                    answer = planner.finish(question.request, update)
                    steps = answer.plan.steps if isinstance(answer.plan, Plan) and _is_called(answer, question) else ()
                for step in steps[seen:]:
                    if (call := calls.take(step)) is not None:
                        given.append(call)
                        yield call
                seen = max(seen, len(steps))
            assert calls is not None  # the last update came, or an error was raised
            ready, length = found[0]
            yield _choice(ready, question, answer, calls, given, length)
        except PlatypusError as error:
            raise refused(error) from error
        finally:
            await updates.aclose()

    def _begin(self, served: Served, question: Question, draw: int, found: list[tuple[Ready, int]]) -> Begun:
        """On the engine's thread: find or make the decoder, which is noted with the prompt's length when it begins."""
        ready = self.planners.ready(served, question.tools, question.variant, question.request)
        planner, decoder = ready.planner, ready.decoder
        assert decoder is not None  # `ready` makes one for each request

        def decoding(seconds: float, number: int) -> Any:
            limits = self._limits(question, seconds)
            begun = planner.begin(question.request, limits, decoder=decoder, index=number, draw=draw)
            found.append((ready, begun.prompt_tokens))
            return begun

        return Begun(decoder, decoding, served.activate)

    async def probability(self, served: Served, tools: Catalogue | None, request: str, plan: Plan) -> float:
        """The probability of a plan as the answer to a request that is shown its tools, among others."""
        deadline, needed = self._accepted(request), [*dict.fromkeys(step.tool for step in plan)]

        def compute() -> float:
            ready = self.planners.ready(served, tools, Variant(), request, needed)
            return ready.planner.probability(request, plan)

        return float(await self._compute(compute, deadline))

    async def warm(self) -> None:
        """Compute what the first requests need: vocabularies, grammars and catalogues of the planners.

        That may take longer than a request may, so it has no time limit; only the request that follows has.
        """
        for served in self.planners.served.values():
            if served.catalogue is not None:
                await self._compute(partial(self.planners.ready, served, None, Variant(), "Plan"), math.inf)
                await self.choices(served, Question("Plan"))

    async def _compute(self, call: Any, deadline: float) -> Any:
        try:
            return await self.engine.compute(call, deadline=deadline)
        except PlatypusError as error:
            raise refused(error) from error

    def _best(self, served: Served, question: Question, deadline: float) -> list[Choice]:
        ready = self.planners.ready(served, question.tools, question.variant, question.request)
        limits = self._limits(question, deadline - time.monotonic())
        answers = ready.planner.best(question.request, question.count, limits, decoder=ready.decoder)
        if not answers:
            raise ApiError(503, "the time was over before the first plan was found", code="timeout")
        choices, length = [], len(ready.planner.prompt.ids(ready.planner.reading(question.request).read))
        for answer in answers:
            calls = self._calls(ready.planner, question)
            steps = answer.plan.steps if isinstance(answer.plan, Plan) and _is_called(answer, question) else ()
            given = [call for call in map(calls.take, steps) if call is not None]
            choices.append(_choice(ready, question, answer, calls, given, length))
        return choices

    def _calls(self, planner: Planner, question: Question) -> Calls:
        tools = planner.prompt.catalogue
        assert tools is not None  # without some there are no plans
        return Calls(tools, question.earlier, question.references or "keep", question.one)

    def _at_once(self, planner: Planner, question: Question) -> bool:
        """Whether steps may be given before the whole plan is known."""
        return not (planner.settings.min_confidence or question.described or question.written)

    def _limits(self, question: Question, seconds: float) -> DecodingLimits:
        most = self.engine.limits.tokens
        tokens = most if question.tokens is None else min(question.tokens, most)
        return DecodingLimits(tokens, max(0.0, seconds), question.temperature, question.seed)

    def _accepted(self, request: str) -> float:
        """When the answer to a request is due. Raises ApiError for a request that is too long."""
        most = self.engine.limits.request
        if len(request) > most:
            raise ApiError(422, f"a request has {most} characters at most, not {len(request)}", code="request_too_long")
        return time.monotonic() + self.engine.limits.seconds


def _is_called(answer: Answer, question: Question) -> bool:
    """Whether the steps of an answer become calls, and not a text."""
    return answer.sure and not question.described and not question.written


def _choice(
    ready: Ready, question: Question, answer: Answer, calls: Calls, given: list[Call], prompt_tokens: int
) -> Choice:
    planner = ready.planner
    if isinstance(answer.plan, Malformed):  # a value that its pattern cannot be compared with in time
        raise invalid("tools", f"a plan over them cannot be checked: {answer.plan.reason}")
    notes = [*question.notes]
    if answer.request != question.request:
        notes.append(f"read as: {answer.request}")
    if answer.ended_by != "model":
        notes.append("cut by a limit: a valid plan, but perhaps not a complete one")
    if calls.unmatched and _is_called(answer, question):
        notes.append(f"{calls.unmatched} calls of the conversation are no step of this plan")
    if given and calls.waiting:
        more = "1 more step follows" if calls.waiting == 1 else f"{calls.waiting} more steps follow"
        notes.append(f"{more} once the results of these calls are there")
    prefix = len(ready.decoder.prefix.ids) if ready.decoder else 0
    finish: Finish = "length" if answer.ended_by != "model" else "tool_calls" if given else "stop"
    text = "" if given else _text(planner, question, answer, calls)
    logs = tuple((planner.token_text(token), log) for token, log in answer.logs)
    cached = min(prefix, prompt_tokens)
    calibrated = planner.calibration.fitted
    return Choice(answer, tuple(given), text, finish, prompt_tokens, cached, logs, tuple(notes), calibrated)


def _text(planner: Planner, question: Question, answer: Answer, calls: Calls) -> str:
    """What an answer without calls says."""
    assert isinstance(answer.plan, Plan)
    if question.written:
        arguments = answer.plan.steps[0].to_json()["arguments"]
        values = {argument["argument_name"]: argument["argument_value"] for argument in arguments}
        return json.dumps(values, ensure_ascii=False)
    if not answer.sure:
        confidence = answer.confidence or 0.0
        least = planner.settings.min_confidence
        return f"Not sure: the confidence is {confidence:.0%}, and at least {least:.0%} is required."
    if question.described and answer.plan.steps:
        return readable(answer.plan)
    if calls.stopped:
        return f"The plan cannot go on: {calls.stopped}."
    return calls.last if answer.plan.steps else NO_PLAN
