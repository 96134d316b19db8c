"""Compares the forecast with the training itself: memory (VmHWM of its process) and the time of its steps.

    python benchmarks/forecast.py     # takes some minutes; needs Linux

Each line is a random Llama, trained by `platypus train` on 32 examples with the catalogue of examples/worktracker,
after a `--dry-run`. Memory should be within 15%, time within 20%; other load on the machine distorts the time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

ROOT = Path(__file__).parents[1]
SETTINGS = (  # width, layers, and settings under [train] that differ from the defaults
    (384, 6, ""),
    (384, 6, 'target_modules = "all-linear"\ndropout = 0.0'),
    (512, 8, 'checkpointing = "always"'),
    (640, 8, 'prefix = "dense"'),
)
RECIPE = """
base = "{base}"
catalogue = "{catalogue}"
[prompt]
notation = "calls"
[generate]
examples = 40
[refine]
valid_fraction = 0.0
[train]
{settings}
"""
MEASURED = """
import sys
from platypus.cli import main
try:
    main(sys.argv[1:])
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Ran(NamedTuple):
    """What a command printed as JSON, and its process's peak memory in bytes."""

    result: dict[str, Any]
    peak: int


def platypus(*words: object) -> Ran:
    """Run a command with --json in a process of its own."""
    command = [sys.executable, "-c", MEASURED, *map(str, words), "--json"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return Ran(json.loads(printed[-2]), 1024 * int(printed[-1]))


def make_base(folder: Path, *, width: int, layers: int) -> None:
    """A random Llama with the tokenizer of the embedded base."""
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "platypus" / "embedded")  # type: ignore[no-untyped-call]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=8 * width // 3 // 64 * 64,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        max_position_embeddings=4096,
        dtype="float32",
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def compare(width: int, layers: int, settings: str, folder: Path) -> list[str]:
    """One line of the table."""
    make_base(folder / "base", width=width, layers=layers)
    catalogue = ROOT / "examples" / "worktracker" / "catalogue.json"
    recipe = RECIPE.format(base=folder / "base", catalogue=catalogue, settings=settings)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    run = folder / "run"
    platypus("generate", run, "--recipe", folder / "recipe.toml")
    platypus("refine", run)
    forecast = platypus("train", run, "--dry-run").result
    outcome = platypus("train", run)
    seconds = outcome.result["results"]["tokens"] / outcome.result["results"]["tokens_per_second"]
    total = forecast["memory"]["total"]
    return [
        f"{width}x{layers} {' '.join(settings.split())}",
        str(forecast["cut"]["micro_batch_size"]),
        *(decimal(total), decimal(outcome.peak), f"{total / outcome.peak - 1:+.0%}"),
        *(f"{forecast['seconds']:.1f}", f"{seconds:.1f}", f"{forecast['seconds'] / seconds - 1:+.0%}"),
    ]


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = Table("model", "at once", "memory foreseen", "measured", "", "seconds foreseen", "measured", "")
    for width, layers, settings in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            table.add_row(*compare(width, layers, settings, Path(folder)))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
