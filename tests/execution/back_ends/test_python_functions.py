"""Python functions as a back end: hints, results as JSON, errors, async ones."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from platypus.catalogue.sources.source import Source
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.back_ends.python_functions import PythonBackEnd
from platypus.execution.results import ToolResult


@dataclass
class Boat:
    name: str
    built: date


def build(boat: Boat, /, *, count: int = 1) -> list[Boat]:
    return [boat] * count


async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited"


def sink() -> None:
    raise LookupError("no boat")


def half(boat: str) -> None:
    TypeAdapter(int).validate_python(boat)


def circle() -> list[Any]:
    around: list[Any] = []
    around.append(around)
    return around


FAILING = {"sink": sink, "half": half, "circle": circle, "odd": lambda: object(), "end": sys.exit}
BACK_END = PythonBackEnd({"build": build, "wait": wait, **FAILING})


def call(name: str, **arguments: Any) -> ToolResult:
    return asyncio.run(BACK_END.call(name, arguments))


def test_arguments_become_what_the_hints_say_and_results_json() -> None:
    boat = {"name": "Ada", "built": "2026-01-31"}
    assert call("build", boat=boat, count=2) == ToolResult([boat, boat])
    assert call("wait", seconds=0) == ToolResult("waited")


def test_what_a_function_raises_is_an_error_result() -> None:
    assert call("sink") == ToolResult(text="LookupError: no boat", is_error=True)
    assert call("end") == ToolResult(text="SystemExit: ", is_error=True)


def test_what_fails_a_check_within_the_function_was_begun() -> None:
    assert call("half", boat="x").text.startswith("ValidationError: 1 validation error for int")
    with pytest.raises(CallFailed, match="the function does not take that"):
        call("half", boat=7)


def test_nothing_waits_for_a_function_that_goes_on(tmp_path: Path) -> None:
    program = """
import asyncio, sys, time
from platypus.execution.back_ends.python_functions import PythonBackEnd
async def main():
    back_end = PythonBackEnd({"sleep": lambda: time.sleep(60)})
    try:
        async with asyncio.timeout(0.1):
            await back_end.call("sleep", {})
    except TimeoutError:
        print("left")
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "left\n"


def test_what_it_does_not_take_and_what_is_no_json() -> None:
    with pytest.raises(CallFailed, match="the function does not take that") as refused:
        call("build", boat={"name": "Ada"})
    assert refused.value.kind == "unsent"
    with pytest.raises(CallFailed, match="is not JSON"):
        call("odd")
    with pytest.raises(CallFailed, match="is not JSON"):
        call("circle")


def test_the_functions_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "boats.py"
    path.write_text("def moor(boat: str) -> str:\n    return boat + ' moored'\n\ndef _no() -> None: ...\n")
    back_end = PythonBackEnd.of(Source(str(path)))
    assert back_end.may_have("moor") and not back_end.may_have("_no") and back_end.definitions() is None
    assert asyncio.run(back_end.call("moor", {"boat": "Ada"})) == ToolResult("Ada moored")
