"""Short pretraining runs of bases with several shapes and seeds, optionally with other settings.

    python benchmarks/base.py runs/shapes --shapes 128x6 160x6 192x6 --steps 600
    python benchmarks/base.py runs/bare --steps 600 --seeds 0 1 2 --set prompt.markers=false

Runs `platypus base` for each with the settings of recipes/embedded-base.toml, and prints one JSON object per line for
each evaluation: tokens, seconds, loss per token, exact plans on unseen catalogues. The same command continues an
interrupted run; its seconds are then those of the last part only.
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeds import toml, with_settings

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "embedded-base.toml"


def recipe(shape: str, seed: int, steps: int, every: int, settings: list[str]) -> str:
    """The shipped recipe with another shape (WIDTHxLAYERS), another number of steps, and the settings."""
    width, layers = (int(number) for number in shape.split("x"))
    values = {
        "hidden_size": width,
        "layers": layers,
        "intermediate_size": 3 * width,
        "steps": steps,
        "evaluate_every": every,
        "rows": [],  # so that no other data is needed
    }
    shaped = [f"pretrain.{key}={json.dumps(value)}" for key, value in values.items()]
    return toml(with_settings(RECIPE, [*shaped, *settings]) | {"seed": seed})


def main() -> None:
    """Train each shape with each seed and print its history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shapes", nargs="+", default=["160x6"], metavar="WIDTHxLAYERS")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--set", nargs="*", default=[], metavar="TABLE.KEY=VALUE", dest="settings")
    parser.add_argument("--every", type=int, default=100, help="steps between evaluations")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for shape, seed in product(options.shapes, options.seeds):
        recipe_file, model_folder = options.out / f"{shape}-{seed}.toml", options.out / f"{shape}-{seed}"
        recipe_file.write_text(recipe(shape, seed, options.steps, options.every, options.settings), encoding="utf-8")
        started = time.monotonic()
        command = [sys.executable, "-m", "platypus", "base", "--recipe", str(recipe_file), "--out", str(model_folder)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        seconds = time.monotonic() - started
        size = (model_folder / "model.safetensors").stat().st_size
        for entry in json.loads((model_folder / "base.json").read_text(encoding="utf-8"))["history"]:
            elapsed = round(seconds * entry["step"] / options.steps)
            print(json.dumps({"shape": shape, "seed": seed, "bytes": size, "seconds": elapsed, **entry}), flush=True)


if __name__ == "__main__":
    main()
