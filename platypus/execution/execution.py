"""Execution: a plan → its decision → its run → its trace; repaired by the planner where that is wanted, and resumed.

Nothing is called before the whole plan has been judged and the user, where a verdict says so, has been asked.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from platypus.catalogue.tools import Catalogue, Tool
from platypus.errors import ExecutionError, PlatypusError
from platypus.execution.earlier_calls import EarlierCalls
from platypus.execution.executor import Executor, Failure, Limits
from platypus.execution.masking import MASK, SECRETS, Masking
from platypus.execution.policy import Before, Decision, Policy, judge
from platypus.execution.quoting import quote_progress
from platypus.execution.references import is_whole, resolve
from platypus.execution.results import ToolResult
from platypus.execution.rule_check import check_rules
from platypus.execution.toolbox import OpenedTools, Toolbox
from platypus.execution.trace import VERSION, History, Trace, check_new_trace
from platypus.plan.plan import Malformed, Plan, plan_from_json

Ended = Literal["done", "denied", "refused", "failed", "cancelled"]
Replan = Callable[[str], Awaitable[Plan | None]]


@dataclass(frozen=True)
class Terms:
    """On what terms plans are executed: policy, limits, names of secrets, how often the planner may be asked again.

    `other_tools` and `other_servers` may be named by rules too, besides those that are there: a policy may be for more.
    """

    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    secrets: str = SECRETS
    replans: int = 0
    dry_run: bool = False
    other_tools: tuple[Tool, ...] = ()
    other_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """Who is told of an execution: of each decision before its first step, and of each step that ends.

    `confirm` is asked whether steps may run that a verdict says to ask for, `repeat` whether steps may run again of
    which nobody knows whether they were done. Without them, the answer is no.
    """

    decided: Callable[[Plan, Decision], None] = lambda plan, decision: None
    confirm: Callable[[str], bool] = lambda question: False
    repeat: Callable[[str], bool] = lambda question: False
    watch: Callable[[Plan, int, ToolResult | Failure, float], None] = lambda plan, step, outcome, seconds: None


@dataclass(frozen=True)
class Execution:
    """What became of a plan: the last plan, its decision, how it ended, the results by step, and the failures."""

    plan: Plan
    decision: Decision
    ended: Ended
    results: Mapping[int, ToolResult]
    failures: tuple[Failure, ...]
    seconds: float
    trace: Path | None
    events: tuple[Mapping[str, Any], ...]

    @property
    def done(self) -> bool:
        """Whether all of it was done."""
        return self.ended == "done"

    def to_json(self) -> dict[str, Any]:
        """All that a program needs of it; results are as they came."""
        return {
            "plan": self.plan.to_json(),
            "decision": self.decision.to_json(),
            "ended": self.ended,
            "results": {str(step): result.to_json() for step, result in sorted(self.results.items())},
            "failures": [failure.to_json() for failure in self.failures],
            "seconds": round(self.seconds, 4),
            "trace": None if self.trace is None else str(self.trace),
        }


def check_terms(terms: Terms, catalogue: Catalogue, toolbox: Toolbox) -> None:
    """Raise ExecutionError if a rule names nothing that is there."""
    servers = (*(one.name for one in toolbox.back_ends), *terms.other_servers)
    check_rules(terms.policy, (*catalogue, *terms.other_tools), servers, terms.limits.error_texts)


def execute_plan(plan: Plan, catalogue: Catalogue, toolbox: Toolbox, **options: Any) -> Execution:
    """As `execute`, for programs without an event loop."""
    return asyncio.run(execute(plan, catalogue, toolbox, **options))


async def execute(
    plan: Plan,
    catalogue: Catalogue,
    toolbox: Toolbox,
    *,
    terms: Terms | None = None,
    dialogue: Dialogue | None = None,
    request: str = "",
    trace: Path | None = None,
    replan: Replan | None = None,
) -> Execution:
    """Execute a plan that is valid for the catalogue; `trace` is a new file. Raises PlatypusError if it cannot begin.

    With `terms.replans` and a request, `replan` is asked for another plan where a step fails or gives nothing.
    """
    job = _Job(catalogue, toolbox, terms or Terms(), dialogue or Dialogue(), request, replan)
    return await job.run(plan, trace)


async def resume(
    trace: Path,
    catalogue: Catalogue,
    toolbox: Toolbox,
    *,
    plan: Plan | None = None,
    terms: Terms | None = None,
    dialogue: Dialogue | None = None,
    replan: Replan | None = None,
) -> Execution:
    """Go on with the execution of a trace. `plan` is needed where the trace has masked it.

    Raises ExecutionError if there is nothing to go on with, or a masked result is needed that cannot be had again, and
    for a dry run: its made-up results would be taken for real ones.
    """
    if terms is not None and terms.dry_run:
        raise ExecutionError("cannot be gone on with in a dry run", where=str(trace), remedy="Run the plan anew.")
    job = _Job(catalogue, toolbox, terms or Terms(), dialogue or Dialogue(), "", replan)
    return await job.resume(trace, plan)


class _Job:
    """One execution, with all of its plans."""

    def __init__(
        self,
        catalogue: Catalogue,
        toolbox: Toolbox,
        terms: Terms,
        dialogue: Dialogue,
        request: str,
        replan: Replan | None,
    ) -> None:
        self.catalogue, self.toolbox, self.terms, self.dialogue = catalogue, toolbox, terms, dialogue
        self.request, self.replan = request, replan
        self.masking = Masking(terms.secrets, toolbox.secrets)
        self.trace = Trace(self.masking)
        self.earlier = EarlierCalls(self.masking)
        self.before, self.number, self.started = Before(), 0, time.monotonic()
        self.resumed: list[Mapping[str, Any]] = []  # events of the present plan from before it was resumed
        self.deadline = self.started + terms.limits.seconds
        check_terms(terms, catalogue, toolbox)

    async def run(self, plan: Plan, path: Path | None) -> Execution:
        if path is not None:
            check_new_trace(path)
        async with self._tools(plan) as tools:
            decision = judge(plan, self.terms.policy, tools.known, self.before)
            if path is not None:
                self.trace = Trace.create(path, self.masking)
            with self._closing():
                head: dict[str, Any] = {"version": VERSION, "request": self.request, "dry_run": self.terms.dry_run}
                known: dict[str, Any] = {"catalogue": self.catalogue.fingerprint, "plan": plan.to_json()}
                self.trace.write("start", **head, **known, verdicts=decision.to_json())
                return await self._go_on(plan, decision, tools, {}, "")

    async def resume(self, path: Path, plan: Plan | None) -> Execution:
        self.trace, history = Trace.reopen(path, self.masking)
        with self._closing():
            found = self._plan_of(history, plan, path)
            self.request, self.number = str(history.start.get("request", "")), len(history.plans) - 1
            if MASK in self.request and self.terms.replans:
                what, remedy = "holds a request with masked secrets, which no planner can plan", "Leave --replan out."
                raise ExecutionError(what, where=str(path), remedy=remedy)
            self.before = Before(history.earlier, frozenset(history.shown))
            self._add_earlier(history)
            async with self._tools(found) as tools:
                reused = [event["step"] for event in self.resumed if event["event"] == "reused"]
                decision = self._judged(found, tools, reused)
                results = self._usable(history, found, tools)
                doubts = self._doubts(history, found, tools)
                self.trace.write("resume", number=self.number, verdicts=decision.to_json(), doubts=doubts)
                return await self._go_on(found, decision, tools, results, "\n".join(doubts.values()))

    def _plan_of(self, history: History, plan: Plan | None, path: Path) -> Plan:
        """The plan to go on with."""
        if history.ended == "done":
            raise ExecutionError("is done: there is nothing to go on with", where=str(path))
        if history.start.get("dry_run"):
            raise ExecutionError("is that of a dry run, in which nothing was done", where=str(path))
        if plan is not None:
            if self.masking.mask(plan.to_json()) != history.plans[-1]:
                raise ExecutionError("is that of another plan", where=str(path), remedy="Leave --plan out.")
            return plan
        if history.masked_plan:
            remedy = "Give the plan once more: --plan FILE"
            raise ExecutionError(
                "does not hold the whole plan: secrets in it are masked", where=str(path), remedy=remedy
            )
        read = plan_from_json(history.plans[-1], self.catalogue)
        if isinstance(read, Malformed):
            what = f"its plan is not valid for the tools of today: {'; '.join(map(str, read.problems))}"
            raise ExecutionError(what, where=str(path), remedy="Plan again.")
        return read

    def _add_earlier(self, history: History) -> None:
        steps = [event for event in history.events if "step" in event]
        for number in range(self.number):
            self.earlier.add(event for event in steps if event["number"] == number)
        self.resumed = [event for event in steps if event["number"] == self.number]

    def _usable(self, history: History, plan: Plan, tools: OpenedTools) -> dict[int, ToolResult]:
        """The results to go on with, without masked ones that are needed: they are fetched again if that is allowed."""
        open_steps = {number for number in range(len(plan)) if number not in history.results}
        needed: set[int] = set()
        for number in reversed(range(len(plan))):  # a step that is done again needs its own inputs again
            if number in open_steps | needed:
                taken = [one for one in plan.steps[number].references() if one.step in history.masked]
                needed |= {one.step for one in taken if not is_whole(one, history.results[one.step])}
        for number in sorted(needed):
            if not self.terms.policy.may_repeat(tools.routes[plan.steps[number].tool].known):
                tool = plan.steps[number].tool
                what = f"what a later step needs of step {number + 1} ({tool}) is masked in it, and that step is done"
                remedy = (
                    f"If {tool!r} may be repeated, name it under `idempotent`; else execute the rest as a new plan."
                )
                raise ExecutionError(what, where=str(self.trace.path), remedy=remedy)
        return {number: result for number, result in history.results.items() if number not in needed}

    def _doubts(self, history: History, plan: Plan, tools: OpenedTools) -> dict[str, str]:
        """Step → the question, of each that was begun, has no result, and may not be repeated by itself."""
        return {
            str(number): f"Step {number + 1} ({plan.steps[number].tool}) was begun before: {what}. Run it again?"
            for number, what in sorted(history.begun.items())
            if not self.terms.policy.may_repeat(tools.routes[plan.steps[number].tool].known)
        }

    async def _go_on(
        self, plan: Plan, decision: Decision, tools: OpenedTools, results: dict[int, ToolResult], doubts: str
    ) -> Execution:
        """Ask, run, and repair. `results` are those that are there, `doubts` what must be asked besides."""
        self.dialogue.decided(plan, decision)
        if any(step.verdict == "deny" and step.step not in results for step in decision.steps):
            return self._end(plan, decision, "denied", results, ())
        if not self.terms.dry_run and not self._may_run(decision, results, doubts):
            return self._end(plan, decision, "refused", results, ())
        executor = self._executor(plan, tools, results)
        first = len(self.trace.events)
        try:
            await executor.run()
            if executor.failures or executor.empty is not None:
                new = await self._other_plan(plan, executor)
                if new is not None:
                    self._remember(self.trace.events[first:], executor)
                    return await self._repair(new)
                executor.empty, executor.stop_at_empty = None, False
                await executor.run()  # a result that is empty does not stop the plan where there is no other
        except (asyncio.CancelledError, PlatypusError) as error:
            if self.trace.events[-1]["event"] != "end":
                is_cancelled = isinstance(error, asyncio.CancelledError)
                self._end(plan, decision, "cancelled" if is_cancelled else "failed", executor.results, ())
            raise
        ended: Ended = "failed" if executor.failures else "done"
        return self._end(plan, decision, ended, executor.results, executor.failures)

    def _executor(self, plan: Plan, tools: OpenedTools, results: dict[int, ToolResult]) -> Executor:
        policy = self.terms.policy
        return Executor(
            plan,
            tools,
            policy,
            self.terms.limits,
            self.trace,
            self.number,
            self.deadline,
            dict(results),
            reuse=lambda tool, arguments: self.earlier.take(
                tool, arguments, may_repeat=policy.may_repeat(tools.routes[tool].known)
            ),
            watch=lambda step, outcome, seconds: self.dialogue.watch(plan, step, outcome, seconds),
            stop_at_empty=self._replans_left,
        )

    @property
    def _replans_left(self) -> bool:
        return self.replan is not None and bool(self.request) and self.number < self.terms.replans

    async def _other_plan(self, plan: Plan, executor: Executor) -> Plan | None:
        """What the planner plans, told what is known; None if it may not be asked, or has no other plan."""
        if not self._replans_left or self.replan is None or time.monotonic() > self.deadline:
            return None
        quoted = quote_progress(self.request, plan, self.terms.policy, executor.results, executor.failures)
        new = await self.replan(quoted.text)
        if new is None or not new.steps or new == plan or new.problems(self.catalogue):
            return None
        self.before = Before(self.before.made, self.before.shown | quoted.shown)
        return new

    def _remember(self, events: Sequence[Mapping[str, Any]], executor: Executor) -> None:
        """Note the calls of a plan whose place another one takes."""
        steps = [*self.resumed, *(event for event in events if "step" in event)]
        self.earlier.add(steps, executor.calls)
        first = (event["tool"] for event in steps if event["event"] == "call" and event["attempt"] == 1)
        self.before = Before(Counter(self.before.made) + Counter(first), self.before.shown)
        self.resumed = []

    async def _repair(self, plan: Plan) -> Execution:
        """The execution of another plan, after the same check; what is done is neither asked about nor denied."""
        self.number += 1
        async with self._tools(plan) as tools:
            done = self._done(plan, tools)
            decision = self._judged(plan, tools, done)
            known: dict[str, Any] = {"number": self.number, "shown": sorted(self.before.shown)}
            self.trace.write("plan", plan=plan.to_json(), verdicts=decision.to_json(), **known)
            for step, result in done.items():
                self.trace.write("reused", number=self.number, step=step, result=result.to_json())
            return await self._go_on(plan, decision, tools, done, "")

    def _done(self, plan: Plan, tools: OpenedTools) -> dict[int, ToolResult]:
        """The results of steps without references that are calls of an earlier plan."""
        done: dict[int, ToolResult] = {}
        for number, step in enumerate(plan.steps):
            if not [*step.references()]:
                arguments = resolve(number, step, tools.routes[step.tool].known.tool, {})
                result = self.earlier.take(step.tool, arguments, may_repeat=True)
                if result is not None:
                    done[number] = result
        return done

    def _judged(self, plan: Plan, tools: OpenedTools, reused: Iterable[int]) -> Decision:
        """The decision about a plan. The calls of its reused steps were made before, and count once."""
        made = Counter(self.before.made) - Counter(plan.steps[number].tool for number in reused)
        return judge(plan, self.terms.policy, tools.known, Before(made, self.before.shown))

    @asynccontextmanager
    async def _tools(self, plan: Plan) -> AsyncIterator[OpenedTools]:
        """The tools of the plan, open, after the check that it is valid for them as they are now."""
        async with self.toolbox.opened(plan, self.catalogue, self.terms.policy, dry_run=self.terms.dry_run) as tools:
            tools.check(plan)
            yield tools

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.trace.close()

    def _may_run(self, decision: Decision, results: Mapping[int, ToolResult], doubts: str) -> bool:
        """Whether the user says yes to all that is to be asked."""
        asked = [step for step in decision.steps if step.verdict == "ask" and step.step not in results]
        steps = ", ".join(f"{step.step + 1} ({step.tool})" for step in asked)
        return (not doubts or self._ask(doubts, self.dialogue.repeat)) and (
            not asked or self._ask(f"Run step{'s' * (len(asked) > 1)} {steps}?", self.dialogue.confirm)
        )

    def _ask(self, question: str, answer: Callable[[str], bool]) -> bool:
        asked = time.monotonic()
        yes = answer(question)
        self.deadline += time.monotonic() - asked  # whoever answers may take their time
        self.trace.write("answer", question=question, yes=yes)
        return yes

    def _end(
        self,
        plan: Plan,
        decision: Decision,
        ended: Ended,
        results: Mapping[int, ToolResult],
        failures: "tuple[Failure, ...] | list[Failure]",
    ) -> Execution:
        seconds = time.monotonic() - self.started
        self.trace.write("end", to_disk=True, ended=ended, seconds=round(seconds, 4))
        events = tuple(self.trace.events)
        return Execution(plan, decision, ended, results, tuple(failures), seconds, self.trace.path, events)
