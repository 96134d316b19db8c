"""Questions to a planner of this process: the answer of `Planner.plan`, confidence, notes."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from platypus.plan.plan import Plan, Step
from platypus.serving.asking import NO_PLAN, Asking, Choice, Question, Started
from platypus.serving.batching import Engine
from platypus.serving.calls import Call
from platypus.serving.errors import ApiError
from platypus.serving.limits import Limits
from platypus.serving.openai_common import written_as_tool
from platypus.serving.planners import Planners, Ready, Served

ASK = "List the work items that are owned by DEVU-7, then prioritize them"


def run(served: Served, work: Callable[[Asking], Awaitable[Any]], limits: Limits | None = None) -> Any:
    async def inside() -> Any:
        engine = Engine(limits or Limits(seconds=60))
        try:
            return await work(Asking(Planners([served], room=1 << 30), engine))
        finally:
            await engine.close()

    return asyncio.run(inside())


@pytest.mark.parametrize("beams", [1, 3])
def test_the_answer_is_that_of_the_planner(served: Served, beams: int) -> None:
    settings = served.planner.settings.model_copy(update={"beams": beams})
    one = replace(served, planner=replace(served.planner, settings=settings))
    (wanted,) = one.planner.plan([ASK])
    (choice,) = run(one, lambda asking: asking.choices(one, Question(ASK)))
    assert choice.plan == wanted.plan and choice.answer.confidence == pytest.approx(wanted.confidence, rel=1e-3)


def test_a_stream_begins_gives_calls_and_ends_with_the_choice(served: Served) -> None:
    async def work(asking: Asking) -> list[Any]:
        return [update async for update in asking.stream(served, Question(ASK))]

    first, *calls, last = run(served, work)
    assert isinstance(first, Started) and isinstance(last, Choice) and all(isinstance(call, Call) for call in calls)
    assert tuple(calls) == last.calls and len(calls) == 2


def test_a_plan_that_it_is_not_sure_of_is_told_and_not_called(served: Served) -> None:
    settings = served.planner.settings.model_copy(update={"min_confidence": 0.999999})
    unsure = replace(served, planner=replace(served.planner, settings=settings))
    (choice,) = run(unsure, lambda asking: asking.choices(unsure, Question(ASK)))
    assert not choice.calls and choice.text.startswith("Not sure: the confidence is") and len(choice.plan)


def test_a_note_says_how_a_request_was_read(served: Served) -> None:
    settings = served.planner.settings.model_copy(update={"today": "2026-11-30"})
    dated = replace(served, planner=replace(served.planner, settings=settings))
    (choice,) = run(dated, lambda asking: asking.choices(dated, Question("List two work items since yesterday")))
    assert choice.notes == ("read as: List 2 work items since 2026-11-29",)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_form_is_written_as_often_as_asked_and_whether_or_not_it_is_sure(served: Served, temperature: float) -> None:
    settings = served.planner.settings.model_copy(update={"min_confidence": 0.999999})
    unsure = replace(served, planner=replace(served.planner, settings=settings))
    schema = {"type": "object", "properties": {"city": {"enum": ["Lisbon", "Porto"]}}, "required": ["city"]}
    form = written_as_tool(schema, "trip", param="response_format")
    question = Question("A trip", form=form, count=2, temperature=temperature).at_first()
    choices = run(unsure, lambda asking: asking.choices(unsure, question))
    assert len(choices) == 2 and not choices[0].answer.sure
    assert all(json.loads(choice.text)["city"] in ("Lisbon", "Porto") for choice in choices)


def test_where_one_of_several_samples_is_refused_the_others_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    async def sample(self: Asking, served: Served, question: Question, draw: int) -> None:
        if draw == 2:
            raise ApiError(429, "no more")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(draw)

    async def work(asking: Asking) -> None:
        with pytest.raises(ApiError, match="no more"):
            await asking.choices(served, Question(ASK, count=3, temperature=1.0))
        await asyncio.sleep(0)

    monkeypatch.setattr(Asking, "_sample", sample)
    run(served, work)
    assert ended == [0, 1]


def test_the_empty_plan_is_a_text(served: Served) -> None:
    async def work(asking: Asking) -> float:
        return await asking.probability(served, None, "Book me a flight", Plan())

    assert 0 < run(served, work) <= 1
    (choice,) = run(served, lambda asking: asking.choices(served, Question("Book me a flight to Lisbon")))
    assert (choice.finish, choice.text) == ("stop", NO_PLAN) if not choice.plan.steps else choice.calls


def test_a_request_that_leaves_no_room_is_refused(served: Served) -> None:
    with pytest.raises(ApiError) as refused:
        run(served, lambda asking: asking.choices(served, Question("zqx " * 7000)))
    assert refused.value.status == 400


def test_a_plan_over_its_time_is_cut_and_says_so(served: Served) -> None:
    (choice,) = run(served, lambda asking: asking.choices(served, Question(ASK)), Limits(seconds=0.2))
    assert choice.finish in ("length", "tool_calls")


def test_warming_may_take_longer_than_a_request(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    ready, calls = Planners.ready, list[float]()

    def slow(*given: Any) -> Ready:
        calls.append(time.monotonic())
        time.sleep(0.6 if len(calls) == 1 else 0)
        return ready(*given)

    monkeypatch.setattr(Planners, "ready", slow)
    run(served, lambda asking: asking.warm(), Limits(seconds=0.5))
    assert len(calls) == 2


def test_the_probability_of_a_plan_that_cannot_be_is_none(served: Served) -> None:
    async def work(asking: Asking) -> float:
        plan = Plan((Step("works_list", {"limit": 10**30}),))
        return await asking.probability(served, None, ASK, plan)

    assert run(served, work) == 0


def test_a_plan_is_scored_with_its_tools_shown(served: Served) -> None:
    settings = served.planner.settings.model_copy(update={"max_tools": 1})
    one = replace(served, planner=replace(served.planner, settings=settings))

    async def work(asking: Asking) -> list[float]:
        plans = [Plan((Step(tool),)) for tool in ("who_am_i", "works_list")]
        return [await asking.probability(one, None, "Who am I?", plan) for plan in plans]

    shown, other = run(one, work)  # "Who am I?" alone is shown `who_am_i`
    assert 0 < other < shown
