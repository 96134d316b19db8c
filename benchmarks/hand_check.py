"""The pairs that are read one by one for docs/hand-check.md: 50 of worktracker, 50 of a catalogue from the tool bank.

    python benchmarks/hand_check.py                     # the sample of the page, numbered as there
    python benchmarks/hand_check.py --seed 3 --bank ""  # other pairs, worktracker alone
    python benchmarks/hand_check.py --catalogue 20 > tools.json

The bank's catalogues are drawn from ../shared/data/nested/tool_bank.jsonl; nothing of them is kept in the project.
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


def drawn(bank: Path, *, tools: int, seed: int) -> Catalogue:
    """A catalogue of so many tools of the bank, always the same for a seed."""
    rows = [json.loads(line) for line in bank.read_text(encoding="utf-8").splitlines()]
    kept: dict[str, dict] = {}
    for row in Random(seed).sample(rows, len(rows)):
        try:
            catalogue_from_json([row])
        except CatalogueError:
            continue
        kept.setdefault(row["name"], {key: value for key, value in row.items() if key != "sources"})
        if len(kept) == tools:
            break
    return catalogue_from_json(list(kept.values()))


def sample(catalogue: Catalogue, *, seed: int, count: int = 50) -> list[Example]:
    """So many of 1,000 examples, drawn at random."""
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
            json.dumps(drawn(Path(options.bank), tools=options.catalogue, seed=options.catalogue).to_json(), indent=1)
        )
        return
    catalogues = [read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")]
    if options.bank:
        catalogues.append(drawn(Path(options.bank), tools=options.tools, seed=options.seed))
    pairs = [example for catalogue in catalogues for example in sample(catalogue, seed=options.seed)]
    for number, example in enumerate(pairs, 1):
        calls = "; ".join(
            f"{step.tool}({', '.join(f'{name}={value}' for name, value in step.arguments.items())})"
            for step in example.plan
        )
        print(f"{number}. {example.query}\n   {calls or example.origin['refusal']}")


if __name__ == "__main__":
    main()
