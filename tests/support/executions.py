"""Executions for tests: a catalogue, back ends in memory that keep what was called, and short ways to plans."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.results import ToolResult
from platypus.execution.toolbox import Toolbox
from platypus.plan.plan import Plan, Reference, Step, Value

READS = {"readOnlyHint": True}
CHANGES = {"readOnlyHint": False, "destructiveHint": False}
REPEATABLE = {**CHANGES, "idempotentHint": True}


def tool(name: str, annotations: Mapping[str, Any] = READS, **arguments: Any) -> dict[str, Any]:
    """A definition; arguments are schemas, none of them required."""
    schema = {"type": "object", "properties": arguments}
    return {"name": name, "description": name, "inputSchema": schema, "annotations": dict(annotations)}


def tools(*definitions: dict[str, Any]) -> Catalogue:
    """The catalogue of these definitions."""
    return catalogue_from_json(list(definitions))


def plan(*steps: tuple[str, dict[str, Value]]) -> Plan:
    """A plan of tools with their arguments; `Reference(0)` stands for an earlier output."""
    return Plan(tuple(Step(name, arguments) for name, arguments in steps))


@dataclass(eq=False)
class Memory:
    """A back end in memory: `answers` gives a result, a failure to raise, or a function of the arguments for each tool.

    A tool without an answer returns its arguments. `called` are the calls in the order in which they began.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    name: str = "memory"
    prefix: str = ""
    listed: Mapping[str, Any] | None = None
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    open_count: int = 0
    delay: float = 0.0

    def may_have(self, tool: str) -> bool:
        """Every tool, if none are listed."""
        return self.listed is None or tool in self.listed

    async def open(self) -> None:
        """Counted."""
        self.open_count += 1

    def definitions(self) -> Mapping[str, Any] | None:
        """As they were given."""
        return self.listed

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """The answer for the tool."""
        self.called.append((tool, dict(arguments)))
        if self.delay:
            await asyncio.sleep(self.delay)
        answer = self.answers.get(tool, ToolResult(dict(arguments)))
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(dict(arguments))
        if isinstance(answer, CallFailed):
            raise answer
        return answer if isinstance(answer, ToolResult) else ToolResult(answer)

    async def close(self) -> None:
        """Nothing."""

    @property
    def toolbox(self) -> Toolbox:
        """A toolbox of this back end alone."""
        return Toolbox((self,))


TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
__all__ = ["CHANGES", "READS", "REPEATABLE", "TEXT", "TEXTS", "Memory", "Reference", "plan", "tool", "tools"]
