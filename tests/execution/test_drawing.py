"""Decisions, outcomes and traces as text."""

from pathlib import Path

from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.drawing import decision_lines, outcome_line, trace_lines
from platypus.execution.execution import Dialogue, Terms, execute_plan
from platypus.execution.executor import Failure
from platypus.execution.policy import Decision, Policy, StepVerdict
from platypus.execution.results import ToolResult
from platypus.execution.trace import read_trace
from platypus.plan.plan import Plan
from tests.support.executions import CHANGES, TEXT, Memory, Reference, plan, tool, tools

STEPS = plan(("find", {}), ("send", {"body": Reference(0)}))


def test_a_decision() -> None:
    decision = Decision((StepVerdict(0, "find", "allow", "why"), StepVerdict(1, "send", "ask", "why not")))
    assert decision_lines(STEPS, decision) == [
        "allow  1. find()  (why)",
        "ask    2. send(body = output of step 1)  (why not)",
    ]
    turned = plan(("find", {"name": "a\u202eb"}))  # a terminal would show it the other way round
    (line,) = decision_lines(turned, Decision((StepVerdict(0, "find", "allow", "why"),)))
    assert line == 'allow  1. find(name = "a\ufffdb")  (why)'
    assert decision_lines(Plan(), Decision(())) == ["No plan: there is nothing to run."]


def test_outcomes() -> None:
    assert outcome_line(STEPS, 0, ToolResult(text="a\x1b[2J"), 0.123) == "1. find → a\ufffd[2J (0.12 s)"
    assert outcome_line(STEPS, 0, ToolResult("a", is_mock=True), 0.1) == '1. find → "a" (made up)'
    assert outcome_line(STEPS, 1, Failure(1, "send", "lost", "gone"), 1) == "2. send ✗ gone (1.00 s)"


def test_a_trace(tmp_path: Path) -> None:
    catalogue = tools(tool("find"), tool("send", CHANGES, body=TEXT))
    memory = Memory(
        {"find": [CallFailed("lost", "gone", may_help=True), "x"], "send": ToolResult(text="no", is_error=True)}
    )
    terms, yes = Terms(Policy(trusted=("*",))), Dialogue(confirm=lambda question: True)
    path = tmp_path / "t.jsonl"
    execute_plan(STEPS, catalogue, memory.toolbox, terms=terms, dialogue=yes, request="Find x", trace=path)
    lines = [line.partition(" (0.")[0] for line in trace_lines(read_trace(path))]
    assert lines[0].endswith(": Find x")
    assert lines[1:-1] == [
        "allow  1. find()  (default: it only reads)",
        "ask    2. send(body = output of step 1)  (otherwise: ask)",
        "asked: Run step 2 (send)? yes",
        "1. find ✗ gone",
        "1. find: attempt 2",
        '1. find → "x"',
        "2. send ✗ the tool says: no",
    ]
    assert lines[-1].startswith("failed after")


def test_a_trace_that_was_broken_off(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    terms = Terms(Policy.of(allow=["*"]))
    execute_plan(
        STEPS, tools(tool("find"), tool("send", body=TEXT)), Memory({"find": "x"}).toolbox, terms=terms, trace=path
    )
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    *_, begun, last = trace_lines(read_trace(path))
    assert begun == "2. send ✗ it was under way when the execution was broken off"
    assert last == "broken off: 1 of 2 steps have a result"
