"""Functions of a Python file or module as a back end. They run in this process: in threads, unless they are async.

Arguments become what the hints say (dataclasses, models, enums, dates), results become JSON. A function that has begun
cannot be stopped: after a timeout or Ctrl-C it goes on in its thread until the process ends, which waits for nothing.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial, wraps
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
        function, begun = self.tools[tool], threading.Event()

        @wraps(function)
        def noted(*given: Any, **named: Any) -> Any:
            begun.set()
            return function(*given, **named)

        parameters = inspect.signature(function).parameters.items()
        positional = [name for name, one in parameters if one.kind is one.POSITIONAL_ONLY and name in arguments]
        named = {name: value for name, value in arguments.items() if name not in positional}
        checked = partial(validate_call(noted), *(arguments[name] for name in positional), **named)
        is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        try:
            returned = await checked() if is_async else await _in_thread(checked)
        except (Exception, SystemExit) as error:  # whatever the user's code does
            if isinstance(error, ValidationError) and not begun.is_set():
                raise CallFailed("unsent", f"the function does not take that: {error.errors()[0]['msg']}") from error
            return ToolResult(text=f"{type(error).__name__}: {error}", is_error=True)
        try:
            return ToolResult(to_jsonable_python(returned, inf_nan_mode="null"))
        except (PydanticSerializationError, ValueError) as error:
            raise CallFailed("garbage", f"what the function returns is not JSON: {error}") from error

    async def close(self) -> None:
        """Nothing."""


async def _in_thread(function: Callable[[], Any]) -> Any:
    """What the function returns, run in a thread that the end of the process does not wait for."""
    outcome: Future[Any] = Future()

    def work() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # handed on
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()  # so that a cancelled call leaves it to the thread
    threading.Thread(target=copy_context().run, args=(work,), daemon=True).start()
    return await asyncio.wrap_future(outcome)
