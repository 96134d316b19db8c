"""The command: whom it answers, how it ends, and MCP over standard input and output."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import anyio
import pytest
import torch
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from platypus.commands.serve import use_threads
from tests.support.command import ROOT, here

TOOLS = ROOT / "examples" / "worktracker" / "catalogue.json"
SERVE = ["-m", "platypus", "serve", "--catalogue", str(TOOLS), "--beams", "1"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}


def test_a_key_is_added_and_printed_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    added = here(capsys, "serve", "--keys", keys, "--add-key", "ann")
    assert added.code == 0 and added.out.startswith("pk-") and added.out.strip() not in keys.read_text()
    assert here(capsys, "serve", "--add-key", "ann").code == 2


def test_others_need_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    refused = here(capsys, "serve", "--host", "0.0.0.0")
    assert refused.code == 1 and "--keys FILE" in refused.err


def test_a_port_in_use_is_noticed_before_a_planner_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = here(capsys, "serve", "no/such/run", "--port", port)
    assert refused.code == 1 and f"127.0.0.1, port {port}: cannot be listened at" in refused.err


@pytest.mark.parametrize(
    ("cores", "allowed", "asked", "used"),
    [(1, 1, None, 1), (2, 2, None, 1), (8, 8, None, 7), (8, 2, None, 2), (8, 8, 3, 3), (2, 1, 2, 2)],
)
def test_a_core_is_left_to_those_who_ask(
    monkeypatch: pytest.MonkeyPatch, cores: int, allowed: int, asked: int | None, used: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr("platypus.commands.serve.cores", lambda: cores)
    try:
        torch.set_num_threads(allowed)  # as OMP_NUM_THREADS does
        use_threads(asked)
        assert torch.get_num_threads() == used
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_signal_to_end_lets_it_finish_what_it_accepted(tmp_path: Path) -> None:
    command = [sys.executable, *SERVE, "--port", "0", "--corrections", str(tmp_path / "c.jsonl")]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert server.stderr is not None
    try:
        line = server.stderr.readline()
        while "http://" not in line:
            line = server.stderr.readline()
        address = line.split(" at ")[1].split()[0]
        threading.Thread(target=server.stderr.read, daemon=True).start()
        answers: list[int] = []

        def ask() -> None:
            request = "List the work items that are owned by DEVU-7, then prioritize them"
            body = json.dumps({"request": request}).encode()
            asked = urllib.request.Request(f"{address}/v1/plan", body, {"content-type": "application/json"})
            with urllib.request.urlopen(asked, timeout=300) as answer:
                answers.append(len(json.load(answer)["plans"]))

        _wait(address)
        asking = [threading.Thread(target=ask) for _ in range(8)]
        for thread in asking:
            thread.start()
        _wait_open(address, 8)
        server.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join()
        assert answers == [1] * 8 and server.wait(timeout=60) in (0, -signal.SIGTERM)
    finally:
        server.kill()


def _wait(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=10)
            return
        except OSError:
            time.sleep(0.1)


def _wait_open(address: str, count: int) -> None:
    """Until so many requests were accepted, or some of them are answered already."""
    for _ in range(600):
        text = urllib.request.urlopen(f"{address}/metrics", timeout=60).read().decode()
        seen = [float(line.split()[1]) for line in text.splitlines() if line.startswith("platypus_open_requests ")]
        done = 'platypus_requests_total{endpoint="/v1/plan",status="200"}' in text
        if seen[0] >= count or done:
            return
        time.sleep(0.02)


@pytest.mark.slow
def test_mcp_over_standard_input_and_output() -> None:
    async def ask() -> list[str]:
        parameters = StdioServerParameters(command=sys.executable, args=[*SERVE, "--mcp"], env=ENVIRONMENT)
        async with Client(stdio_client(parameters)) as client:
            answer = await client.call_tool("plan", {"request": "List the work items that are owned by DEVU-7"})
            plans = (answer.structured_content or {})["plans"]
            return [step["tool_name"] for step in plans[0]["plan"]]

    assert anyio.run(ask) == ["works_list"]
