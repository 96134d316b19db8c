"""What a base comes to: short runs from nothing of several shapes and seeds, with other settings on wish.

    python benchmarks/base.py runs/shapes --shapes 128x6 160x6 192x6 --steps 600
    python benchmarks/base.py runs/bare --steps 600 --seeds 0 1 2 --set prompt.markers=false

Runs `platypus base` for each with the settings of recipes/embedded-base.toml and prints, as one JSON object a line, how
it had come along at each evaluation: tokens, seconds, the loss a token, exact plans on unseen catalogues. What was
broken off goes on with the same command; then the seconds are those of the last part.
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
    """The shipped recipe with another shape (WIDTHxLAYERS), so many steps, and the settings."""
    width, layers = (int(number) for number in shape.split("x"))
    told = {
        "hidden_size": width,
        "layers": layers,
        "intermediate_size": 3 * width,
        "steps": steps,
        "evaluate_every": every,
        "rows": [],  # so that it needs no other data
    }
    shaped = [f"pretrain.{key}={json.dumps(value)}" for key, value in told.items()]
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
        told, made = options.out / f"{shape}-{seed}.toml", options.out / f"{shape}-{seed}"
        told.write_text(recipe(shape, seed, options.steps, options.every, options.settings), encoding="utf-8")
        begun = time.monotonic()
        command = [sys.executable, "-m", "platypus", "base", "--recipe", str(told), "--out", str(made)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        seconds = time.monotonic() - begun
        size = (made / "model.safetensors").stat().st_size
        for at in json.loads((made / "base.json").read_text(encoding="utf-8"))["history"]:
            spent = round(seconds * at["step"] / options.steps)
            print(json.dumps({"shape": shape, "seed": seed, "bytes": size, "seconds": spent, **at}), flush=True)


if __name__ == "__main__":
    main()
