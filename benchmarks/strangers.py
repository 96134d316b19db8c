"""Tests two catalogues from elsewhere: generates, fine-tunes, and asks 30 handwritten requests for each.

    python benchmarks/strangers.py runs/strangers

Reads strangers.toml; the tools come from ../shared/data/nested/tool_bank.jsonl and are not stored in the project. Runs
`platypus all` for each catalogue in the given folder and prints the tables of docs/strangers.md.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeds import toml, with_settings
from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import print_plan, read_plan
from platypus.plan.plan import Plan, plan_from_json

ROOT = Path(__file__).parents[1]
BANK = ROOT.parent / "shared" / "data" / "nested" / "tool_bank.jsonl"
RECIPE = ROOT / "recipes" / "seed-generated.toml"


def tools_from_bank(names: list[str]) -> Catalogue:
    """The first tool of each name in the bank."""
    tools: dict[str, dict[str, Any]] = {}
    for line in BANK.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        tools.setdefault(row["name"], {key: value for key, value in row.items() if key != "sources"})
    return catalogue_from_json([tools[name] for name in names])


def prepare(folder: Path, table: dict[str, Any]) -> None:
    """Write the folder's catalogue, test set and recipe: seed-generated.toml with these files."""
    catalogue = tools_from_bank(table["tools"])
    rows = []
    for request, *calls in table["asked"]:
        plan = read_plan("\n".join(calls), "calls", catalogue)
        problems = plan.problems(catalogue) if isinstance(plan, Plan) else (plan,)
        if problems:
            sys.exit(f"{request}: {problems[0]}")
        rows.append({"query": request, "plan": plan.to_json(), "catalogue": catalogue.fingerprint})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalogue.json").write_text(json.dumps(catalogue.to_json(), indent=1), encoding="utf-8")
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = [
        f"catalogue={json.dumps(f'{folder}/catalogue.json')}",
        f"refine.test=[{json.dumps(f'{folder}/test.jsonl')}]",
        "prompt.cutoff=8192",
    ]
    (folder / "recipe.toml").write_text(toml(with_settings(RECIPE, settings)), encoding="utf-8")


def lines(run: Path) -> Iterator[str]:
    """The table: each request with its plan, and the right plan if that differs."""
    rows = [json.loads(line) for line in (run / "evaluate" / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    rows_by_variant = {variant: [row for row in rows if row["variant"] == variant] for variant in ("before", "after")}
    for variant, variant_rows in rows_by_variant.items():
        yield f"{variant}: {sum(bool(row['score']['exact']) for row in variant_rows)} of {len(variant_rows)} right\n"
    yield "| request | plan | right plan, where another |\n|---|---|---|"
    for row in rows_by_variant["after"]:
        right_plan = "" if row["score"]["exact"] else plan_text(row["gold"])
        yield f"| {row['query']} | {plan_text(row['plan'])} | {right_plan} |"


def plan_text(plan: list[dict[str, Any]]) -> str:
    """A plan on one line; under the grammar every answer is a plan."""
    return f"`{'; '.join(print_plan(plan_from_json(plan), 'calls').splitlines())}`"


def main() -> None:
    """Run both catalogues and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for name, table in tomllib.loads((ROOT / "benchmarks" / "strangers.toml").read_text(encoding="utf-8")).items():
        folder = out.resolve() / name
        prepare(folder, table)
        command = [
            sys.executable,
            "-m",
            "platypus",
            "all",
            str(folder / "run"),
            "--recipe",
            str(folder / "recipe.toml"),
        ]
        succeeded = subprocess.run(command, check=False, stdout=sys.stderr).returncode == 0
        print(f"\n## {name}\n")
        print("\n".join(lines(folder / "run")) if succeeded else "refused; the reason stands above")


if __name__ == "__main__":
    main()
