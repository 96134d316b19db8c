"""A back end that calls nothing: its results are made up, of the types that the catalogue gives."""

from collections.abc import Mapping
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.execution.mock_values import mock_value
from platypus.execution.results import ToolResult

DRY_RUN = "dry run"


class DryRunBackEnd:
    """The tools of a catalogue, none of which is called."""

    name, prefix = DRY_RUN, ""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def may_have(self, tool: str) -> bool:
        """Whether the catalogue has it."""
        return self.catalogue.tool(tool) is not None

    async def open(self) -> None:
        """Nothing."""

    def definitions(self) -> None:
        """None: they are those of the catalogue."""

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """A made-up result of the tool's output schema."""
        known = self.catalogue.tool(tool)
        return ToolResult(mock_value(known.output if known else {}), is_mock=True)

    async def close(self) -> None:
        """Nothing."""
