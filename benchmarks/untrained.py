"""Asks a base that was not trained for the tools: the strangers' requests, and the clean rows of the real test.

    python benchmarks/untrained.py [BASE] [--tool-prior 5]

Decodes as `platypus plan` does without a run; prints exact plans, right tools and wrong refusals of each catalogue.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.strangers import ROOT, tools_from_bank
from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.evaluation.answering import answer_rows
from platypus.evaluation.intervals import Interval
from platypus.evaluation.summary import summary
from platypus.inference.opening import UNTRAINED, open_untrained
from platypus.plan.notation import read_plan
from platypus.plan.plan import Malformed, Plan, plan_from_json
from platypus.run.recipe import Recipe
from platypus.run.settings import EvaluateSettings

SEED = ROOT.parent / "shared" / "data" / "seed"
SHOWN = ("exact", "tool_sequence", "wrong_refusals")


def row(request: str, plan: Plan | Malformed) -> Example:
    """A request with its right plan."""
    assert isinstance(plan, Plan), plan
    return Example(request, plan, "", {})


def catalogues() -> Iterator[tuple[str, Catalogue, list[Example]]]:
    """The name, the tools, and the requests with their right plans."""
    text = Path(__file__).with_name("strangers.toml").read_text(encoding="utf-8")
    for name, table in tomllib.loads(text).items():
        tools = tools_from_bank(table["tools"])
        asked = [row(request, read_plan("\n".join(calls), "calls", tools)) for request, *calls in table["asked"]]
        yield name, tools, asked
    rows = map(json.loads, (SEED / "test.jsonl").read_text(encoding="utf-8").splitlines())
    clean = [row(line["query"], plan_from_json(line["plan"])) for line in rows if line["clean"]]
    yield "seed", read_catalogue(SEED / "catalogue.json"), clean


def main() -> None:
    """Ask the base, and print a JSON object for each catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", default="embedded")
    parser.add_argument("--tool-prior", type=float, default=UNTRAINED.tool_prior)
    options = parser.parse_args()
    decode = UNTRAINED.model_copy(update={"tool_prior": options.tool_prior})
    for catalogue, tools, requests in catalogues():
        planner = replace(open_untrained(tools, Recipe(base=options.base)), settings=decode)
        answered = answer_rows(planner, requests, EvaluateSettings(max_new_tokens=160))
        found = summary(answered, resamples=1000, seed=0)["measures"]
        counts = {name: round(found[name]["value"] * found[name]["rows"]) for name in SHOWN}
        measures = {f"{name} %": str(Interval(**found[name])) for name in SHOWN}
        shown = {
            "catalogue": catalogue,
            "tool_prior": options.tool_prior,
            "requests": len(requests),
            **counts,
            **measures,
        }
        print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    main()
