"""The executor: order, what runs at once, repetitions, limits and failures, over a back end in memory."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.execution import Dialogue, Execution, Terms, execute, execute_plan
from platypus.execution.executor import Limits
from platypus.execution.policy import Policy
from platypus.execution.results import ToolResult
from platypus.execution.trace import read_trace
from platypus.plan.plan import Plan
from tests.support.executions import CHANGES, TEXT, TEXTS, Memory, Reference, plan, tool, tools

CATALOGUE = tools(
    tool("read", it=TEXT),
    tool("count", n={"type": "integer"}),
    tool("write", CHANGES, it=TEXT, all=TEXTS),
    tool("put", {**CHANGES, "idempotentHint": True}, it=TEXT),
)
LOST = CallFailed("lost", "the connection was lost", may_help=True)


def run(steps: Plan, memory: Memory, **limits: Any) -> Execution:
    policy = Policy.of(allow=["*"], trusted=["*"])
    return execute_plan(steps, CATALOGUE, memory.toolbox, terms=Terms(policy, Limits(**limits)))


def events(done: Execution, *names: str) -> list[tuple[Any, ...]]:
    return [(e["event"], e.get("step")) for e in done.events if not names or e["event"] in names]


def test_results_flow_and_each_event_is_in_the_trace() -> None:
    memory = Memory({"read": ToolResult({"id": "a"}), "write": ToolResult(None)})
    done = run(plan(("read", {}), ("write", {"it": Reference(0, ("id",))})), memory)
    assert memory.called == [("read", {}), ("write", {"it": "a"})]
    assert done.done and done.results[1] == ToolResult(None)
    expected = ["start", "call", "result", "call", "result", "end"]
    assert [event["event"] for event in done.events] == expected


def test_reads_run_at_once_and_changes_keep_their_place() -> None:
    memory = Memory(delay=0.05)
    steps = plan(*[("read", {})] * 3, ("write", {}), ("write", {"it": "b"}), ("read", {}))
    order = events(run(steps, memory), "call", "result")
    assert {step for _, step in order[:3]} == {0, 1, 2} and [name for name, _ in order[:3]] == ["call"] * 3
    assert order[6:] == [("call", 3), ("result", 3), ("call", 4), ("result", 4), ("call", 5), ("result", 5)]
    all_at_once = events(run(steps, memory, at_once="all"), "call", "result")
    assert [name for name, _ in all_at_once[:6]] == ["call"] * 6
    two = events(run(steps, memory, at_once="all", concurrency=2), "call", "result")
    assert [name for name, _ in two[:2]] == ["call"] * 2 and two[2][0] == "result"


def test_a_misfit_stops_before_the_call_and_names_all() -> None:
    memory = Memory({"read": ToolResult({"id": 7})})
    done = run(plan(("read", {}), ("write", {"it": Reference(0, ("id",))}), ("read", {})), memory)
    assert memory.called == [("read", {})] and done.ended == "failed"
    (failure,) = done.failures
    expected = "step 2 (write), argument 'it': expected string, found integer in the result of step 1: 7"
    assert (failure.kind, str(failure)) == ("misfit", expected)


def test_after_a_failure_nothing_begins_and_what_is_under_way_is_awaited() -> None:
    def slow(_: Any) -> ToolResult:
        return ToolResult("late")

    memory = Memory({"read": [CallFailed("refused", "no"), slow, slow]}, delay=0.05)
    done = run(plan(("read", {}), ("read", {}), ("write", {})), memory)
    assert (done.ended, [*done.results], len(memory.called)) == ("failed", [1], 2)


@pytest.mark.parametrize(("name", "calls"), [("read", 3), ("put", 3), ("write", 1)])
def test_only_what_may_be_repeated_is(name: str, calls: int) -> None:
    memory = Memory({name: LOST})
    done = run(plan((name, {})), memory)
    assert (done.ended, len(memory.called), done.failures[0].kind) == ("failed", calls, "lost")
    assert run(plan((name, {})), Memory({name: [LOST, "there"]})).done is (calls > 1)
    assert len(events(done, "call")) == len(events(done, "error")) == calls


def test_what_was_surely_not_sent_is_sent_again_whatever_it_does() -> None:
    memory = Memory({"write": [CallFailed("unsent", "not there", may_help=True), "done"]})
    assert run(plan(("write", {})), memory).done and len(memory.called) == 2
    memory = Memory({"write": [CallFailed("unsent", "not there", may_help=True), LOST, "done"]})
    assert run(plan(("write", {})), memory).ended == "failed" and len(memory.called) == 2


@pytest.mark.parametrize("kind", ["refused", "garbage", "size"])
def test_what_does_not_help_is_not_repeated(kind: Any) -> None:
    memory = Memory({"read": CallFailed(kind, "no")})
    assert run(plan(("read", {})), memory).ended == "failed" and len(memory.called) == 1


def test_an_error_result_is_a_failure_and_is_not_repeated() -> None:
    memory = Memory({"read": ToolResult(text="no such id", is_error=True)})
    done = run(plan(("read", {})), memory)
    assert str(done.failures[0]) == "step 1 (read): the tool says: no such id" and len(memory.called) == 1
    assert done.results == {}


def test_an_error_that_is_told_as_a_result() -> None:
    memory = Memory({"read": ToolResult(text="Database error: no such table"), "count": ToolResult(text="no error")})
    steps, errors = plan(("count", {}), ("read", {}), ("write", {})), {"re*": "^Database error"}
    done = run(steps, memory, error_texts=errors)
    assert (done.failures[0].kind, done.failures[0].step, [*done.results]) == ("error", 1, [0])
    assert run(steps, memory).done
    for structured in ("Database error: no", {"error": "no such table"}):
        failing = Memory({"read": ToolResult(structured)})
        done = run(plan(("read", {})), failing, error_texts={"re*": "^Database error|no such"})
        assert done.failures[0].kind == "error"


def test_the_time_that_an_answer_takes_does_not_count() -> None:
    def confirm(question: str) -> bool:
        time.sleep(0.3)
        return True

    terms = Terms(Policy.of(trusted=["*"]), Limits(seconds=0.25))
    done = execute_plan(
        plan(("write", {})), CATALOGUE, Memory().toolbox, terms=terms, dialogue=Dialogue(confirm=confirm)
    )
    assert done.done


def test_time_limits() -> None:
    done = run(plan(("write", {})), Memory(delay=5), timeout=0.05)
    assert (done.failures[0].kind, done.failures[0].what) == ("timeout", "no answer in time (`timeout` = 0.05 s)")
    done = run(plan(("write", {}), ("write", {})), Memory(delay=0.2), seconds=0.3)
    assert done.ended == "failed" and len(done.results) <= 1
    assert "the time of the whole plan is over (`seconds` = 0.3)" in done.failures[0].what
    done = run(plan(("write", {})), Memory(), seconds=1e-9)
    assert "the time of the whole plan is over (`seconds` = 1e-09)" in done.failures[0].what


def test_a_result_that_is_too_large_is_done_but_stops_the_plan() -> None:
    done = run(plan(("read", {}), ("write", {"it": Reference(0)})), Memory({"read": "x" * 2000}), result_bytes=1000)
    assert (
        "it was done, but its result has 2,018 bytes, more than the limit of 1,000 (`max_result_kb`)"
        in done.failures[0].what
    )
    assert "x" * 500 not in str(done.events)


def test_a_result_that_its_own_schema_does_not_allow_is_noted() -> None:
    lying = {**tool("read"), "outputSchema": {"type": "object", "properties": {"id": TEXT}, "required": ["id"]}}
    memory = Memory({"read": ToolResult({"no": 1})})
    done = execute_plan(plan(("read", {})), tools(lying), memory.toolbox, terms=Terms(Policy.of(allow=["*"])))
    (result,) = [event for event in done.events if event["event"] == "result"]
    assert done.done and "does not allow this result: 'id' is a required property" in result["note"]


def test_when_it_is_cancelled_what_is_under_way_is_noted(tmp_path: Path) -> None:
    async def cancelled() -> None:
        terms = Terms(Policy.of(allow=["*"]))
        memory = Memory(delay=60)
        work = execute(plan(("write", {})), CATALOGUE, memory.toolbox, terms=terms, trace=tmp_path / "t.jsonl")
        task = asyncio.create_task(work)
        while not memory.called:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    history = read_trace(tmp_path / "t.jsonl")
    assert history.ended == "cancelled" and history.begun == {
        0: "it was cancelled, and nobody knows whether it was done"
    }
