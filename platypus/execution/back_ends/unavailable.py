"""A back end that cannot be used, since its entry in a configuration lacks something: only plans that need it stop."""

from collections.abc import Mapping
from typing import Any

from platypus.errors import PlatypusError
from platypus.execution.results import ToolResult


class UnavailableBackEnd:
    """A server that cannot be reached, and why."""

    def __init__(self, name: str, error: PlatypusError, *, prefix: str = "") -> None:
        self.name, self.error, self.prefix = name, error, prefix

    def may_have(self, tool: str) -> bool:
        """Whether the tool's name begins as those of this server do."""
        return tool.startswith(self.prefix)

    async def open(self) -> None:
        """Raises the error."""
        raise self.error

    def definitions(self) -> Mapping[str, Any]:
        """None of its tools can be called."""
        return {}

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Raises the error."""
        raise self.error

    async def close(self) -> None:
        """Nothing."""
