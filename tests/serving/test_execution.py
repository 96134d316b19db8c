"""/v1/execute and the tool `execute`: only behind the switch, only by the policy, nobody to ask."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mcp.client.client import Client

from platypus.errors import ExecutionError, RunError
from platypus.execution.trace import read_trace
from platypus.inference.planner import Answer
from platypus.plan.plan import Plan, plan_from_json
from platypus.run.folder import Run
from platypus.serving.api import make_app
from platypus.serving.errors import ApiError
from platypus.serving.execution import ExecuteRequest, check_execution, execute_request
from platypus.serving.mcp_server import mcp_server
from platypus.serving.planners import Planners, Served
from platypus.serving.server import Options, Server
from tests.support.command import CRM, write_recipe

TOOLS = '"""Boats."""\n\ndef find_boat(name: str) -> str:\n    """Find a boat."""\n    return name + "-1"\n'
PLAN = [{"tool_name": "find_boat", "arguments": [{"argument_name": "name", "argument_value": "Ada"}]}]


def served(folder: Path, *, allow: bool = True) -> Served:
    (folder / "boats.py").write_text(TOOLS)
    tables = "[execute]\nallow = ['find_*']\n" if allow else ""
    run = Run.open(folder / "run", recipe=write_recipe(folder, catalogue=folder / "boats.py", tables=tables))
    prompt = SimpleNamespace(catalogue=run.catalogue)
    planner: Any = SimpleNamespace(prompt=prompt, dated=lambda request: request.replace("tomorrow", "on 2026-12-01"))
    return Served("boats", planner, folder / "corrections.jsonl", run)


class Asked:
    """Answers each request with the plan."""

    def __init__(self, *, sure: bool = True) -> None:
        self.sure = sure

    async def choices(self, one: Served, question: Any) -> list[Any]:
        plan = plan_from_json(PLAN, one.catalogue)
        assert isinstance(plan, Plan)
        answer = Answer(question.request, plan, str(plan), 9, 3, "model", 0.5, 0.5, self.sure)
        return [SimpleNamespace(plan=plan, answer=answer)]


def asked(one: Served, asking: Any = None, **body: Any) -> dict[str, Any]:
    return asyncio.run(execute_request(ExecuteRequest(**body), one, asking or Asked()))


def test_a_request_and_a_plan_are_run(tmp_path: Path) -> None:
    one = served(tmp_path)
    answer = asked(one, request="Find Ada")
    assert (answer["ended"], answer["results"], answer["plan"]) == ("done", {"0": {"structured": "Ada-1"}}, PLAN)
    assert answer["confidence"] == 0.5 and Path(answer["trace"]).parent == tmp_path / "run" / "traces"
    assert answer["read_as"] == "Find Ada"
    trace = asked(one, request="Find Ada tomorrow")["trace"]  # it may be gone on with on another day
    assert read_trace(Path(trace)).start["request"] == "Find Ada on 2026-12-01"
    assert asked(one, plan=PLAN)["ended"] == "done"
    assert asked(one, plan=PLAN, dry_run=True)["trace"] is None


def test_what_would_be_asked_about_is_not_run(tmp_path: Path) -> None:
    answer = asked(served(tmp_path, allow=False), plan=PLAN)
    assert (answer["ended"], answer["results"], answer["decision"][0]["rule"]) == ("refused", {}, "otherwise: ask")


def test_the_policy_of_now_counts(tmp_path: Path) -> None:
    one = served(tmp_path)
    assert one.run is not None and asked(one, plan=PLAN)["ended"] == "done"
    recipe = one.run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("allow = ['find_*']", "deny = ['find_*']"))
    assert asked(one, plan=PLAN)["ended"] == "denied"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({}, "say either a request or a plan"),
        ({"request": "a", "plan": []}, "say either a request or a plan"),
        ({"request": " "}, "is empty"),
        ({"plan": [{"tool_name": "fly", "arguments": []}]}, "is not valid: step 1: no tool is named"),
    ],
)
def test_bodies_that_are_refused(tmp_path: Path, body: dict[str, Any], what: str) -> None:
    with pytest.raises(ApiError, match=what):
        asked(served(tmp_path), **body)


def test_a_plan_that_the_planner_is_not_sure_of_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="not sure of its plan"):
        asked(served(tmp_path), Asked(sure=False), request="Find Ada")


def test_a_server_that_could_run_nothing_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = served(tmp_path)
    base = Served("base", one.planner, tmp_path / "c.jsonl")
    with pytest.raises(RunError, match="nothing to run plans with: 'base' is no run with tools of its own"):
        check_execution([base])
    check_execution([one, base])
    assert "'base' is no run with tools of its own" in capsys.readouterr().err
    (tmp_path / "crm").mkdir()
    recipe = write_recipe(tmp_path / "crm", catalogue=CRM)
    run = Run.open(tmp_path / "crm" / "run", recipe=recipe)
    planner: Any = SimpleNamespace(prompt=SimpleNamespace(catalogue=run.catalogue))
    with pytest.raises(ExecutionError, match="but not where they run"):
        check_execution([one, Served("crm", planner, tmp_path / "c.jsonl", run)])
    recipe.write_text(recipe.read_text() + "[execute]\nsources = ['boats.py']\ndeny = ['serch']\n")
    (tmp_path / "crm" / "boats.py").write_text(TOOLS)
    run = Run.open(tmp_path / "crm" / "run", recipe=recipe)
    with pytest.raises(ExecutionError, match="did you mean 'search'"):
        check_execution([Served("crm", planner, tmp_path / "c.jsonl", run)])


def test_what_is_no_run_runs_nothing(tmp_path: Path) -> None:
    one = Served("base", served(tmp_path).planner, tmp_path / "c.jsonl")
    with pytest.raises(ApiError, match="it is not known what runs them"):
        asked(one, plan=PLAN)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_endpoint_is_there_only_with_the_switch(tmp_path: Path, enabled: bool) -> None:
    options = Options(hosts=None, quiet=True, execute=enabled)
    app = make_app(Server(Planners([served(tmp_path)], room=1), options))
    answer = TestClient(app).post("/v1/execute", json={"plan": PLAN})
    if enabled:
        assert (answer.status_code, answer.json()["ended"]) == (200, "done")
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_enabled")


@pytest.mark.parametrize("enabled", [True, False])
def test_the_tool_of_mcp(tmp_path: Path, enabled: bool) -> None:
    one = served(tmp_path)
    planners = SimpleNamespace(served={"boats": one}, default=one, named=lambda model: one)
    server: Any = SimpleNamespace(
        options=SimpleNamespace(execute=enabled), planners=planners, asking=Asked(), limits=SimpleNamespace(choices=5)
    )

    async def spoken() -> None:
        async with Client(mcp_server(server)) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["plan", "execute"][: 1 + enabled]
            done = await client.call_tool("execute", {"request": "Find Ada"})
            assert done.is_error is not enabled
            if enabled:
                assert done.structured_content["results"] == {"0": {"structured": "Ada-1"}}
                assert (await client.call_tool("execute", {"plan": "x"})).is_error

    asyncio.run(spoken())
