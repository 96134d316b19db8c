"""Toolboxes: which server has a tool, of one or several sources, and what is known of it then."""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import CatalogueError, ExecutionError
from platypus.execution.back_ends.unavailable import UnavailableBackEnd
from platypus.execution.policy import Policy
from platypus.execution.toolbox import OpenedTools, Reach, Toolbox
from platypus.plan.plan import Plan
from tests.support import faulty_server
from tests.support.command import CRM
from tests.support.executions import READS, TEXT, Memory, plan, tool, tools

FIND = tool("find", query=TEXT)


def opened(
    box: Toolbox, steps: Plan, catalogue: Catalogue, policy: Policy | None = None, **options: Any
) -> OpenedTools:
    async def inside() -> OpenedTools:
        async with box.opened(steps, catalogue, policy or Policy(), **options) as known:
            return known

    return asyncio.run(inside())


def test_a_server_that_lacks_a_variable_stops_only_plans_that_need_it(tmp_path: Path) -> None:
    words = [sys.executable, "-S", faulty_server.__file__, str(tmp_path / "calls")]
    entry = {"command": words[0], "args": words[1:]}
    servers = {"whole": entry, "lacking": {**entry, "env": {"TOKEN": "${PLATYPUS_NOT_SET}"}}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    box = Toolbox.of([str(tmp_path / "mcp.json")])
    catalogue = tools(*(tool(f"{name}__look") for name in servers))
    whole, lacking = plan(("whole__look", {})), plan(("whole__look", {}), ("lacking__look", {}))
    assert opened(box, whole, catalogue).routes["whole__look"].own_name == "look"
    assert opened(box, lacking, catalogue, dry_run=True).routes.keys() == {"whole__look", "lacking__look"}
    with pytest.raises(CatalogueError, match=r"server 'lacking': .*the environment variable PLATYPUS_NOT_SET"):
        opened(box, lacking, catalogue)


def test_a_source_that_does_not_start_stops_only_plans_that_need_it() -> None:
    there = Memory(listed={"look": tool("look")})
    box = Toolbox((UnavailableBackEnd("gone", CatalogueError("is gone", where="gone")), there))
    catalogue = tools(tool("look"), tool("other"))
    assert opened(box, plan(("look", {})), catalogue).routes["look"].back_end is there
    with pytest.raises(CatalogueError, match="gone: is gone"):
        opened(box, plan(("look", {}), ("other", {})), catalogue)


def test_only_the_servers_of_the_plan_are_opened() -> None:
    one, other = Memory(listed={"find": FIND}), Memory(listed={"send": tool("send")}, name="other")
    known = opened(Toolbox((one, other)), plan(("find", {})), tools(FIND, tool("send")))
    assert (one.open_count, other.open_count, known.routes["find"].back_end) == (1, 0, one)


def test_a_tool_of_one_of_several_servers_is_looked_for_there() -> None:
    listed = {"find": FIND}
    crew, boats = Memory(name="my crew", prefix="my_crew__", listed=listed), Memory(name="boats", prefix="boats__")
    entry = {**FIND, "name": "my_crew__find", "_meta": {"platypus/server": "my crew"}}
    catalogue = catalogue_from_json([entry, {**entry, "name": "boats__find", "_meta": {"platypus/server": "boats"}}])
    known = opened(Toolbox((boats, crew)), plan(("my_crew__find", {})), catalogue, Policy(trusted=("my*",)))
    route = known.routes["my_crew__find"]
    assert (route.back_end, route.own_name, route.known.trusted, boats.open_count) == (crew, "find", True, 0)
    alone = Memory(name="my crew", listed=listed)  # the other server is gone from the configuration, and the prefix too
    assert opened(Toolbox((alone,)), plan(("my_crew__find", {})), catalogue).routes["my_crew__find"].own_name == "find"
    with pytest.raises(ExecutionError, match="'boats__find' belongs to the server 'boats', which is not there"):
        opened(Toolbox((alone,)), plan(("boats__find", {})), catalogue)


def test_the_server_of_a_tool_is_kept_but_is_no_part_of_the_fingerprint() -> None:
    entry = {**FIND, "_meta": {"platypus/server": "crew", "other": 1}}
    catalogue = catalogue_from_json([entry])
    assert catalogue.tools[0].server == "crew" and catalogue == tools(FIND)
    assert catalogue.fingerprint == tools(FIND).fingerprint
    assert catalogue_from_json(catalogue.to_json()).tools[0].server == "crew"


def test_two_that_have_the_tool_and_none_that_has_it() -> None:
    one, other = Memory(listed={"find": FIND}, name="one"), Memory(listed={"find": FIND}, name="other")
    with pytest.raises(ExecutionError, match="one and other both have a tool 'find'"):
        opened(Toolbox((one, other)), plan(("find", {})), tools(FIND))
    assert (
        opened(Toolbox((one, other)), plan(("find", {})), tools(FIND), dry_run=True).routes["find"].known.server
        == "one"
    )
    with pytest.raises(ExecutionError, match=r"the tool 'send' is not there \(looked for at: one, other\)"):
        opened(Toolbox((one, other)), plan(("send", {})), tools(tool("send")))


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (FIND, False),
        ({**FIND, "description": "other words", "title": "Find"}, False),
        (tool("find", query={**TEXT, "description": "what", "examples": ["x"]}), False),
        (tool("find", query={**TEXT, "maxLength": 5}), True),
        (tool("find", query=TEXT, limit={"type": "integer"}), True),
        (tool("find", {**READS, "openWorldHint": True}, query=TEXT), True),
        (tool("find", {}, query=TEXT), True),
    ],
)
def test_what_counts_as_changed(now: dict[str, Any], changed: bool) -> None:
    known = opened(Toolbox((Memory(listed={"find": now}),)), plan(("find", {})), tools(FIND)).known["find"]
    assert known.changed is changed and known.tool.annotations == now["annotations"]


def test_an_operation_that_has_changed_is_marked(tmp_path: Path) -> None:
    pytest.importorskip("httpx2")
    path = tmp_path / "api.json"
    own = {"in": "path", "name": "id", "required": True, "schema": {"$ref": "#/components/schemas/Id"}}
    parts = {"servers": [{"url": "http://host"}], "components": {"schemas": {"Id": {**TEXT, "maxLength": 9}}}}

    def write(method: str) -> None:
        paths = {"/boats/{id}": {method: {"operationId": "boat", "parameters": [own]}}}
        path.write_text(json.dumps({"openapi": "3.1.0", **parts, "paths": paths}))

    write("get")
    catalogue = catalogue_from_json(json.loads(json.dumps(read_catalogue(path).to_json())))
    for method, changed in ("get", False), ("delete", True):
        write(method)
        known = opened(Toolbox.of([str(path)]), plan(("boat", {"id": "a"})), catalogue, Policy.of(trusted=["*"]))
        assert known.known["boat"].changed is changed


def test_a_tool_that_can_no_longer_be_used() -> None:
    broken = {
        **FIND,
        "inputSchema": {"type": "object", "properties": {"query": {"$ref": "#/$defs/none"}}, "required": ["query"]},
    }
    with pytest.raises(CatalogueError, match="It could be used when the plan was made"):
        opened(Toolbox((Memory(listed={"find": broken}),)), plan(("find", {})), tools(FIND))


def test_a_server_that_no_source_has() -> None:
    catalogue = Catalogue(tuple(replace(one, server="shop") for one in tools(FIND)))
    with pytest.raises(
        ExecutionError, match=r"'find' belongs to the server 'shop', which is not there \(there are: one"
    ):
        opened(Toolbox((Memory(listed={"find": FIND}, name="one"),)), plan(("find", {})), catalogue)


def test_a_list_of_definitions_runs_nothing() -> None:
    with pytest.raises(ExecutionError, match=r"catalogue\.json: tells what tools there are, but not where they run"):
        Toolbox.of([str(CRM)])


def test_what_servers_are_told_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", "from-the-environment")
    monkeypatch.setenv("PLACE", "/a/place")
    entry = {
        "command": "crm",
        "args": ["--key", "${CRM_TOKEN}", "${PLACE}"],
        "env": {"API_KEY": "written-there", "A": "plain"},
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"crm": entry}}))
    assert Toolbox.of([str(tmp_path / "mcp.json")]).secrets == {"from-the-environment", "written-there"}
    (tmp_path / "api.json").write_text(json.dumps({"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}}}}))
    reach = Reach(headers={"Authorization": "Bearer ${CRM_TOKEN}"})
    told = Toolbox.of([str(tmp_path / "api.json")], reach=reach).secrets
    assert told == {"from-the-environment", "Bearer from-the-environment"}


def test_servers_of_a_configuration(tmp_path: Path) -> None:
    """Two real servers with tools of the same names, read and then called."""
    pytest.importorskip("mcp")

    def entry(name: str) -> dict[str, Any]:
        return {"command": sys.executable, "args": ["-S", faulty_server.__file__, str(tmp_path / name)]}

    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"a b": entry("one"), "c": entry("two")}}))
    catalogue = read_catalogue(path)
    assert [one.server for one in catalogue][::3] == ["a b", "c"]

    async def called() -> None:
        async with Toolbox.of([str(path)]).opened(plan(("a_b__do", {}), ("c__do", {})), catalogue, Policy()) as known:
            await known.call("c__do", {"number": 2})
            await known.call("a_b__do", {"number": 1})

    asyncio.run(called())
    written = [(tmp_path / name).read_text() for name in ("one", "two")]
    assert [json.loads(text) for text in written] == [["do", {"number": 1}], ["do", {"number": 2}]]
