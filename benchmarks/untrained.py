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
from platypus.evaluation.metrics import score
from platypus.inference.opening import UNTRAINED, open_untrained
from platypus.plan.notation import read_plan
from platypus.plan.plan import Malformed, Plan, plan_from_json
from platypus.run.recipe import Recipe

SEED = ROOT.parent / "shared" / "data" / "seed"
Requests = list[tuple[str, Plan | Malformed]]


def catalogues() -> Iterator[tuple[str, Catalogue, Requests]]:
    """The name, the tools, and the requests with their right plans."""
    text = Path(__file__).with_name("strangers.toml").read_text(encoding="utf-8")
    for name, table in tomllib.loads(text).items():
        tools = tools_from_bank(table["tools"])
        asked = [(request, read_plan("\n".join(calls), "calls", tools)) for request, *calls in table["asked"]]
        yield name, tools, asked
    rows = map(json.loads, (SEED / "test.jsonl").read_text(encoding="utf-8").splitlines())
    clean = [(row["query"], plan_from_json(row["plan"])) for row in rows if row["clean"]]
    yield "seed", read_catalogue(SEED / "catalogue.json"), clean


def main() -> None:
    """Ask the base, and print a JSON object for each catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", default="embedded")
    parser.add_argument("--tool-prior", type=float, default=UNTRAINED.tool_prior)
    options = parser.parse_args()
    decode = UNTRAINED.model_copy(update={"tool_prior": options.tool_prior})
    for name, tools, requests in catalogues():
        planner = replace(open_untrained(tools, Recipe(base=options.base)), settings=decode)
        plans = [answer.plan for answer in planner.plan([request for request, _ in requests], max_new_tokens=160)]
        scores = [score(plan, right, tools) for plan, (_, right) in zip(plans, requests, strict=True)]
        counts = {"requests": len(scores), "exact": sum(bool(one.exact) for one in scores)}
        counts["right tools"] = sum(bool(one.tool_sequence) for one in scores)
        counts["wrong refusals"] = sum(one.refused and one.length > 0 for one in scores)
        print(json.dumps({"catalogue": name, "tool_prior": options.tool_prior, **counts}), flush=True)


if __name__ == "__main__":
    main()
