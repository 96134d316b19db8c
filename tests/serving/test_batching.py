"""The thread that computes: batches that requests join, turns, limits, cancelling, and an orderly end."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platypus.decoding.results import DecodingLimits
from platypus.serving.batching import Begun, Engine
from platypus.serving.errors import ApiError
from platypus.serving.limits import Limits
from platypus.serving.planners import Served

OWNED = "List the work items that are owned by DEVU-7"
REQUESTS = ["List my work items", "Who am I?", OWNED, "Summarize my work items"]


def begun(served: Served, request: str) -> Callable[[], Begun]:
    planner = served.planner

    def begin(seconds: float, number: int) -> Any:
        return planner.begin(request, DecodingLimits(200, seconds), index=number)

    return lambda: Begun(planner.decoder, begin, lambda: None)


def run(work: Any, limits: Limits) -> Any:
    async def inside() -> Any:
        engine = Engine(limits)
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(inside())


def test_requests_are_decoded_together_and_answered_as_alone(served: Served) -> None:
    alone = {answer.request: answer.text for answer in served.planner.plan(REQUESTS, batch_size=1)}

    async def together(engine: Engine) -> tuple[list[str], int]:
        all_wait = threading.Event()  # else the first may be done before the next is asked
        held = asyncio.create_task(engine.compute(all_wait.wait))
        asked = [asyncio.create_task(engine.compute(begun(served, request))) for request in REQUESTS]
        await asyncio.sleep(0.1)
        all_wait.set()
        found = await asyncio.gather(*asked)
        assert await held
        return [decoding.plans[0].text for decoding in found], engine.passes

    async def singly(engine: Engine) -> int:
        for request in REQUESTS:
            await engine.compute(begun(served, request))
        return engine.passes

    run(together, Limits(batch=4))  # drafts that it learns from these plans spare passes later
    texts, passes = run(together, Limits(batch=4))
    assert texts == [alone[request] for request in REQUESTS]
    assert passes < 0.7 * run(singly, Limits(batch=4))


def test_a_full_queue_turns_others_away_and_is_free_again_afterwards() -> None:
    async def work(engine: Engine) -> None:
        slow = [asyncio.create_task(engine.compute(lambda: time.sleep(0.05))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await engine.compute(lambda: 1)
        assert refused.value.status == 429 and refused.value.headers["retry-after"] == "1"
        await asyncio.gather(*slow)
        assert await engine.compute(lambda: 1) == 1

    run(work, Limits(queue=2))


def test_closing_finishes_what_was_accepted_and_takes_no_more(served: Served) -> None:
    async def work() -> list[str]:
        engine = Engine(Limits())
        asked = [asyncio.create_task(engine.compute(begun(served, request))) for request in REQUESTS]
        await asyncio.sleep(0)
        closing = asyncio.create_task(engine.close())
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as refused:
            await engine.compute(lambda: 1)
        assert refused.value.status == 503
        await closing
        return [decoding.plans[0].text for decoding in await asyncio.gather(*asked)]

    assert len(asyncio.run(work())) == len(REQUESTS)


def test_a_request_that_waited_too_long_is_told_so() -> None:
    async def work(engine: Engine) -> None:
        first = asyncio.create_task(engine.compute(lambda: time.sleep(0.1)))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as late:
            await engine.compute(lambda: 1, deadline=time.monotonic() + 0.01)
        assert late.value.status == 503 and late.value.code == "timeout"
        await first

    run(work, Limits())


def test_what_fails_does_not_end_the_thread() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(ZeroDivisionError):
            await engine.compute(lambda: 1 / 0)
        assert await engine.compute(lambda: 2) == 2 and engine.open == 0

    run(work, Limits())


@pytest.mark.parametrize("place", ["activate", "pass"])
def test_what_fails_before_a_request_is_decoded_ends_all_that_wait(place: str) -> None:
    class Decoder:
        def run(self, following: Any, *, batch_size: int) -> Iterator[Any]:
            raise MemoryError("pass")
            yield

    def activate() -> None:
        if place == "activate":
            raise MemoryError("activate")

    async def work() -> None:
        engine, decoder = Engine(Limits()), cast(Any, Decoder())
        calls = [engine.compute(lambda: Begun(decoder, lambda *_: decoder, activate)) for _ in range(3)]
        async with asyncio.timeout(10):
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert [str(error) for error in errors] == [place] * 3 and engine.open == 0
            assert await engine.compute(lambda: 2) == 2
            await engine.close()

    asyncio.run(work())


def test_a_client_that_leaves_frees_its_place(served: Served) -> None:
    async def work(engine: Engine) -> None:
        updates = engine.updates(begun(served, REQUESTS[3]))
        await anext(updates)
        await updates.aclose()
        while engine.open:
            await asyncio.sleep(0.01)

    run(work, Limits())


def test_who_waits_behind_a_long_computation_is_told_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.serving.batching.GRACE", 0.1)

    async def work(engine: Engine) -> None:
        held = threading.Event()
        first = asyncio.create_task(engine.compute(held.wait))
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as late:
            await engine.compute(lambda: 1, deadline=time.monotonic() + 0.01)
        assert late.value.status == 503 and late.value.code == "timeout" and not first.done()
        assert "waited for its turn" in late.value.message
        held.set()
        await first

    run(work, Limits())


def test_what_takes_longer_than_its_time_is_not_told_that_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, held = threading.Event(), threading.Event()

    def clock() -> float:
        """No time passes; whoever asks how much is left is told once the call has begun."""
        return 0.0 if threading.current_thread().name == "planner" or begun.wait(60) else 60.0

    def call() -> None:
        begun.set()
        held.wait()

    async def work(engine: Engine) -> ApiError:
        with pytest.raises(ApiError) as late:
            await engine.compute(call, deadline=0.01)
        held.set()
        return late.value

    monkeypatch.setattr("platypus.serving.batching.GRACE", 0.0)
    monkeypatch.setattr("platypus.serving.batching.time", SimpleNamespace(monotonic=clock))
    late = run(work, Limits())
    assert (late.status, late.code) == (503, "timeout")
    assert late.message == "the time was over before the request was answered"
