"""BackEnd: what has tools and runs calls of them, and how a call fails."""

from collections.abc import Mapping
from typing import Any, Protocol

from platypus.execution.results import FailureKind, ToolResult

WORDS = ("description", "title", "examples", "default")  # keys that change nothing about what a schema allows
NAMED = ("properties", "$defs")


def without_words(data: Any) -> Any:
    """A schema, annotations or a whole definition of a tool: what decides how it is called and judged."""
    if isinstance(data, list):
        return [without_words(part) for part in data]
    if not isinstance(data, Mapping):
        return data
    return {
        key: {name: without_words(part) for name, part in value.items()} if key in NAMED else without_words(value)
        for key, value in data.items()
        if key not in WORDS
    }


class CallFailed(Exception):
    """A call without a usable result: its kind, what happened, and whether to try again may help.

    `unsent`: it was surely not done. `lost`, `timeout`, `cancelled`: nobody knows. `refused`, `error`: the other side
    says that it failed. `garbage`, `size`: the answer cannot be used. `misfit`: an argument cannot be made.
    """

    def __init__(self, kind: FailureKind, what: str, *, may_help: bool = False) -> None:
        super().__init__(what)
        self.kind, self.what, self.may_help = kind, what, may_help


class BackEnd(Protocol):
    """What has tools. `name` is the one in messages, and by which a policy trusts it.

    `prefix` stands before the names of its tools in a catalogue of several servers.
    """

    name: str
    prefix: str

    def may_have(self, tool: str) -> bool:
        """Whether it has a tool of this name, as far as that is known before it is opened."""

    async def open(self) -> None:
        """Make it ready. Raises PlatypusError if that is not possible."""

    def definitions(self) -> Mapping[str, Any] | None:
        """Name → MCP definition of its tools as they are now; None if it has only names."""

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """The result of a call. Raises CallFailed. When it is cancelled, nobody knows whether it was done."""

    async def close(self) -> None:
        """End it."""
