"""Executor: the steps of one plan, run as soon as they may, each event of it in the trace.

A step waits for the steps that it refers to. Steps that only read run at once; a step that may change something keeps
its place in the plan, since the order of changes can matter without any reference (`at_once = "all"` gives that up).
After the first failure nothing new begins; what is under way is awaited.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from platypus.catalogue.schema import literal_problem
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.policy import Policy
from platypus.execution.references import Misfit, resolve
from platypus.execution.results import MISSING, FailureKind, ToolResult
from platypus.execution.toolbox import OpenedTools
from platypus.execution.trace import Trace
from platypus.plan.plan import Plan

BACKOFF = 0.2  # seconds before the first repetition; then twice as many each time
SHOWN = 400  # letters of a tool's error


@dataclass(frozen=True)
class Limits:
    """Limits of an execution: `seconds` of the whole, `timeout` of a call, repetitions of calls that may be repeated,
    bytes of a result, and calls at a time.

    `error_texts`: pattern of tools → a regular expression; a result in whose text it is found is an error, for servers
    that tell errors as if they were results.
    """

    seconds: float = 600.0
    timeout: float = 60.0
    retries: int = 2
    result_bytes: int = 1 << 20
    concurrency: int = 16
    at_once: Literal["reads", "all"] = "reads"
    error_texts: Mapping[str, str] = field(default_factory=dict)

    def tells_error(self, tool: str, result: ToolResult) -> bool:
        """Whether the result of this tool is an error."""
        texts = (text for pattern, text in self.error_texts.items() if fnmatchcase(tool, pattern))
        return result.is_error or any(re.search(text, result.words) for text in texts)


@dataclass(frozen=True)
class Failure:
    """Why a step has no result. `step` counts from 0."""

    step: int
    tool: str
    kind: FailureKind
    what: str

    def __str__(self) -> str:
        return self.what if self.kind == "misfit" else f"step {self.step + 1} ({self.tool}): {self.what}"

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {"step": self.step, "tool": self.tool, "kind": self.kind, "what": self.what}


@dataclass
class Executor:
    """One plan under way. `results` are those that are there already; `number` is the plan's in the trace.

    `reuse` gives the result of a call that was made for an earlier plan, or raises CallFailed if it may not be made
    again. `watch` is told of every step that ends. `stop_at_empty`: stop where a result that later steps need is empty.
    """

    plan: Plan
    tools: OpenedTools
    policy: Policy
    limits: Limits
    trace: Trace
    number: int = 0
    deadline: float = float("inf")
    results: dict[int, ToolResult] = field(default_factory=dict)
    reuse: Callable[[str, dict[str, Any]], ToolResult | None] = lambda tool, arguments: None
    watch: Callable[[int, ToolResult | Failure, float], None] = lambda step, outcome, seconds: None
    stop_at_empty: bool = False
    failures: list[Failure] = field(default_factory=list)
    empty: int | None = None
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)

    async def run(self) -> None:
        """Run all steps that have no result yet, until the end or the first failure."""
        waits = self._waits()
        pending = [number for number in range(len(self.plan)) if number not in self.results]
        running: dict[asyncio.Task[None], int] = {}
        if self.stop_at_empty:
            self.empty = next(filter(self._is_lacking, self.results), None)
        try:
            while True:
                stopped = bool(self.failures) or self.empty is not None
                for number in [] if stopped else list(pending):
                    if len(running) < self.limits.concurrency and waits[number] <= self.results.keys():
                        pending.remove(number)
                        running[asyncio.create_task(self._step(number))] = number
                if not running:
                    return
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    running.pop(task)
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _waits(self) -> list[set[int]]:
        """For each step, the earlier ones that must be done first."""
        waits: list[set[int]] = [set(needed) for needed in self.plan.dependencies()]
        if self.limits.at_once == "reads":
            reads = [self.tools.routes[step.tool].known.hint("readOnlyHint") for step in self.plan]
            for number, only_reads in enumerate(reads):
                waits[number] |= {earlier for earlier in range(number) if not (only_reads and reads[earlier])}
        return waits

    async def _step(self, number: int) -> None:
        step, started = self.plan.steps[number], time.monotonic()
        known = self.tools.routes[step.tool].known
        try:
            arguments = self.calls[number] = resolve(number, step, known.tool, self.results)
        except Misfit as error:
            self._fail(number, "misfit", str(error), started)
            return
        try:
            before = self.reuse(step.tool, arguments)
        except CallFailed as error:
            self._fail(number, error.kind, error.what, started)
            return
        if before is not None:
            self.trace.write("reused", number=self.number, step=number, result=before.to_json())
            self._end(number, before, started)
            return
        attempt = 1
        while True:
            try:
                result = await self._call(number, attempt, arguments)
            except CallFailed as error:
                wait = BACKOFF * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
                is_allowed = error.kind == "unsent" or self.policy.may_repeat(known)
                is_left = attempt <= self.limits.retries and time.monotonic() + wait < self.deadline
                if not (error.may_help and is_allowed and is_left):
                    self._fail(number, error.kind, error.what, started)
                    return
                self._note(number, error.kind, error.what, started)
                await asyncio.sleep(wait)
                attempt += 1
            else:
                self._accept(number, result, started)
                return

    async def _call(self, number: int, attempt: int, arguments: Mapping[str, Any]) -> ToolResult:
        """The result of one call. Raises CallFailed; notes in the trace when it is cancelled."""
        tool, now = self.plan.steps[number].tool, time.monotonic()
        seconds, over = self.deadline - now, f"the time of the whole plan is over (`seconds` = {self.limits.seconds:g})"
        if seconds <= 0:
            raise CallFailed("unsent", over)
        what = f"no answer yet, and {over}"
        if self.limits.timeout < seconds:
            seconds, what = self.limits.timeout, f"no answer in time (`timeout` = {self.limits.timeout:g} s)"
        where = {"number": self.number, "step": number}
        self.trace.write(
            "call", to_disk=self._changes(number), **where, attempt=attempt, tool=tool, arguments=arguments
        )
        try:
            async with asyncio.timeout(seconds):
                return await self.tools.call(tool, arguments)
        except TimeoutError as error:
            raise CallFailed("timeout", what, may_help=True) from error
        except asyncio.CancelledError:
            self._note(number, "cancelled", "it was cancelled, and nobody knows whether it was done", now)
            raise

    def _accept(self, number: int, result: ToolResult, started: float) -> None:
        """A result that came: an error, too large, or the step is done."""
        if self.limits.tells_error(self.plan.steps[number].tool, result):
            self._fail(number, "error", f"the tool says: {result.text[:SHOWN] or result.shown(SHOWN)}", started)
            return
        size = result.size
        if size > self.limits.result_bytes:
            limit = f"more than the limit of {self.limits.result_bytes:,} (`max_result_kb`)"
            self._fail(number, "size", f"it was done, but its result has {size:,} bytes, {limit}", started)
            return
        seconds = round(time.monotonic() - started, 4)
        note = self._lie(number, result)
        noted: dict[str, Any] = {"note": note} if note else {}
        self.trace.write(
            "result",
            number=self.number,
            step=number,
            seconds=seconds,
            result=result.to_json(),
            **noted,
        )
        self._end(number, result, started)

    def _changes(self, number: int) -> bool:
        """Whether the step may not be repeated."""
        return not self.policy.may_repeat(self.tools.routes[self.plan.steps[number].tool].known)

    def _lie(self, number: int, result: ToolResult) -> str:
        """What is to be said of a result that is not what the tool's output schema allows; what flows is checked."""
        schema = self.tools.routes[self.plan.steps[number].tool].known.tool.output
        if not schema or result.structured is MISSING or result.is_mock:
            return ""
        problem = literal_problem(schema, result.structured)
        return f"the tool's own output schema does not allow this result: {problem[:SHOWN]}" if problem else ""

    def _end(self, number: int, result: ToolResult, started: float) -> None:
        self.results[number] = result
        if self.stop_at_empty and self.empty is None and self._is_lacking(number):
            self.empty = number
        self.watch(number, result, time.monotonic() - started)

    def _is_lacking(self, number: int) -> bool:
        """Whether a step that has no result yet needs the result of this one, which is empty."""
        needs = (needed for step, needed in enumerate(self.plan.dependencies()) if step not in self.results)
        return self.results[number].is_empty and any(number in needed for needed in needs)

    def _note(self, number: int, kind: FailureKind, what: str, started: float) -> None:
        seconds = round(time.monotonic() - started, 4)
        self.trace.write("error", number=self.number, step=number, seconds=seconds, kind=kind, what=what)

    def _fail(self, number: int, kind: FailureKind, what: str, started: float) -> None:
        failure = Failure(number, self.plan.steps[number].tool, kind, what)
        self._note(number, kind, what, started)
        self.failures.append(failure)
        self.watch(number, failure, time.monotonic() - started)
