"""`platypus base`: train the small base that a planner starts from, on plans over random catalogues."""

from pathlib import Path
from typing import Any

from rich.console import Console

from platypus.errors import ModelError
from platypus.pretraining.loop import pretrain
from platypus.prompt.base_files import BASE_CARD
from platypus.run.recipe import Recipe
from platypus.training.distributed import init_processes


def base(recipe: Recipe, out: Path, *, console: Console | None = None) -> dict[str, Any]:
    """Train a base into the folder `out` (Hugging Face format); returns a summary with its fingerprint.

    An interrupted training is continued by the same call. With several processes, the main one saves and prints. Raises
    ModelError if `out` holds something that Platypus did not make.
    """
    if out.exists() and not (out / BASE_CARD).is_file():
        raise ModelError(
            "the folder exists and is not a base that Platypus made, so it is not replaced",
            where=str(out),
            remedy="Name another folder with --out.",
        )
    with init_processes() as processes:
        return pretrain(recipe, out, processes, console or Console(stderr=True, quiet=not processes.is_main))
