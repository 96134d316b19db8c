"""kill -9 within and between steps: nothing is done twice, nothing is lost.

Run as a program, it executes the plan of the test, which is then killed from outside.
"""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.execution.execution import Dialogue, Execution, Terms, execute_plan, resume
from platypus.execution.policy import Policy
from platypus.execution.toolbox import Toolbox
from platypus.execution.trace import read_trace
from tests.support import faulty_server
from tests.support.command import ROOT
from tests.support.executions import Memory, Reference, plan

pytest.importorskip("mcp")
TERMS = Terms(Policy.of(allow=["*"], trusted=["*"]))
CATALOGUE = catalogue_from_json([faulty_server.DO, faulty_server.LOOK])
PLAN = plan(
    ("do", {"number": 1, "it": "one"}),
    ("do", {"number": 2, "how": "wait"}),
    ("look", {"number": 3, "how": "wait"}),
    ("do", {"number": 4, "it": Reference(0)}),
)


def toolbox(folder: Path) -> Toolbox:
    words = [sys.executable, "-S", faulty_server.__file__, str(folder / "calls")]
    return Toolbox.of(["mcp:" + shlex.join(words)])


def killed_when(folder: Path, is_time: Callable[[list[Any]], bool]) -> None:
    """Execute the plan in a process of its own, and kill it when the events of its trace say so."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen([sys.executable, __file__, str(folder)], cwd=ROOT, env=environment)
    trace, deadline = folder / "t.jsonl", time.monotonic() + 120
    try:
        while not (trace.exists() and trace.read_bytes().count(b"\n") and is_time(read_trace(trace).events)):
            assert program.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert read_trace(trace).ended == ""


def go_on(folder: Path, *, repeat: bool = False) -> Execution:
    dialogue = Dialogue(repeat=lambda question: repeat)
    return asyncio.run(resume(folder / "t.jsonl", CATALOGUE, toolbox(folder), terms=TERMS, dialogue=dialogue))


def numbers(folder: Path) -> list[int]:
    return [json.loads(line)[1]["number"] for line in (folder / "calls").read_text().splitlines()]


def is_called(step: int) -> Callable[[list[Any]], bool]:
    return lambda events: any(event["event"] == "call" and event["step"] == step for event in events)


def test_within_a_step_that_may_not_be_repeated(tmp_path: Path) -> None:
    killed_when(tmp_path, is_called(1))
    assert list(read_trace(tmp_path / "t.jsonl").begun) == [1]
    before = numbers(tmp_path)
    assert go_on(tmp_path).ended == "refused" and numbers(tmp_path) == before
    done = go_on(tmp_path, repeat=True)
    assert done.done and numbers(tmp_path) == [*before, 2, 3, 4] and len(done.results) == 4
    last = json.loads((tmp_path / "calls").read_text().splitlines()[-1])
    assert last == ["do", {"number": 4, "it": "one"}]  # the result of a step before the end, from the trace


def test_within_a_step_that_may(tmp_path: Path) -> None:
    killed_when(tmp_path, is_called(2))
    before = numbers(tmp_path)
    assert go_on(tmp_path).done and numbers(tmp_path) == [*before, 3, 4]
    assert numbers(tmp_path).count(1) == numbers(tmp_path).count(2) == numbers(tmp_path).count(4) == 1


def test_at_every_line_of_a_trace_and_in_the_middle_of_it(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    assert execute_plan(PLAN, CATALOGUE, Memory().toolbox, terms=TERMS, trace=trace).done
    lines = trace.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        for cut in (b"", lines[count][: len(lines[count]) // 2]):
            trace.write_bytes(b"".join(lines[:count]) + cut)
            history, memory = read_trace(trace), Memory()
            in_doubt = history.begun.keys() - {2}  # step 3 only reads
            refused = asyncio.run(resume(trace, CATALOGUE, memory.toolbox, terms=TERMS))
            if in_doubt:
                assert refused.ended == "refused" and memory.called == []
                yes = Dialogue(repeat=lambda question: True)
                assert asyncio.run(resume(trace, CATALOGUE, memory.toolbox, terms=TERMS, dialogue=yes)).done
            else:
                assert refused.done
            missing = [number for number in range(4) if number not in history.results]
            assert [given["number"] - 1 for _, given in memory.called] == missing


if __name__ == "__main__":
    place = Path(sys.argv[1])
    execute_plan(PLAN, CATALOGUE, toolbox(place), terms=TERMS, trace=place / "t.jsonl")
