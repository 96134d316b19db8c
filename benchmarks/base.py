"""Where size pays: bases of several shapes, from nothing, by the same recipe, on the same lessons.

    python benchmarks/base.py runs/shapes --shapes 64x4 128x6 192x8 --steps 300

Runs `platypus base` for each shape with the settings of recipes/embedded-base.toml and prints, as one JSON object a
line, how it had come along at each evaluation: tokens, seconds, the loss a token, exact plans on unseen catalogues.
What was broken off goes on with the same command; then the seconds are those of the last part.
"""

import argparse
import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.seeds import toml

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "embedded-base.toml"


def recipe(shape: str, steps: int, every: int) -> str:
    """The shipped recipe with another shape (WIDTHxLAYERS, heads of 32) and so many steps."""
    width, layers = (int(number) for number in shape.split("x"))
    tables = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    tables["pretrain"] |= {
        "hidden_size": width,
        "layers": layers,
        "heads": width // 32,
        "intermediate_size": 3 * width,
        "steps": steps,
        "evaluate_every": every,
        "rows": [],  # so that it needs no other data
    }
    return toml(tables)


def main() -> None:
    """Train each shape and print its history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shapes", nargs="+", default=["64x4", "128x6", "192x8"], metavar="WIDTHxLAYERS")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=100, help="steps between evaluations")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for shape in options.shapes:
        told, made = options.out / f"{shape}.toml", options.out / shape
        told.write_text(recipe(shape, options.steps, options.every), encoding="utf-8")
        begun = time.monotonic()
        command = [sys.executable, "-m", "platypus", "base", "--recipe", str(told), "--out", str(made)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        seconds = time.monotonic() - begun
        size = (made / "model.safetensors").stat().st_size
        for at in json.loads((made / "base.json").read_text(encoding="utf-8"))["history"]:
            spent = round(seconds * at["step"] / options.steps)
            print(json.dumps({"shape": shape, "bytes": size, "seconds": spent, **at}), flush=True)


if __name__ == "__main__":
    main()
