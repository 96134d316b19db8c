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
from pathlib import Path

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.execution.execution import Dialogue, Execution, Terms, execute_plan, resume
from platypus.execution.policy import Policy
from platypus.execution.toolbox import Toolbox
from platypus.execution.trace import read_trace
from platypus.plan.plan import Plan
from tests.support import faulty_server
from tests.support.command import ROOT
from tests.support.executions import Memory, Reference, plan

pytest.importorskip("mcp")
TERMS = Terms(Policy.of(allow=["*"], trusted=["*"]))
CATALOGUE = catalogue_from_json([faulty_server.DO, faulty_server.LOOK])


def steps(hanging: int) -> Plan:
    """Four steps, of which the one with this number never ends when it is called for the first time."""
    how = {number: {"how": "hang once"} if number == hanging else {} for number in (2, 3)}
    return plan(
        ("do", {"number": 1, "it": "one"}),
        ("do", {"number": 2, **how[2]}),
        ("look", {"number": 3, **how[3]}),
        ("do", {"number": 4, "it": Reference(0)}),
    )


def toolbox(folder: Path) -> Toolbox:
    words = [sys.executable, "-S", faulty_server.__file__, str(folder / "calls")]
    return Toolbox.of(["mcp:" + shlex.join(words)])


def killed_within(folder: Path, hanging: int) -> None:
    """Execute the plan in a process of its own, and kill it when the server has got the call that hangs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen([sys.executable, __file__, str(folder), str(hanging)], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 120
    try:
        while not ((folder / "calls").exists() and hanging in numbers(folder)):
            assert program.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert read_trace(folder / "t.jsonl").ended == ""


def go_on(folder: Path, *, repeat: bool = False) -> Execution:
    dialogue = Dialogue(repeat=lambda question: repeat)
    return asyncio.run(resume(folder / "t.jsonl", CATALOGUE, toolbox(folder), terms=TERMS, dialogue=dialogue))


def numbers(folder: Path) -> list[int]:
    return [json.loads(line)[1]["number"] for line in (folder / "calls").read_text().splitlines()]


def test_within_a_step_that_may_not_be_repeated(tmp_path: Path) -> None:
    killed_within(tmp_path, 2)
    assert list(read_trace(tmp_path / "t.jsonl").begun) == [1]
    assert go_on(tmp_path).ended == "refused" and numbers(tmp_path) == [1, 2]
    done = go_on(tmp_path, repeat=True)
    assert done.done and numbers(tmp_path) == [1, 2, 2, 3, 4] and len(done.results) == 4
    last = json.loads((tmp_path / "calls").read_text().splitlines()[-1])
    assert last == ["do", {"number": 4, "it": "one"}]  # the result of a step before the end, from the trace


def test_within_a_step_that_may(tmp_path: Path) -> None:
    killed_within(tmp_path, 3)
    assert go_on(tmp_path).done and numbers(tmp_path) == [1, 2, 3, 3, 4]


def test_at_every_line_of_a_trace_and_in_the_middle_of_it(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    assert execute_plan(steps(0), CATALOGUE, Memory().toolbox, terms=TERMS, trace=trace).done
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
    execute_plan(steps(int(sys.argv[2])), CATALOGUE, toolbox(place), terms=TERMS, trace=place / "t.jsonl")
