"""`examples/run_it.py` runs as it is, over the work tracker's MCP server, which has the catalogue's tools."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.execution.results import ToolResult
from platypus.execution.trace import read_trace
from tests.support.command import ROOT

pytest.importorskip("mcp")
TRACKER = ROOT / "examples" / "worktracker"


def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("run_it", ROOT / "examples" / "run_it.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    done = module.main(tmp_path / "t.jsonl")
    assert done.done and done.results[2] == ToolResult(text='["ISS-14", "TKT-101", "ISS-52", "TASK-3"]')
    assert read_trace(tmp_path / "t.jsonl").ended == "done"
    assert capsys.readouterr().out.splitlines()[0] == "allow  who_am_i  (default: it only reads)"


def test_what_is_missing_or_there_already_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").touch()
    for words, what in ([], "the following arguments are required: trace"), ([tmp_path / "t.jsonl"], "exists already"):
        command = [sys.executable, str(ROOT / "examples" / "run_it.py"), *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert ran.returncode != 0 and what in ran.stderr and "Traceback" not in ran.stderr


def test_the_server_has_the_tools_of_the_catalogue() -> None:
    served = read_catalogue(f"mcp:{sys.executable} {TRACKER / 'server.py'}")
    for tool in read_catalogue(TRACKER / "catalogue.json"):
        known = served.tool(tool.name)
        assert known and (known.arguments, known.annotations) == (tool.arguments, tool.annotations), tool.name
