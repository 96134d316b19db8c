"""Prints the pairs that are checked by hand for docs/hand-check.md: 50 of worktracker, 50 of a tool-bank catalogue.

    python benchmarks/hand_check.py                     # the sample of the page, numbered as there
    python benchmarks/hand_check.py --seed 3 --bank ""  # other pairs, worktracker alone
    python benchmarks/hand_check.py --catalogue 20 > tools.json

The bank's catalogues are drawn from ../shared/data/nested/tool_bank.jsonl; they are not stored in the project.
"""

import argparse
import json
from pathlib import Path
from random import Random

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import CatalogueError
from platypus.generation.examples import generate_examples
from platypus.run.settings import GenerateSettings

ROOT = Path(__file__).parents[1]
BANK = ROOT.parent / "shared" / "data" / "nested" / "tool_bank.jsonl"


def bank_catalogue(bank: Path, *, tools: int, seed: int) -> Catalogue:
    """A catalogue of `tools` tools drawn from the bank; it depends only on the seed."""
    rows = [json.loads(line) for line in bank.read_text(encoding="utf-8").splitlines()]
    tools_by_name: dict[str, dict] = {}
    for row in Random(seed).sample(rows, len(rows)):
        try:
            catalogue_from_json([row])
        except CatalogueError:
            continue
        tools_by_name.setdefault(row["name"], {key: value for key, value in row.items() if key != "sources"})
        if len(tools_by_name) == tools:
            break
    return catalogue_from_json(list(tools_by_name.values()))


def sample(catalogue: Catalogue, *, seed: int, count: int = 50) -> list[Example]:
    """`count` examples, drawn at random from 1,000."""
    return Random(seed).sample(list(generate_examples(catalogue, GenerateSettings(), seed=seed)), count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=5566)
    parser.add_argument("--tools", type=int, default=40)
    parser.add_argument("--bank", default=str(BANK))
    parser.add_argument("--catalogue", type=int, help="print a catalogue of so many tools instead")
    options = parser.parse_args()
    if options.catalogue:
        print(
            json.dumps(
                bank_catalogue(Path(options.bank), tools=options.catalogue, seed=options.catalogue).to_json(), indent=1
            )
        )
        return
    catalogues = [read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")]
    if options.bank:
        catalogues.append(bank_catalogue(Path(options.bank), tools=options.tools, seed=options.seed))
    pairs = [example for catalogue in catalogues for example in sample(catalogue, seed=options.seed)]
    for number, example in enumerate(pairs, 1):
        calls = "; ".join(
            f"{step.tool}({', '.join(f'{name}={value}' for name, value in step.arguments.items())})"
            for step in example.plan
        )
        print(f"{number}. {example.query}\n   {calls or example.origin['refusal']}")


if __name__ == "__main__":
    main()
