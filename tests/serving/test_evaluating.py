"""`platypus evaluate --endpoint` asks `platypus serve` as it asks any other endpoint."""

import json
from pathlib import Path

import pytest

from tests.serving.conftest import WORKTRACKER
from tests.support.command import here


def call(tool: str, **arguments: object) -> dict[str, object]:
    named = [{"argument_name": name, "argument_value": value} for name, value in arguments.items()]
    return {"tool_name": tool, "arguments": named}


def test_it_scores_the_server_s_plans(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = [call("works_list", owned_by=["DEVU-7"]), call("prioritize_objects", objects="$$PREV[0]")]
    request = "List the work items that are owned by DEVU-7, then prioritize them"
    rows = [(request, plan), ("Book me a flight to Lisbon", [])]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"query": q, "plan": p}) + "\n" for q, p in rows))
    where = ["--data", tmp_path / "rows.jsonl", "--catalogue", WORKTRACKER, "--out", tmp_path / "out"]
    said = here(capsys, "evaluate", *where, "--endpoint", f"{address}/v1", "--model", "embedded", "--json")
    assert said.code == 0, said.err
    part = json.loads(said.out)["results"]["variants"]["embedded"]
    assert part["measures"]["valid"]["value"] == 1 and part["malformed"] == {}
    lines = [json.loads(line) for line in (tmp_path / "out" / "scores.jsonl").read_text().splitlines()]
    assert [step["tool_name"] for step in lines[0]["plan"]] == ["works_list", "prioritize_objects"]
    assert lines[0]["plan"][1] == plan[1]  # a reference comes through as one
