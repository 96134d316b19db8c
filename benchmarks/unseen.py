"""What bases know before any fine-tuning: exact plans on random catalogues that no training draws, answered greedily.

    python benchmarks/unseen.py platypus/embedded runs/base --seeds 2 --catalogues 96

Four requests a catalogue; prints one JSON object a base and seed. The seed of a base's own recipe, with 24 catalogues,
asks what its training asked again and again.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.base import RECIPE
from platypus.devices import gather_team
from platypus.model import load_base
from platypus.recipe import read_recipe
from platypus.stages.base import unseen_accuracy


def main() -> None:
    """Ask each base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", nargs="+", metavar="BASE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[2])
    parser.add_argument("--catalogues", type=int, default=24)
    options = parser.parse_args()
    recipe = read_recipe(RECIPE)
    with gather_team() as team:
        for base in options.bases:
            loaded = load_base(base, dtype="float32")
            for seed in options.seeds:
                asked = recipe.model_copy(update={"seed": seed})
                exact = unseen_accuracy(loaded, asked, team, catalogues=options.catalogues)
                print(json.dumps({"base": base, "seed": seed, "exact": round(exact, 4)}), flush=True)


if __name__ == "__main__":
    main()
