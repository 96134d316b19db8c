"""The tools of real MCP servers: records them, measures reading and generation on them, and scores requests for them.

    python benchmarks/real_tools.py install SERVERS             # the servers of real_servers.toml, at their versions
    python benchmarks/real_tools.py record SERVERS RECORDINGS   # their tools/list, one JSON file a server
    python benchmarks/real_tools.py report RECORDINGS           # a table: tools read, tokens, seconds
    python benchmarks/real_tools.py pairs RECORDINGS > pairs.md # pairs of request and plan, to be read by a person
    python benchmarks/real_tools.py tune RECORDINGS RUNS        # a run for each server of real_requests.json
    python benchmarks/real_tools.py score RECORDINGS [RUNS]     # its requests to the embedded base, or to these runs

`install` needs npm, `record` the package `mcp`. A server is only asked for its tools; with no network it lists them as
well. Nothing recorded is kept in the project. The runs learn from 1,000 generated examples each
(recipes/seed-generated.toml); the requests were written before any model had answered them.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from textwrap import shorten
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeds import toml, with_settings
from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue, Tool
from platypus.data.dataset import Example
from platypus.errors import PlatypusError
from platypus.evaluation.metrics import Score, score
from platypus.generation.examples import generate_examples
from platypus.inference.opening import open_planner, open_untrained
from platypus.inference.planner import Planner
from platypus.plan.notation import print_plan, readable
from platypus.plan.plan import Malformed, Plan, Problem, plan_from_json
from platypus.prompt.catalogue_text import Rendering, render_catalogue
from platypus.reports import markdown_table
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import DecodeSettings, GenerateSettings

FOLDER = Path(__file__).parent
RECIPE = FOLDER.parent / "recipes" / "seed-generated.toml"
SERVERS: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "real_servers.toml").read_text(encoding="utf-8"))
SECONDS = 30  # until a server must have listed its tools
EXAMPLES = 200


def install(folder: Path, name: str) -> None:
    """Install one server into a folder of its own, without its packages' install scripts."""
    server, place = SERVERS[name], folder / name
    if "npm" in server:
        place.mkdir(parents=True)
        flags = ["--ignore-scripts", "--no-audit", "--no-fund"]
        command = ["npm", "install", "--prefix", str(place), *flags, server["npm"]]
    else:
        venv.create(place, with_pip=True)
        command = [str(place / "bin" / "pip"), "install", "--quiet", *server["pip"]]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        shutil.rmtree(place)  # so that the next `install` tries again
        raise


def record(folder: Path, name: str) -> dict[str, Any]:
    """The result of a server's tools/list, all pages in one. TimeoutError after `SECONDS` seconds."""
    import anyio
    from mcp import StdioServerParameters, stdio_client

    server, place = SERVERS[name], folder / name
    home = place / "home"
    for file, text in server.get("files", {}).items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(text, encoding="utf-8")
    home.mkdir(exist_ok=True)
    program, *words = [word.format(home=home) for word in server["command"]]
    variables = {key: value.format(home=home) for key, value in server.get("env", {}).items()}
    programs = place / ("node_modules/.bin" if "npm" in server else "bin")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = {**variables, "HOME": str(home), "PATH": path}
    parameters = StdioServerParameters(command=str(programs / program), args=words, env=env, cwd=home)

    async def ask() -> dict[str, Any]:
        with anyio.fail_after(SECONDS), (place / "stderr.txt").open("w", encoding="utf-8") as log:
            async with stdio_client(parameters, errlog=log) as (answers, messages):
                return await list_tools(answers, messages)

    return anyio.run(ask)


async def list_tools(answers: Any, messages: Any) -> dict[str, Any]:
    """All pages of tools/list over the SDK's streams. The session refuses a list if one schema lacks a type."""
    from mcp.shared.message import SessionMessage
    from mcp.types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

    async def ask(number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        await messages.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=number, method=method, params=params)))
        async for answer in answers:
            message = getattr(answer, "message", None)  # what is no JSON-RPC arrives as an exception
            if getattr(message, "id", None) == number and not isinstance(message, JSONRPCRequest):
                if isinstance(message, JSONRPCResponse):
                    return message.result
                raise ConnectionError(str(message))
        raise ConnectionError("the server ended")

    client = {"name": "platypus", "version": "0"}
    await ask(0, "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
    await messages.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")))
    pages = [await ask(1, "tools/list", {})]
    while cursor := pages[-1].get("nextCursor"):
        pages.append(await ask(len(pages) + 1, "tools/list", {"cursor": cursor}))
    return {**pages[-1], "tools": [tool for page in pages for tool in page["tools"]]}


@dataclass(frozen=True)
class Recording:
    """A server's recorded tools: how many there are, and those that can be read. `refused` says why others cannot."""

    name: str
    tools: int
    catalogue: Catalogue
    refused: tuple[str, ...]
    seconds: float


def read(file: Path) -> Recording:
    """A recording as a catalogue. If it is refused as a whole, its tools are read one by one."""
    entries = json.loads(file.read_text(encoding="utf-8"))["tools"]
    started = time.perf_counter()
    refused: list[str] = []
    try:
        catalogue = read_catalogue(file)
    except PlatypusError:
        tools: list[Tool] = []
        for entry in entries:
            try:
                tools += catalogue_from_json([entry]).tools
            except PlatypusError as error:
                refused.append(str(error).splitlines()[0])
        catalogue = Catalogue(tuple(tools))
    return Recording(file.stem, len(entries), catalogue, tuple(refused), time.perf_counter() - started)


def recordings(folder: Path) -> Iterator[Recording]:
    """Every recording in a folder, by name."""
    return map(read, sorted(folder.glob("*.json")))


def report(folder: Path) -> Iterator[str]:
    """The table of all servers, with its sums and the medians of all tools, and what is refused."""
    from platypus.model.loading import load_base

    tokenizer = load_base("embedded").tokenizer
    rows, refused = [], []
    costs: dict[Rendering, list[int]] = {"full": [], "brief": []}
    for recording in recordings(folder):
        tokens = {
            rendering: [tool_tokens(tokenizer, tool, rendering) for tool in recording.catalogue] for rendering in costs
        }
        counts = [recording.tools, len(recording.catalogue), *map(sum, tokens.values())]
        medians = [f"{median(own or [0]):.0f}" for own in tokens.values()]
        rows.append([recording.name, *map(str, counts), *medians, *seconds(recording)])
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
        for rendering, own in tokens.items():
            costs[rendering] += own
        refused += [f"- {recording.name}: {reason}" for reason in recording.refused]
    sums = [str(sum(int(row[column]) for row in rows)) for column in range(1, 5)]
    medians = [f"{median(own):.0f}" for own in costs.values()]
    header = ["server", "tools", "accepted", "tokens", "in brief", "median", "median in brief", "read, s"]
    yield markdown_table(
        [[*header, f"{EXAMPLES} examples, s"], *rows, [f"{len(rows)} servers", *sums, *medians, "", ""]]
    )
    yield "\n".join(refused)


def tool_tokens(tokenizer: Any, tool: Tool, rendering: Rendering) -> int:
    """The tokens of a tool in a prompt."""
    return len(tokenizer.encode(render_catalogue(Catalogue((tool,)), rendering), add_special_tokens=False))


def seconds(recording: Recording) -> list[str]:
    """The seconds of reading, and of generating; with the error, if that fails."""
    started, error = time.perf_counter(), ""
    try:
        list(generate_examples(recording.catalogue, GenerateSettings(examples=EXAMPLES), seed=0))
    except PlatypusError as raised:
        error = f" ({raised.what})"
    return [f"{recording.seconds:.1f}", f"{time.perf_counter() - started:.1f}{error}"]


def signature(tool: Tool) -> str:
    """A tool on one line: the first line of its rendered text, and the beginning of its description."""
    first = render_catalogue(Catalogue((tool,))).splitlines()[0]
    return f"`{shorten(first, 600)}` {shorten(tool.description, 160)}"


def pairs(folder: Path, count: int, seed: int) -> Iterator[str]:
    """`count` pairs of request and plan as Markdown, as many of each server as of any other, drawn from `EXAMPLES`."""
    rng = Random(seed)
    made: dict[str, list[Example]] = {}
    catalogues: dict[str, Catalogue] = {}
    for recording in recordings(folder):
        examples = generate_examples(recording.catalogue, GenerateSettings(examples=EXAMPLES), seed=seed)
        try:
            drawn = list(examples)
        except PlatypusError as error:
            print(f"{recording.name}: {error.what}", file=sys.stderr)
            continue
        made[recording.name] = rng.sample(drawn, len(drawn))
        catalogues[recording.name] = recording.catalogue
    names = rng.sample(sorted(made), len(made))
    turns = ((name, made[name][turn]) for turn in range(EXAMPLES) for name in names)
    for number, (name, example) in enumerate(islice(turns, count), 1):
        used = dict.fromkeys(step.tool for step in example.plan)
        tools = [catalogues[name].tool(used_name) for used_name in used]
        yield f"## {number}. {name}\n\n{example.query}\n\n```\n{print_plan(example.plan, 'calls')}\n```\n"
        yield "".join(f"- {signature(tool)}\n" for tool in tools if tool)


@dataclass(frozen=True)
class Asked:
    """A request of real_requests.json, with every plan that is right."""

    server: str
    request: str
    plans: tuple[Plan, ...]


def requests() -> list[Asked]:
    """The requests of real_requests.json. ValueError for a plan that is none."""
    asked = []
    for row in json.loads((FOLDER / "real_requests.json").read_text(encoding="utf-8")):
        plans = [plan_from_json(plan) for plan in row["plans"]]
        right = tuple(plan for plan in plans if isinstance(plan, Plan))
        if not right or len(right) < len(plans):
            raise ValueError(f"{row['request']}: not a plan")
        asked.append(Asked(row["server"], row["request"], right))
    return asked


def best_score(answer: Plan | Malformed, asked: Asked, catalogue: Catalogue) -> Score:
    """The score by the right plan that is nearest to the answer."""
    scores = [score(answer, plan, catalogue) for plan in asked.plans]
    return max(scores, key=lambda one: (one.exact, one.tool_sequence))


def answer(planner: Planner, request: str) -> Plan | Malformed:
    """The answer; an error, such as a prompt that is too long, is no plan."""
    try:
        return next(iter(planner.plan([request]))).plan
    except PlatypusError as error:
        return Malformed("", (Problem("error", error.what),))


def tune(folder: Path, runs: Path) -> Iterator[str]:
    """Train a run on generated examples for each server asked, one after another; what becomes of each."""
    runs.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(one.server for one in requests()):
        catalogue, recipe = str((folder / f"{name}.json").resolve()), runs / f"{name}.toml"
        settings = [f"catalogue={json.dumps(catalogue)}", "refine.test=[]", "prompt.cutoff=8192"]
        recipe.write_text(toml(with_settings(RECIPE, settings)), encoding="utf-8")
        command = [sys.executable, "-m", "platypus", "all", str(runs / name), "--recipe", str(recipe)]
        ended = subprocess.run(command, check=False, stdout=sys.stderr)
        yield f"{name}: {'done' if ended.returncode == 0 else 'failed; the reason stands above'}"


def score_requests(
    folder: Path, runs: Path | None, max_tools: int | Literal["auto"], answers: Path | None
) -> Iterator[str]:
    """The table of all servers asked, and their sums. `answers` is a file for what was answered."""
    decode = DecodeSettings(beams=4, max_tools=max_tools)  # as `platypus plan` asks the embedded base
    table = [["server", "requests", "exact", "right tools", "wrong refusals", "no plan"]]
    lines = []
    asked = requests()
    for name in dict.fromkeys(one.server for one in asked):
        catalogue = read(folder / f"{name}.json").catalogue
        planner = open_planner(Run.open(runs / name)) if runs else open_untrained(catalogue, Recipe(decode=decode))
        own = [one for one in asked if one.server == name]
        given = [answer(planner, one.request) for one in own]
        scores = [best_score(plan, one, catalogue) for plan, one in zip(given, own, strict=True)]
        for one, plan, scored in zip(own, given, scores, strict=True):
            said = readable(plan) if isinstance(plan, Plan) else f"no plan: {plan.reason}"
            lines.append(f"{'+' if scored.exact else '-'} {name}: {one.request}\n{said or '[]'}\n")
        wrong = sum(scored.refused and scored.length > 0 for scored in scores)
        counts = [len(own), sum(one.exact for one in scores), sum(one.tool_sequence for one in scores), wrong]
        table.append([name, *map(str, [*counts, sum(isinstance(plan, Malformed) for plan in given)])])
        print(" ".join(table[-1]), file=sys.stderr, flush=True)
    table.append(["all", *(str(sum(int(row[column]) for row in table[1:])) for column in range(1, 6))])
    if answers:
        answers.write_text("\n".join(lines), encoding="utf-8")
    yield markdown_table(table)


def each_server(options: argparse.Namespace) -> Iterator[str]:
    """Install or record the servers, one after another; what becomes of each."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it reports each line of a server that is no message
    folder = options.servers.resolve()
    for name in options.only:
        try:
            if options.command == "record":
                result = record(folder, name)
                text = json.dumps(result, indent=1, ensure_ascii=False)
                options.recordings.mkdir(parents=True, exist_ok=True)
                (options.recordings / f"{name}.json").write_text(text, encoding="utf-8")
                yield f"{name}: {len(result['tools'])} tools"
            elif not (folder / name).exists():
                install(folder, name)
                yield f"{name}: installed"
        except Exception as error:  # a server that fails does not stop the others
            yield f"{name}: failed: {error!r}"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    parts = {name: commands.add_parser(name) for name in ("install", "record", "report", "pairs", "tune", "score")}
    for name in ("install", "record"):
        parts[name].add_argument("servers", type=Path)
        parts[name].add_argument("--only", nargs="+", choices=sorted(SERVERS), default=list(SERVERS), metavar="NAME")
    for name in ("record", "report", "pairs", "tune", "score"):
        parts[name].add_argument("recordings", type=Path)
    parts["pairs"].add_argument("--count", type=int, default=300)
    parts["pairs"].add_argument("--seed", type=int, default=0)
    parts["tune"].add_argument("runs", type=Path)
    parts["score"].add_argument("runs", type=Path, nargs="?")
    parts["score"].add_argument(
        "--max-tools", type=int, default="auto", help="as decode.max_tools of a recipe, without RUNS"
    )
    parts["score"].add_argument("--answers", type=Path, help="a file for the answers")
    options = parser.parse_args()
    if options.command == "report":
        lines = report(options.recordings)
    elif options.command == "pairs":
        lines = pairs(options.recordings, options.count, options.seed)
    elif options.command == "tune":
        lines = tune(options.recordings, options.runs)
    elif options.command == "score":
        lines = score_requests(options.recordings, options.runs, options.max_tools, options.answers)
    else:
        lines = each_server(options)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
