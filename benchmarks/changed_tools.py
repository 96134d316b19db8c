"""How well does a planner work when its tools change after training, and does shuffling them in training help?

    python benchmarks/changed_tools.py FOLDER --epochs 3 > changed.json

Trains two planners with the demo's tools and recipe, except for the epochs: one always sees the catalogue as it is
(`plain`), the other in random orders and with tools left out (`shuffled`: shuffle_tools, drop_tools = 0.3). Both answer
the same test requests with the original tools, in another order, with new tools added, and with renamed tools; and
requests that need a new tool. Runs in FOLDER that are already trained are used again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue, Tool
from platypus.commands.generate import generate
from platypus.commands.refine import refine
from platypus.commands.train import train
from platypus.data.dataset import Example, read_dataset
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.intervals import summarise
from platypus.evaluation.metrics import score
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import Phraser, literals_said
from platypus.inference.opening import open_planner
from platypus.plan.plan import Plan
from platypus.run.folder import Run

ROOT = Path(__file__).parents[1]
OPTIONS = {"plain": "", "shuffled": "shuffle_tools = true\ndrop_tools = 0.3\n"}
NAMES = {
    "works_list": "find_issues",
    "summarize_objects": "digest",
    "prioritize_objects": "rank_by_urgency",
    "add_work_items_to_sprint": "plan_into_iteration",
    "get_sprint_id": "current_iteration",
    "get_similar_work_items": "lookalikes",
    "search_object_by_name": "resolve_name",
    "create_actionable_tasks_from_text": "extract_todos",
    "who_am_i": "whoami",
}
TEXT, ITEM = {"type": "string"}, {"type": "string", "format": "work-item", "examples": ["ISS-14", "TKT-203"]}
LANGUAGE = {"enum": ["English", "French", "Hindi", "Polish"]}
NEW = catalogue_from_json(
    [
        {
            "name": name,
            "description": text,
            "inputSchema": {"type": "object", "properties": given, "required": list(given)},
            "outputSchema": output,
        }
        for name, text, given, output in (
            ("translate_text", "Translates a text into a language", {"text": TEXT, "language": LANGUAGE}, TEXT),
            ("book_room", "Books a meeting room", {"room": TEXT, "day": {**TEXT, "format": "date"}}, TEXT),
            ("list_invoices", "Lists the invoices of a year", {"year": {"type": "integer"}}, {"type": "array"}),
            ("get_weather", "Tells the weather of a city", {"city": TEXT}, TEXT),
            ("delete_work_item", "Deletes a work item", {"work_item": ITEM}, {"type": "null"}),
        )
    ]
)


@dataclass(frozen=True)
class Case:
    """Requests with their plans, and the tools to plan with."""

    catalogue: Catalogue
    rows: Sequence[Example]


def main() -> None:
    """Train what is missing, and print one JSON object for each planner and case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--planners", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    parser.add_argument("--requests", type=int, default=96)
    options = parser.parse_args()
    for name in options.planners:
        run = trained_run(options.folder, name, options.epochs)
        test_rows = read_dataset(str(run.folder("refine") / "test.jsonl"), run.catalogue).rows
        rows = [row for row in test_rows if isinstance(row, Example)][: options.requests]
        assert run.catalogue is not None
        for label, case in cases(run.catalogue, rows).items():
            print(json.dumps({"planner": name, "tools": label, **measures_of(run, case)}), flush=True)


def trained_run(folder: Path, name: str, epochs: int) -> Run:
    """The run of this name, trained."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = (ROOT / "recipes" / "demo.toml").read_text(encoding="utf-8")
    recipe = recipe.replace('"examples/', f'"{ROOT}/examples/').replace("epochs = 8", f"epochs = {epochs}")
    (folder / f"{name}.toml").write_text(recipe.replace("[train]\n", f"[train]\n{OPTIONS[name]}"), encoding="utf-8")
    run = Run.open(folder / name, recipe=folder / f"{name}.toml")
    for stage in (generate, refine, train):
        outcome = stage(run)
        print(f"{name}: {outcome.stage} {outcome.seconds:.0f} s", file=sys.stderr)
    return run


def cases(catalogue: Catalogue, rows: Sequence[Example]) -> Mapping[str, Case]:
    """The original tools, and changes of them."""
    extended = shuffled((*catalogue, *NEW), seed=1)
    return {
        "as they were": Case(catalogue, rows),
        "in another order": Case(shuffled(catalogue.tools, seed=0), rows),
        "with five new ones among them": Case(extended, rows),
        "by other names": Case(
            Catalogue(tuple(replace(tool, name=NAMES[tool.name]) for tool in catalogue)), list(renamed(rows))
        ),
        "requests for the new ones": Case(extended, requests_for_new_tools(extended, len(rows))),
    }


def shuffled(tools: Sequence[Tool], *, seed: int) -> Catalogue:
    """The tools in another order."""
    return Catalogue(tuple(Random(seed).sample(tools, len(tools))))


def renamed(rows: Sequence[Example]) -> Iterator[Example]:
    """The rows with the new names of the tools."""
    for row in rows:
        yield replace(row, plan=Plan(tuple(replace(step, tool=NAMES[step.tool]) for step in row.plan)))


def requests_for_new_tools(catalogue: Catalogue, count: int) -> list[Example]:
    """Generated requests that need a new tool."""
    rng, sampler, phraser = Random("asking"), Sampler(catalogue, 3), Phraser(catalogue)
    examples: dict[str, Example] = {}
    while len(examples) < count:
        plan = sampler.plan(rng)
        request = phraser.request(rng, plan) if any(NEW.tool(step.tool) for step in plan) else None
        if request and literals_said(plan, request):
            examples.setdefault(request, Example(request, plan, catalogue.fingerprint, {}))
    return list(examples.values())


def measures_of(run: Run, case: Case) -> dict[str, object]:
    """The metrics over the case's requests, with their intervals."""
    planner, started = open_planner(run, catalogue=case.catalogue), time.monotonic()
    answers = planner.plan([row.query for row in case.rows], max_new_tokens=160)
    scores = [score(answer.plan, row.plan, case.catalogue) for answer, row in zip(answers, case.rows, strict=True)]
    summary = summarise(scores, clusters=clusters_of(case.rows), resamples=1000, seed=0)
    measures = {name: str(summary[name]) for name in ("valid", "exact", "tool_sequence", "argument_f1")}
    return {"requests": len(scores), **measures, "seconds": round(time.monotonic() - started, 1)}


if __name__ == "__main__":
    main()
