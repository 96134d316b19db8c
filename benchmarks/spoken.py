"""Asks bases what people really said: requests of ../shared/data/spoken, over services that no training has seen.

    python benchmarks/spoken.py split runs/spoken                     # train.jsonl, valid.jsonl
    python benchmarks/spoken.py score runs/spoken/valid.jsonl platypus/embedded runs/base

`split` keeps whole services and intents for validation (HELD_OUT), and every eighth request that no tool answers; the
tools of these services are left out of the training rows as well. `score` asks each base in the prompt of its own
training and prints one JSON object per base: exact plans, right tools, refusals right and wrong, with intervals.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.base import RECIPE
from platypus.catalogue.tools import Catalogue
from platypus.catalogue.words import words
from platypus.evaluation.answering import answer_rows
from platypus.evaluation.intervals import Interval
from platypus.evaluation.summary import summary
from platypus.generation.tasks import read_real_tasks
from platypus.inference.opening import open_untrained
from platypus.run.recipe import Recipe, read_recipe
from platypus.run.settings import DecodeSettings, EvaluateSettings

ROOT = Path(__file__).parents[1]
SPOKEN = ROOT.parent / "shared" / "data" / "spoken"
HELD_OUT = {  # what a row's source, or the name or description of a tool of its plan, tells of the service
    "sgd": re.compile(r"(?i)\bbus|hair|salon|stylist|dentist|dental"),
    "snips": re.compile(r"SearchCreativeWork"),
    "hwu64": re.compile(r"/(iot_(coffee|cleaning)|play_podcasts|qa_currency|lists_\w+|alarm_\w+)/"),
    "clinc": re.compile(
        r"/(travel_\w+|pto_\w+|todo_list\w*|shopping_list\w*|meeting_\w+|schedule_meeting|recipe|tire_\w+)/"
    ),
    "banking": re.compile(r"/(card_\w+|top_up_\w+|lost_or_\w+)/"),
}
SHOWN = ("exact", "tool_sequence", "wrong_refusals", "correct_refusals")
NONE_OF = 8  # every so-manieth request without a tool is held out


def is_held_out(row: dict[str, Any], name: str) -> bool:
    """Whether a row is about a held-out service, or is one of the held-out requests without a tool."""
    if not row["plan"]:
        return crc32(row["query"].encode()) % NONE_OF == 0
    pattern = HELD_OUT.get(name)
    if pattern is None:
        return False
    if name != "sgd":
        return bool(pattern.search(row["source"]))
    called = {step["tool_name"] for step in row["plan"]}
    return any(
        pattern.search(f"{tool['name']} {tool['description']}") for tool in row["tools"] if tool["name"] in called
    )


def split(out: Path) -> None:
    """Write `train.jsonl` and `valid.jsonl`, and print how many rows each has of each file."""
    held: list[dict[str, Any]] = []
    kept: list[tuple[str, dict[str, Any]]] = []
    for path in sorted(SPOKEN.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            held.append(row) if is_held_out(row, path.stem) else kept.append((path.stem, row))
    unseen = {tool_name(step["tool_name"]) for row in held for step in row["plan"]}
    out.mkdir(parents=True, exist_ok=True)
    files = Counter[str]()
    for name in {name for name, _ in kept}:
        rows = [without(row, unseen) for kept_name, row in kept if kept_name == name]
        (out / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        files[name] = len(rows)
    (out / "valid.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held), encoding="utf-8")
    print(json.dumps({"train": files, "valid": Counter(row["source"].partition("/")[0] for row in held)}))


def tool_name(name: str) -> str:
    """A tool's name without its style."""
    return " ".join(words(name))


def without(row: dict[str, Any], unseen: set[str]) -> dict[str, Any]:
    """The row without the tools of held-out services, which no plan of it uses."""
    called = {step["tool_name"] for step in row["plan"]}
    tools = [tool for tool in row["tools"] if tool["name"] in called or tool_name(tool["name"]) not in unseen]
    return {**row, "tools": tools or row["tools"]}


def drawn(path: Path, count: int) -> Iterator[str]:
    """So many rows of the file, the same ones each time, as many of each source as there are."""
    lines = path.read_text(encoding="utf-8").splitlines()
    by_source: dict[str, list[str]] = {}
    for line in sorted(lines, key=lambda line: crc32(line.encode())):
        by_source.setdefault(json.loads(line)["source"].partition("/")[0], []).append(line)
    for lines in by_source.values():
        yield from lines[: count // len(by_source)]


def asked(base: str, recipe: Recipe, path: Path, settings: DecodeSettings, rendering: str | None) -> dict[str, Any]:
    """The metrics of one base: of refusals over the requests that no tool answers, of others over the rest."""
    planner = open_untrained(Catalogue(()), recipe.model_copy(update={"base": base, "decode": settings}))
    prompt = replace(planner.prompt, rendering=rendering) if rendering else planner.prompt
    tasks = read_real_tasks([str(path)]).tasks
    rows = [replace(task.examples[0], tools=task.catalogue) for task in tasks]
    answered = answer_rows(replace(planner, prompt=prompt), rows, EvaluateSettings(max_new_tokens=160))
    answerable = [row for row in answered if row.row.plan.steps]
    others = [row for row in answered if not row.row.plan.steps]
    measures = summary(answerable, resamples=1000, seed=0)["measures"]
    if others:
        measures["correct_refusals"] = summary(others, resamples=1000, seed=0)["measures"]["correct_refusals"]
    shown = {name: str(Interval(**measures[name])) for name in SHOWN if name in measures}
    return {"base": base, "requests": len(answerable), "nothing to call": len(others), **shown}


def main() -> None:
    """Split the rows, or score bases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("split").add_argument("out", type=Path)
    scored = commands.add_parser("score")
    scored.add_argument("rows", type=Path)
    scored.add_argument("bases", nargs="+")
    scored.add_argument("--count", type=int, default=300, help="how many rows")
    scored.add_argument("--beams", type=int, default=1)
    scored.add_argument("--tool-prior", type=float, default=0.0)
    scored.add_argument("--max-tools", type=int, default=None)
    scored.add_argument("--rendering", choices=("full", "brief"))
    options = parser.parse_args()
    if options.command == "split":
        return split(options.out)
    settings = DecodeSettings(beams=options.beams, max_tools=options.max_tools or "auto", tool_prior=options.tool_prior)
    sample = options.rows.with_suffix(f".{options.count}.jsonl")
    sample.write_text("".join(f"{line}\n" for line in drawn(options.rows, options.count)), encoding="utf-8")
    for base in options.bases:
        print(json.dumps(asked(base, read_recipe(RECIPE), sample, settings, options.rendering)), flush=True)


if __name__ == "__main__":
    main()
