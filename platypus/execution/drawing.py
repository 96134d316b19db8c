"""Executions for people: a decision as a table, steps as they end, and a whole trace as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platypus.execution.executor import Failure
from platypus.execution.policy import Decision
from platypus.execution.results import ToolResult, printable
from platypus.execution.trace import History
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan, plan_from_json

SHOWN = 100  # letters of a result on its line


def decision_lines(plan: Plan, decision: Decision) -> list[str]:
    """Each step with its verdict before it, and the rule that decides behind it."""
    if not plan.steps:
        return ["No plan: there is nothing to run."]
    return _verdict_lines(readable(plan).split("\n"), decision.to_json())


def _verdict_lines(calls: Sequence[str], verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    pairs = zip(calls, verdicts, strict=True)
    return [f"{verdict['verdict']:5}  {printable(call)}  ({verdict['rule']})" for call, verdict in pairs]


def outcome_line(plan: Plan, step: int, outcome: ToolResult | Failure, seconds: float) -> str:
    """`2. works_list → ["ISS-14"] (0.01 s)`"""
    name = f"{step + 1}. {plan.steps[step].tool}"
    if isinstance(outcome, Failure):
        return f"{name} ✗ {printable(outcome.what)} ({seconds:.2f} s)"
    made_up = " (made up)" if outcome.is_mock else f" ({seconds:.2f} s)"
    return f"{name} → {outcome.shown(SHOWN)}{made_up}"


def trace_lines(history: History) -> Iterator[str]:
    """A trace as text: each plan with its verdicts, and what was heard of its steps, in order."""
    tools: list[str] = []
    for event in history.events:
        number = event.get("step")
        name = f"{number + 1}. {tools[number]}" if isinstance(number, int) and number < len(tools) else "?"
        match event["event"]:
            case "start" | "plan":
                yield from _plan_lines(event)
                tools = [str(step.get("tool_name")) for step in event["plan"]]
            case "answer":
                yield f"asked: {event['question']} {'yes' if event['yes'] else 'no'}"
            case "resume":
                yield f"resumed at {event['at']}"
            case "call" if event["attempt"] > 1:
                yield f"{name}: attempt {event['attempt']}"
            case "result" | "reused":
                how = "(from an earlier plan)" if event["event"] == "reused" else f"({event['seconds']:.2f} s)"
                yield f"{name} → {ToolResult.from_json(event['result']).shown(SHOWN)} {how}"
                if event.get("note"):
                    yield f"   {event['note']}"
            case "error":
                yield f"{name} ✗ {printable(event['what'])} ({event['seconds']:.2f} s)"
            case "end":
                yield f"{event['ended']} after {event['seconds']:.2f} s"
    yield from (f"{step + 1}. {tools[step]} ✗ {what}" for step, what in history.begun.items() if not history.ended)
    if not history.ended:
        yield f"broken off: {len(history.results)} of {len(tools)} steps have a result"


def _plan_lines(event: Mapping[str, Any]) -> Iterator[str]:
    if event["event"] == "start":
        yield f"{event['at']}{' (dry run)' if event.get('dry_run') else ''}: {event['request'] or 'a given plan'}"
    else:
        yield f"{event['at']}: another plan"
    plan = plan_from_json(event["plan"])
    if isinstance(plan, Malformed):
        yield f"not a valid plan: {plan.reason}"
    elif plan.steps:
        yield from _verdict_lines(readable(plan).split("\n"), event["verdicts"])
    else:
        yield "No plan: there was nothing to run."
