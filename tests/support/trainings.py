"""Short trainings for tests, and their bitwise comparison."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from platypus.commands.train import train
from platypus.data.dataset import Row
from platypus.model.adapters import AdapterCard
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.folder import Run
from platypus.run.settings import TrainSettings
from platypus.training.distributed import init_processes
from platypus.training.forecast import StepSplit
from platypus.training.loop import TrainingResult, fit
from tests.support.tiny_models import EXACT, adapted, examples, some_examples, tiny_run

CARD = AdapterCard(base="b", base_fingerprint="f", catalogue=None, notation="calls", cutoff=1)
NOISY = EXACT.model_copy(update={"dropout": 0.3, "batch_size": 8, "epochs": 2})


def related(count: int) -> list[EncodedExample]:
    """`some_examples` after a common prefix of 40 tokens."""
    prefix = tuple(range(100, 140))
    rows = some_examples(count)
    return [replace(row, ids=(*prefix, *row.ids), prompt_length=40 + row.prompt_length) for row in rows]


def learn(
    base: Path,
    folder: Path,
    settings: TrainSettings = EXACT,
    *,
    size: int = 1,
    rows: list[EncodedExample] | None = None,
    valid: list[EncodedExample] | None = None,
    loaded: Loaded | None = None,
) -> TrainingResult:
    """Train an adapter and save it to folder/adapter."""
    folder.mkdir(exist_ok=True)
    return fit(
        loaded or adapted(base, settings),
        some_examples(20) if rows is None else rows,
        valid or [],
        settings=settings,
        seed=3,
        folder=folder,
        card=CARD,
        cut=StepSplit(size, checkpointing=False),
        processes=init_processes(),
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def metrics(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without values that depend on time."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


def same(one: Path, other: Path) -> bool:
    """Whether adapters and metrics are bitwise equal."""
    first, second = weights(one), weights(other)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return equal and metrics(one) == metrics(other)


def quick_run(folder: Path, *, base: Path, rows: list[Row] | None = None, recipe: str = "") -> Run:
    """A run trained for three steps with a high rate: an adapter of some effect, in a second."""
    quick = "[prompt]\nnotation = 'calls'\n[train]\nepochs = 3\nbatch_size = 4\nlearning_rate = 2e-2\nrank = 4\n"
    run = tiny_run(folder, base=base, rows=rows or list(examples(4)), recipe=quick + recipe)
    train(run)
    return run
