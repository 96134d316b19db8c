"""The tools of real MCP servers: records them, measures reading and generation on them, and scores requests for them.

    python benchmarks/real_tools.py install SERVERS             # the servers of real_servers.toml, at their versions
    python benchmarks/real_tools.py record SERVERS RECORDINGS   # their tools/list, one JSON file a server
    python benchmarks/real_tools.py report RECORDINGS           # a table: tools read, tokens, seconds
    python benchmarks/real_tools.py pairs RECORDINGS > pairs.md # pairs of request and plan, to be read by a person
    python benchmarks/real_tools.py tune RECORDINGS RUNS        # a run for each server that the requests are for
    python benchmarks/real_tools.py score RECORDINGS [RUNS]     # the requests to the embedded base, or to these runs

`install` needs npm, `record` the package `mcp`. A server is only asked for its tools; with no network it lists them as
well. Nothing recorded is kept in the project. The runs learn from 1,000 generated examples each
(recipes/seed-generated.toml). The requests are those of real_requests.json, or with `--requests` of another file:
real_requests_further.json has as many for three other servers. All were written before any model had answered them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from textwrap import shorten
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeds import toml, with_settings
from platypus.catalogue.reading import CatalogueReading, read_tools
from platypus.catalogue.sources.mcp_server import Server, list_tools
from platypus.catalogue.sources.variables import Variables
from platypus.catalogue.tools import Catalogue, Tool
from platypus.data.dataset import Example
from platypus.errors import PlatypusError
from platypus.evaluation.metrics import Score, score
from platypus.generation.examples import generate_examples
from platypus.inference.opening import UNTRAINED, open_planner, open_untrained
from platypus.inference.planner import Planner
from platypus.plan.notation import print_plan, readable
from platypus.plan.plan import Malformed, Plan, Problem, plan_from_json
from platypus.prompt.catalogue_text import Rendering, render_catalogue
from platypus.reports import markdown_table
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import GenerateSettings

FOLDER = Path(__file__).parent
RECIPE = FOLDER.parent / "recipes" / "seed-generated.toml"
SERVERS: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "real_servers.toml").read_text(encoding="utf-8"))
REQUESTS = FOLDER / "real_requests.json"
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


def record(folder: Path, name: str) -> list[Any]:
    """The tools of an installed server, as it sends them."""
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
    command = (str(programs / program), *words)
    asked = Server(name, Variables({}, name), command, environment=env, folder=str(home))
    return list_tools(asked, seconds=SECONDS)


@dataclass(frozen=True)
class Recording:
    """A server's recorded tools, as they are read, and the seconds that reading took."""

    name: str
    reading: CatalogueReading
    seconds: float

    @property
    def catalogue(self) -> Catalogue:
        """The tools that can be used."""
        return self.reading.catalogue


def read(file: Path) -> Recording:
    """A recording as a catalogue."""
    started = time.perf_counter()
    reading = read_tools(file)
    return Recording(file.stem, reading, time.perf_counter() - started)


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
        usable, left_out = len(recording.catalogue), len(recording.reading.skipped)
        counts = [usable + left_out, usable, len(recording.reading.notes), *map(sum, tokens.values())]
        medians = [f"{median(own or [0]):.0f}" for own in tokens.values()]
        rows.append([recording.name, *map(str, counts), *medians, *seconds(recording)])
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
        for rendering, own in tokens.items():
            costs[rendering] += own
        refused += [f"- {recording.name}: {fault}" for fault in recording.reading.faults]
    sums = [str(sum(int(row[column]) for row in rows)) for column in range(1, 6)]
    medians = [f"{median(own):.0f}" for own in costs.values()]
    header = ["server", "tools", "usable", "notes", "tokens", "in brief", "median", "median in brief", "read, s"]
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
    """A request for a server's tools, with every plan that is right."""

    server: str
    request: str
    plans: tuple[Plan, ...]


def requests(file: Path = REQUESTS) -> list[Asked]:
    """The requests of a file. ValueError for a plan that is none."""
    asked = []
    for row in json.loads(file.read_text(encoding="utf-8")):
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


def tune(folder: Path, runs: Path, asked: Sequence[Asked]) -> Iterator[str]:
    """Train a run on generated examples for each server asked, with its tools in brief; what becomes of each."""
    runs.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(one.server for one in asked):
        catalogue, recipe = str((folder / f"{name}.json").resolve()), runs / f"{name}.toml"
        settings = [f"catalogue={json.dumps(catalogue)}", "refine.test=[]", 'prompt.rendering="brief"']
        recipe.write_text(toml(with_settings(RECIPE, settings)), encoding="utf-8")
        command = [sys.executable, "-m", "platypus", "all", str(runs / name), "--recipe", str(recipe)]
        ended = subprocess.run(command, check=False, stdout=sys.stderr)
        yield f"{name}: {'done' if ended.returncode == 0 else 'failed; the reason stands above'}"


def score_requests(
    folder: Path, asked: Sequence[Asked], runs: Path | None, base: str, changes: dict[str, Any], answers: Path | None
) -> Iterator[str]:
    """The table of all servers asked, and their sums.

    `changes` are settings under [decode] that differ; `answers` is a file for what was answered.
    """
    table = [["server", "requests", "exact", "right tools", "wrong refusals", "no plan"]]
    lines = []
    for name in dict.fromkeys(one.server for one in asked):
        catalogue = read(folder / f"{name}.json").catalogue
        planner = (
            open_planner(Run.open(runs / name))
            if runs
            else open_untrained(catalogue, Recipe(base=base, decode=UNTRAINED))
        )
        planner = replace(planner, settings=planner.settings.model_copy(update=changes))
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
    folder = options.servers.resolve()
    for name in options.only:
        try:
            if options.command == "record":
                tools = record(folder, name)
                text = json.dumps(tools, indent=1, ensure_ascii=False)
                options.recordings.mkdir(parents=True, exist_ok=True)
                (options.recordings / f"{name}.json").write_text(text, encoding="utf-8")
                yield f"{name}: {len(tools)} tools"
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
    for name in ("tune", "score"):
        parts[name].add_argument("--requests", type=Path, default=REQUESTS, metavar="FILE")
    parts["pairs"].add_argument("--count", type=int, default=300)
    parts["pairs"].add_argument("--seed", type=int, default=0)
    parts["tune"].add_argument("runs", type=Path)
    parts["score"].add_argument("runs", type=Path, nargs="?")
    parts["score"].add_argument("--base", default="embedded", help="the base to ask, without RUNS")
    parts["score"].add_argument("--max-tools", type=int, help="as decode.max_tools of a recipe")
    parts["score"].add_argument("--tool-prior", type=float, help="as decode.tool_prior of a recipe")
    parts["score"].add_argument("--answers", type=Path, help="a file for the answers")
    options = parser.parse_args()
    if options.command == "report":
        lines = report(options.recordings)
    elif options.command == "pairs":
        lines = pairs(options.recordings, options.count, options.seed)
    elif options.command == "tune":
        lines = tune(options.recordings, options.runs, requests(options.requests))
    elif options.command == "score":
        given = {"max_tools": options.max_tools, "tool_prior": options.tool_prior}
        changes = {name: value for name, value in given.items() if value is not None}
        asked = requests(options.requests)
        lines = score_requests(options.recordings, asked, options.runs, options.base, changes, options.answers)
    else:
        lines = each_server(options)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
