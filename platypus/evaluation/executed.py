"""Executed outcomes: whether a plan that is not gold's does the same as gold's, where both are run with mock tools.

What a plan does: its calls of tools that change something, with the arguments that arrive there, in order; and the
results of its other calls that no call uses. Two plans with equal lists have the same outcome. Where gold cannot be
run, or changes and returns nothing, outcomes tell nothing, and exactness alone decides. Each plan meets its servers
newly started. Every call is made, whatever it does: the tools must be mock tools.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import PlatypusError
from platypus.evaluation.answering import ScoredRow
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import Ratio, interval
from platypus.evaluation.metrics import literal_text
from platypus.execution.execution import Execution, Terms, execute
from platypus.execution.executor import Limits
from platypus.execution.policy import KnownTool, Policy
from platypus.execution.results import ToolResult
from platypus.execution.toolbox import Toolbox
from platypus.plan.plan import Plan

Verdict = Literal["exact", "same outcome", "other outcome", "fails", "gold fails", "gold does nothing", "not run"]
AT_ONCE = 4  # plans
SHOWN = 20  # other plans in the report
TERMS = Terms(Policy.of(allow=["*"], trusted=["*"]), Limits(seconds=60.0, timeout=30.0, retries=0), secrets=r"(?!)")


@dataclass(frozen=True)
class Effects:
    """What a plan did, as texts: calls that change something, in order, and results that no call uses, sorted."""

    changes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class MockRuns:
    """Runs plans with the tools of a toolbox, each plan once."""

    toolbox: Toolbox
    known: dict[tuple[str, str], Effects | str] = field(default_factory=dict)

    def summary(self, rows: Sequence[ScoredRow], *, resamples: int, seed: int) -> dict[str, Any]:
        """What a report says of the outcomes of answered rows; nothing where all answers are text."""
        planned = [row for row in rows if isinstance(row.row, Example) and row.tools is not None]
        if not planned:
            return {}
        verdicts = asyncio.run(self._judged(planned))
        right = [Ratio(verdict in ("exact", "same outcome"), 1) for verdict in verdicts]
        clusters = clusters_of([row.row for row in planned])
        measured = interval(right, clusters=clusters, resamples=resamples, seed=seed)
        others = [row.to_json() for row, verdict in zip(planned, verdicts, strict=True) if verdict == "same outcome"]
        failed = [row for row, verdict in zip(planned, verdicts, strict=True) if verdict == "gold fails"]
        return {
            "right_outcome": asdict(measured) if measured else None,
            "rows": dict(Counter(verdicts).most_common()),
            "other_plans": [{key: row[key] for key in ("query", "gold", "plan")} for row in others[:SHOWN]],
            "first_failure": self._why_gold_fails(failed[0]) if failed else "",
        }

    def _why_gold_fails(self, row: ScoredRow) -> str:
        assert isinstance(row.row, Example) and row.tools is not None  # only such rows are judged
        return str(self.known[_key(row.row.plan, row.tools)])

    async def _judged(self, rows: Sequence[ScoredRow]) -> list[Verdict]:
        under_way = asyncio.Semaphore(AT_ONCE)

        async def one(row: ScoredRow) -> Verdict:
            async with under_way:
                return await self._verdict(row)

        return list(await asyncio.gather(*map(one, rows)))

    async def _verdict(self, row: ScoredRow) -> Verdict:
        assert isinstance(row.row, Example) and row.tools is not None  # only such rows are judged
        answer, gold = row.plan, row.row.plan
        if row.score.exact:
            return "exact"
        if not isinstance(answer, Plan) or not answer.steps or not gold.steps:
            return "not run"
        wanted = await self.effects(gold, row.tools)
        if isinstance(wanted, str):
            return "gold fails"
        if wanted == Effects():
            return "gold does nothing"
        done = await self.effects(answer, row.tools)
        if isinstance(done, str):
            return "fails"
        return "same outcome" if done == wanted else "other outcome"

    async def effects(self, plan: Plan, tools: Catalogue) -> Effects | str:
        """What the plan does, or why it cannot be run to its end."""
        key = _key(plan, tools)
        if key not in self.known:
            try:
                execution = await execute(plan, tools, self.toolbox, terms=TERMS)
                self.known[key] = _effects(execution, tools) if execution.done else _why(execution)
            except PlatypusError as error:
                self.known[key] = str(error).splitlines()[0]
        return self.known[key]


def _key(plan: Plan, tools: Catalogue) -> tuple[str, str]:
    return tools.fingerprint, json.dumps(plan.to_json())


def _why(execution: Execution) -> str:
    return str(execution.failures[0]) if execution.failures else f"it was {execution.ended}"


def _effects(execution: Execution, tools: Catalogue) -> Effects:
    plan = execution.plan
    reads = [_only_reads(tools, step.tool) for step in plan]
    used = {number for needs in plan.dependencies() for number in needs}
    calls = {event["step"]: event for event in execution.events if event["event"] == "call"}
    changes = [literal_text([calls[i]["tool"], calls[i]["arguments"]]) for i in sorted(calls) if not reads[i]]
    results = [_told(execution.results[i]) for i in range(len(plan)) if reads[i] and i not in used]
    return Effects(tuple(changes), tuple(sorted(text for text in results if text)))


def _only_reads(tools: Catalogue, name: str) -> bool:
    tool = tools.tool(name)
    return tool is not None and KnownTool(tool, trusted=True).hint("readOnlyHint")


def _told(result: ToolResult) -> str:
    """A result as text; "" for one that tells nothing."""
    told: Mapping[str, Any] = result.to_json()
    return "" if result.is_empty else literal_text(told)
