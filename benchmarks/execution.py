"""Plans run over real MCP servers: are their effects right? What does running cost beside the bare SDK?

    python benchmarks/execution.py install SERVERS           # five servers, at the versions of real_servers.toml
    python benchmarks/execution.py effects SERVERS           # 40 right plans, run by Platypus and by a naive loop
    python benchmarks/execution.py effects SERVERS --planner # the embedded base plans; wrong plan or wrong execution?
    python benchmarks/execution.py speed                     # calls at once, and what a call costs more than in the SDK
    python benchmarks/execution.py rules                     # 10,000 random plans and policies through the executor

`execution_requests.json` holds requests, their right plans and their right effects, written before any was run. Each
request gets a folder of its own with files, a repository, a database and a memory. Where `unchanged` is the effect, a
plan must stop: a file is missing, or the policy forbids a flow. The naive loop calls each step in order, puts the text
or structured content of results where references stand, and looks at nothing.
"""

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.real_tools import SERVERS, install
from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.sources.mcp_server import Server, open_session
from platypus.catalogue.sources.variables import Variables
from platypus.catalogue.tools import Catalogue
from platypus.errors import PlatypusError
from platypus.execution.execution import Terms, execute_plan
from platypus.execution.executor import Limits
from platypus.execution.policy import Policy
from platypus.execution.results import MISSING
from platypus.execution.toolbox import Toolbox
from platypus.inference.opening import UNTRAINED, open_untrained
from platypus.plan.notation import read_plan, readable
from platypus.plan.plan import Plan, Reference, Step
from platypus.reports import markdown_table
from platypus.run.recipe import Recipe

NAMES = ("filesystem", "git", "sqlite", "time", "memory")
REQUESTS = json.loads(Path(__file__).with_name("execution_requests.json").read_text(encoding="utf-8"))
Run = Callable[[Plan, Catalogue, Path, Policy], str]  # runs a plan; the texts of its results


# ---------------------------------------------------------------- the world of a request


def prepare(home: Path, servers: Path) -> None:
    """A folder with files, a repository, a database, a memory, and the configuration of the five servers."""
    files = {
        "notes/plan.md": "# Plan\nSail on Friday.\n",
        "notes/todo.txt": "Call Ada\nBuy rope\nPaint the boat\n",
        "notes/update.sql": "DELETE FROM boats",
        "data/config.json": '{"name": "demo", "port": 8080}\n',
        "repo/README.md": "# Boats\n",
        "memory.json": "\n".join(
            json.dumps({"type": "entity", "name": name, "entityType": "person", "observations": [what]})
            for name, what in (("Ada", "likes boats"), ("Grace", "likes maps"))
        ),
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    repo = home / "repo"
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.org"],
        ["add", "README.md"],
        ["commit", "--quiet", "--message=Initial commit"],
    ):
        subprocess.run(["git", "-C", str(repo), *words], check=True)
    (repo / "README.md").write_text("# Boats\nMore.\n", encoding="utf-8")
    with closing(sqlite3.connect(home / "data.db")) as database:
        database.execute("CREATE TABLE boats (name TEXT, length INTEGER)")
        database.executemany("INSERT INTO boats VALUES (?, ?)", [("Argo", 30), ("Beagle", 9), ("Calypso", 5)])
        database.commit()
    more = {
        "git": ["--repository", str(repo)],
        "filesystem": [str(home)],
        "sqlite": ["--db-path", str(home / "data.db")],
    }
    entries = {}
    for name in NAMES:
        programs = servers / name / ("node_modules/.bin" if "npm" in SERVERS[name] else "bin")
        environment = {"MEMORY_FILE_PATH": str(home / "memory.json")} if name == "memory" else {}
        program = str((programs / SERVERS[name]["command"][0]).absolute())
        entries[name] = {"command": program, "args": more.get(name, []), "env": environment, "cwd": str(home)}
    (home / "mcp.json").write_text(json.dumps({"mcpServers": entries}), encoding="utf-8")


def snapshot(home: Path) -> dict[str, str]:
    """All that can change: files but those of git's own, what git says, the database."""
    files = {
        str(path.relative_to(home)): path.read_text(encoding="utf-8", errors="replace")
        for path in home.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.suffix != ".db"
    }
    folders = {
        f"{path.relative_to(home)}/": "" for path in home.rglob("*") if path.is_dir() and ".git" not in path.parts
    }
    with closing(sqlite3.connect(home / "data.db")) as database:
        dump = "\n".join(database.iterdump())
    said = {" ".join(words): git(home, words) for words in (["log", "--all", "--format=%s"], ["status", "--short"])}
    return {**files, **folders, **said, "database": dump}


def git(home: Path, words: list[str]) -> str:
    """What git says, without white space around it."""
    command = ["git", "-C", str(home / "repo"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def is_right(effect: dict[str, Any], home: Path, before: dict[str, str], results: str) -> bool:
    """Whether the world and the results are as an effect says."""
    if "unchanged" in effect:
        return snapshot(home) == before
    if "result" in effect:
        return effect["result"] in results
    if "query" in effect:
        with closing(sqlite3.connect(home / "data.db")) as database:
            try:
                return [list(row) for row in database.execute(effect["query"])] == effect["rows"]
            except sqlite3.Error:
                return False
    if "git" in effect:
        return git(home, effect["git"]) == effect["out"]
    if "folder" in effect:
        return (home / effect["folder"]).is_dir()
    if "gone" in effect:
        return not (home / effect["gone"]).exists()
    file = home / effect["file"]
    text = file.read_text(encoding="utf-8") if file.is_file() else None
    if text is None:
        return False
    return text == effect.get("is", text) and effect.get("has", "") in text and effect.get("lacks", "\0") not in text


# ---------------------------------------------------------------- two ways to run a plan


def with_platypus(plan: Plan, catalogue: Catalogue, home: Path, policy: Policy) -> str:
    """The executor, with a trace."""
    box = Toolbox.of([str(home / "mcp.json")])
    trace = Path(tempfile.mkdtemp()) / "trace.jsonl"
    try:
        done = execute_plan(plan, catalogue, box, terms=Terms(policy, Limits(timeout=30)), trace=trace)
    except PlatypusError as error:
        return str(error)
    return "\n".join(json.dumps(result.to_json(), ensure_ascii=False) for result in done.results.values())


def naively(plan: Plan, catalogue: Catalogue, home: Path, policy: Policy) -> str:
    """Each step in order, whatever came before; no policy."""

    async def loop() -> str:
        outputs: list[Any] = []
        box = Toolbox.of([str(home / "mcp.json")])
        async with box.opened(plan, catalogue, policy) as tools:
            for step in plan:
                arguments = {name: _plainly(value, outputs) for name, value in step.arguments.items()}
                try:
                    result = await tools.call(step.tool, arguments)
                    outputs.append(result.text if result.structured is MISSING else result.structured)
                except Exception as error:
                    outputs.append(str(error))
        return "\n".join(json.dumps(output, ensure_ascii=False) for output in outputs)

    return asyncio.run(loop())


def _plainly(value: Any, outputs: list[Any]) -> Any:
    if isinstance(value, list):
        return [_plainly(one, outputs) for one in value]
    if not isinstance(value, Reference):
        return value
    data = outputs[value.step]
    for name in value.path:
        data = data.get(name, data) if isinstance(data, dict) else data
    return data


def effects(servers: Path, *, planner: bool) -> None:
    """How many requests have their right effects, in both ways; and with the plans of the embedded base."""
    rows, counts, wrong = [["request", "Platypus", "planned" if planner else "naive loop"]], {}, []
    asked: Any = None
    for number, request in enumerate(REQUESTS, 1):
        row = [f"{number}. {request['request'].replace('{home}/', '').replace('{home}', 'the folder')}"]
        right: dict[str, bool] = {}
        for name, run in {"Platypus": with_platypus, **({} if planner else {"naive loop": naively})}.items():
            right[name], _ = _one(request, servers, run, None)
        if planner:
            right["planned"], asked = _one(request, servers, with_platypus, asked, plans=True)
            if not right["planned"]:
                wrong.append("execution" if not right["Platypus"] else "plan")
        for name, is_so in right.items():
            counts[name] = counts.get(name, 0) + is_so
            row.append("yes" if is_so else "no")
        rows.append(row)
        print(*row, file=sys.stderr, flush=True)
    print(markdown_table(rows))
    print("\n" + "\n".join(f"{name}: {count} of {len(REQUESTS)}" for name, count in counts.items()))
    if planner:
        print(f"wrong: {wrong.count('plan')} by the plan, {wrong.count('execution')} by the execution")


def _one(request: dict[str, Any], servers: Path, run: Run, asked: Any, *, plans: bool = False) -> tuple[bool, Any]:
    """Whether one request has its effects; `asked` is the planner, which is opened once."""
    home = Path(tempfile.mkdtemp(prefix="platypus-")).resolve()
    try:
        prepare(home, servers)
        catalogue = _catalogue(home)
        policy = Policy.of(allow=["*"], trusted=["*"], never=request.get("never", ()))
        plan = read_plan(request["plan"].replace("{home}", str(home)), "calls", catalogue)
        assert isinstance(plan, Plan), (request["request"], plan)
        if plans:
            asked = asked or open_untrained(catalogue, Recipe(decode=UNTRAINED))
            (answer,) = asked.plan([request["request"].replace("{home}", str(home))])
            plan = answer.plan if isinstance(answer.plan, Plan) else Plan()
            print(readable(plan), file=sys.stderr)
        before = snapshot(home)
        results = run(plan, catalogue, home, policy)
        return all(is_right(effect, home, before, results) for effect in request["effects"]), asked
    finally:
        shutil.rmtree(home)


_CATALOGUES: dict[str, Catalogue] = {}


def _catalogue(home: Path) -> Catalogue:
    """The tools of the five servers, which are read once."""
    if "all" not in _CATALOGUES:
        _CATALOGUES["all"] = read_catalogue(home / "mcp.json")
    return _CATALOGUES["all"]


# ---------------------------------------------------------------- speed

SERVER = """
import anyio, sys
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
schema = {"type": "object", "properties": {"seconds": {"type": "number"}, "text": {}}}
tools = [types.Tool(name="wait", input_schema=schema, annotations=types.ToolAnnotations(read_only_hint=True)),
         types.Tool(name="change", input_schema=schema)]
async def list_tools(_, params): return types.ListToolsResult(tools=tools)
async def call_tool(_, params):
    await anyio.sleep(params.arguments.get("seconds", 0))
    return types.CallToolResult(content=[types.TextContent(text="done")])
server = Server("speed", on_list_tools=list_tools, on_call_tool=call_tool)
async def main():
    async with stdio_server() as (messages, answers):
        await server.run(messages, answers, server.create_initialization_options())
anyio.run(main)
"""
TOOLS = [
    {"name": name, "inputSchema": {"type": "object", "properties": {"seconds": {"type": "number"}, "text": {}}}}
    for name in ("wait", "change")
]


def speed(folder: Path, *, calls: int = 100, rounds: int = 5) -> None:
    """Eight calls of 200 ms at once; and calls one after another, beside the SDK alone, taking turns."""
    program = folder / "server.py"
    program.write_text(SERVER, encoding="utf-8")
    terms = Terms(Policy.of(allow=["*"], trusted=["*"], max_calls=1000))
    listed = [{**TOOLS[0], "annotations": {"readOnlyHint": True}}, TOOLS[1]]
    catalogue, box = catalogue_from_json(listed), Toolbox.of([f"mcp:{sys.executable} {program}"])

    def seconds(plan: Plan) -> float:
        from datetime import datetime

        trace = folder / f"{time.monotonic_ns()}.jsonl"
        done = execute_plan(plan, catalogue, box, terms=terms, trace=trace)
        assert done.done, done.failures
        times = [datetime.fromisoformat(event["at"]) for event in done.events if event["event"] in ("call", "result")]
        return (times[-1] - times[0]).total_seconds()

    def chain(tool: str) -> Plan:
        return Plan(tuple(Step(tool, {"text": Reference(i - 1)} if i else {}) for i in range(calls)))

    at_once = [seconds(Plan(tuple(Step("wait", {"seconds": 0.2}) for _ in range(8)))) for _ in range(rounds)]
    bare, reading, changing = list[float](), list[float](), list[float]()
    for _ in range(rounds):
        bare.append(asyncio.run(_bare(program, calls)) / calls)
        reading.append(seconds(chain("wait")) / calls)
        changing.append(seconds(chain("change")) / calls)
    print(f"8 calls of 200 ms: {median(at_once) * 1000:.0f} ms (median of {rounds})")
    print(f"a call, SDK alone: {median(bare) * 1000:.2f} ms (median of {rounds} times {calls})")
    for what, times in (("a call that may be repeated", reading), ("a call that may not, fsync before it", changing)):
        more = (median(times) - median(bare)) * 1000
        print(f"{what}: {median(times) * 1000:.2f} ms, {more:.2f} more")


async def _bare(program: Path, calls: int) -> float:
    where = str(program)
    server = Server(where, Variables(os.environ, where), (sys.executable, where))
    with open(os.devnull, "w") as log:
        async with open_session(server, log) as opened:
            await opened.session.list_tools()
            started = time.perf_counter()
            for _ in range(calls):
                await opened.session.call_tool("wait", {"text": "done"})
            return time.perf_counter() - started


def _servers(folder: Path) -> Iterator[str]:
    return (name for name in NAMES if not (folder / name).exists())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "effects"):
        commands.add_parser(name).add_argument("servers", type=Path)
    commands.choices["effects"].add_argument("--planner", action="store_true")
    commands.add_parser("speed")
    commands.add_parser("rules")
    given = parser.parse_args()
    match given.command:
        case "install":
            for name in _servers(given.servers):
                install(given.servers, name)
        case "effects":
            effects(given.servers, planner=given.planner)
        case "speed":
            with tempfile.TemporaryDirectory() as folder:
                speed(Path(folder))
        case "rules":
            from tests.execution.test_policy import test_no_denied_call_leaves_and_no_allowed_plan_is_refused

            test_no_denied_call_leaves_and_no_allowed_plan_is_refused(every=1)
            print("10,000 plans: every verdict as by the plain rules, no call of a plan that is not allowed")


if __name__ == "__main__":
    main()
