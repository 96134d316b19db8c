"""Train: fine-tune a LoRA adapter of the base on the refined examples.

Puts together what the training loop (`fit.py`) needs: rows as tokens, a forecast of what fits, the base where it
computes, an adapter on it. Of several processes the first one holds the run and saves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from platypus.data.dataset import Row, read_dataset
from platypus.errors import DatasetError, PromptError
from platypus.model.adapters import AdapterCard
from platypus.model.bases import base_fingerprint
from platypus.model.loading import Loaded, load_base
from platypus.prompt.prompt import EncodedExample, Prompt
from platypus.run.folder import Outcome, Run
from platypus.run.recipe import Recipe
from platypus.training.adapter import adapt, load_adapted_for_training
from platypus.training.dataset import TrainingDataset
from platypus.training.distributed import ProcessGroup, check_processes, init_processes
from platypus.training.forecast import Forecast, make_forecast, measure_seconds, set_checkpointing
from platypus.training.loop import fit
from platypus.training.optimizer import warmup_steps
from platypus.training.tracking import check_loggers


def train(run: Run, *, force: bool = False) -> Outcome:
    """Fine-tune the recipe's base on refine/train.jsonl into train/adapter/, with metrics.jsonl and tensorboard/.

    Of several processes the first one holds the run and saves; the others compute their share.
    Raises DatasetError, ModelError, PromptError, RecipeError, and TrainingError when it cannot go on.
    """
    with init_processes() as processes:
        check_processes(run.recipe, processes)
        check_loggers(run.recipe.train.loggers)
        return _lead(run, processes, force=force) if processes.is_main else _follow(run, processes)


def _lead(run: Run, processes: ProcessGroup, *, force: bool) -> Outcome:
    recipe = run.recipe
    outcome = run.perform(
        "train",
        inputs={"refine": run.fingerprint("refine"), "base": base_fingerprint(recipe.base)},
        settings={"base": recipe.base, "prompt": recipe.prompt.model_dump(), "train": recipe.train.model_dump()},
        work=lambda folder: _work(run, processes.broadcast(folder) or folder, processes),
        force=force,
    )
    if outcome.skipped:
        processes.broadcast(None)
    processes.broadcast(None)
    return outcome


def _follow(run: Run, processes: ProcessGroup) -> Outcome:
    folder = processes.broadcast(None)
    if folder is not None:
        _work(run, folder, processes)
    processes.broadcast(None)  # until it is published
    return run.outcome("train", skipped=folder is None)


def forecast(run: Run) -> Forecast:
    """What `train` would need, with the time from a few measured steps. Nothing is learned or saved."""
    with init_processes() as processes:
        check_processes(run.recipe, processes)
        job = _prepare(run, processes)
        adapted = load_adapted_for_training(run.recipe, processes)
        set_checkpointing(adapted, job.forecast.cut.checkpointing)
        return replace(
            job.forecast, seconds=measure_seconds(adapted, job.steps, job.forecast, world_size=processes.world_size)
        )


def forecast_table(found: Forecast) -> Table:
    """A forecast for people."""
    needed = found.memory.added
    rows = {
        "optimizer steps": f"{found.steps:,}",
        "tokens": f"{found.tokens:,}",
        "of these computed": f"{found.computed_tokens:,}: {found.tokens / found.computed_tokens:.1f} times fewer",
        "attention": found.attention,
        "examples": f"{found.cut}: {found.reason}",
        "memory": f"{decimal(found.memory.total)} at the peak",
        **{f"  {part}": decimal(size) for part, size in vars(found.memory).items()},
        "free": f"{decimal(found.available)}, of which {decimal(needed)} will be taken",
        "time": f"{timedelta(seconds=round(found.seconds or 0))}, as a few steps took; validation and saving apart",
    }
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name, value in rows.items():
        table.add_row(name, value)
    return table


@dataclass(frozen=True)
class _Job:
    """What is known before the weights are read."""

    dataset: TrainingDataset
    valid: list[EncodedExample]
    steps: list[list[EncodedExample]]  # of the first epoch
    forecast: Forecast


def _prepare(run: Run, processes: ProcessGroup) -> _Job:
    """Rows as tokens, and what their training will need; for this a model without weights is enough."""
    recipe = run.recipe
    rows = _rows(run, "train")
    bare = load_base(recipe.base, dtype=_dtype(recipe, processes), device="meta")
    dataset = dataset_of(run, rows, bare)
    first = dataset.first_epoch()
    warmup_steps(recipe.train, steps=recipe.train.epochs * len(first))
    steps = [dataset.step_examples(step, number) for number, step in enumerate(first, 1)]
    device = processes.accelerator.device
    foreseen = make_forecast(
        adapt(bare, recipe.train, seed=recipe.seed, device=device),
        steps,
        settings=recipe.train,
        epochs=recipe.train.epochs,
        world_size=processes.world_size,
        device=device,
        whole=[[dataset.pool[row] for row in step] for step in first] if dataset.vary else (),
    )
    return _Job(dataset, dataset_of(run, _rows(run, "valid"), bare).examples, steps, foreseen)


def _dtype(recipe: Recipe, processes: ProcessGroup) -> Any:
    """The dtype that the base will have where it computes: "auto" depends on the device."""
    wanted = recipe.train.dtype
    if wanted != "auto":
        return wanted
    return "bfloat16" if processes.accelerator.device.type == "cuda" else "float32"


def _work(run: Run, folder: Path, processes: ProcessGroup) -> dict[str, Any]:
    recipe = run.recipe
    job = _prepare(run, processes)
    adapted = load_adapted_for_training(recipe, processes)
    learned = fit(
        adapted,
        job.dataset.pool,
        job.valid,
        settings=recipe.train,
        seed=recipe.seed,
        folder=folder,
        card=_card(recipe, adapted, run),
        cut=job.forecast.cut,
        processes=processes,
        read=job.dataset.step_examples,
    )
    trained, parameters = adapted.model.get_nb_trainable_parameters()  # type: ignore[operator]
    return {
        "examples": len(job.dataset.rows),
        **job.dataset.results(),
        **learned.results(steps_per_epoch=len(job.steps)),
        "tokens_per_second": learned.tokens_per_second,
        "trainable_parameters": trained,
        "parameters": parameters,
        "device": str(adapted.device),
        "devices": processes.world_size,
        "attention": adapted.model.config._attn_implementation,
    }


# ---------------------------------------------------------------- before the first step


def _rows(run: Run, split: str) -> tuple[Row, ...]:
    """The rows of one of refine's files. Raises DatasetError for a row that was spoilt by hand since."""
    path = run.folder("refine") / f"{split}.jsonl"
    if split == "valid" and path.stat().st_size == 0:
        return ()
    dataset = read_dataset(str(path), run.catalogue)
    if dataset.rejected:
        raise DatasetError(
            f"{len(dataset.rejected)} rows are not valid, the first: {dataset.rejected[0]}",
            where=str(path),
            remedy=f"Run again: platypus refine {run.path} --force",
        )
    return dataset.rows


def dataset_of(run: Run, rows: Sequence[Row], loaded: Loaded) -> TrainingDataset:
    """The rows as the run's training reads them. Raises PromptError for rows longer than the cutoff or the context."""
    prompt = Prompt.of(loaded.tokenizer, run.catalogue, run.recipe.prompt)
    dataset = TrainingDataset(rows, prompt, run.recipe.train, run.recipe.seed)
    longest = max(dataset.examples, key=lambda example: len(example.ids), default=None)
    if longest is not None and len(longest.ids) > loaded.context:
        raise PromptError(
            f"{longest.name} has {len(longest.ids)} tokens, but the context of the base is {loaded.context}",
            where=loaded.source,
            remedy='Use a base with a longer context, notation = "calls", fewer tools, or leave long rows out.',
        )
    return dataset


def _card(recipe: Recipe, loaded: Loaded, run: Run) -> AdapterCard:
    return AdapterCard(
        base=recipe.base,
        base_fingerprint=loaded.fingerprint,
        catalogue=None if run.catalogue is None else run.catalogue.fingerprint,
        notation=recipe.prompt.notation,
        cutoff=recipe.prompt.cutoff,
        markers=recipe.prompt.markers,
        quantisation=recipe.train.quantise,
    )
