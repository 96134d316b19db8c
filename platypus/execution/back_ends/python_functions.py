"""Functions of a Python file or module as a back end. They run in this process: in threads, unless they are async.

Arguments become what the hints say (dataclasses, models, enums, dates), results become JSON. A function that has begun
cannot be stopped: after a timeout it goes on in its thread.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError, validate_call
from pydantic_core import PydanticSerializationError, to_jsonable_python

from platypus.catalogue.sources.python_functions import functions
from platypus.catalogue.sources.source import Source
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.results import ToolResult


class PythonBackEnd:
    """Functions by the names of their tools."""

    prefix = ""

    def __init__(self, tools: Mapping[str, Callable[..., Any]], name: str = "python") -> None:
        self.tools, self.name = tools, name

    @classmethod
    def of(cls, source: Source) -> "PythonBackEnd":
        """The functions of a source. Raises CatalogueError if it cannot be imported."""
        return cls(functions(source), source.where)

    def may_have(self, tool: str) -> bool:
        """Whether there is such a function."""
        return tool in self.tools

    async def open(self) -> None:
        """Nothing: they are imported."""

    def definitions(self) -> None:
        """None: a function's definition is that of the catalogue."""

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """What the function returns, as JSON. What it raises is an error result. Raises CallFailed."""
        function = self.tools[tool]
        positional = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and name in arguments
        ]
        named = {name: value for name, value in arguments.items() if name not in positional}
        given = [arguments[name] for name in positional]
        try:
            checked = validate_call(function)
            if inspect.iscoroutinefunction(inspect.unwrap(function)):
                returned = await checked(*given, **named)
            else:
                returned = await asyncio.to_thread(checked, *given, **named)
            return ToolResult(to_jsonable_python(returned, inf_nan_mode="null"))
        except ValidationError as error:
            raise CallFailed("unsent", f"the function does not take that: {error.errors()[0]['msg']}") from error
        except PydanticSerializationError as error:
            raise CallFailed("garbage", f"what the function returns is not JSON: {error}") from error
        except Exception as error:  # whatever the user's code does
            return ToolResult(text=f"{type(error).__name__}: {error}", is_error=True)

    async def close(self) -> None:
        """Nothing."""
