"""`platypus train`: fine-tune a LoRA adapter of the base on the refined examples.

Prepares what the training loop (`platypus.training.loop`) needs: encoded rows, a forecast of what fits, the base on its
device, and an adapter on it. With several processes, the main process holds the run and saves.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from platypus.data.dataset import Example, Row
from platypus.decoding.kv_cache import check_keys_and_values
from platypus.errors import PromptError
from platypus.files import say
from platypus.inference.narrowing import narrowing_for_training
from platypus.model.adapters import AdapterCard
from platypus.model.bases import base_fingerprint
from platypus.model.loading import Loaded, check_tokens, load_base
from platypus.prompt.chat_template import write_tokenizer
from platypus.prompt.invocation import invocation_tokens
from platypus.prompt.prompt import EncodedExample, Prompt, name_of
from platypus.run.folder import Outcome, Run
from platypus.run.refined import refined_rows
from platypus.training.adapter import adapt, check_mergeable, load_adapted_for_training
from platypus.training.dataset import TrainingDataset, brought_by
from platypus.training.distributed import ProcessGroup, base_dtype, check_processes, init_processes
from platypus.training.forecast import Forecast, make_forecast, measure_seconds, set_checkpointing
from platypus.training.loop import fit
from platypus.training.optimizer import warmup_steps
from platypus.training.tracking import check_loggers


def train(run: Run, *, force: bool = False) -> Outcome:
    """Fine-tune the recipe's base on refine/train.jsonl into train/adapter/, with metrics.jsonl and tensorboard/.

    With several processes, the main process holds the run and saves; the others compute their share. Raises
    DatasetError, ModelError, PromptError, RecipeError, and TrainingError if the training cannot continue.
    """
    with init_processes() as processes:
        check_processes(run.recipe, processes)
        check_loggers(run.recipe.train.loggers)
        return _train_in_main(run, processes, force=force) if processes.is_main else _train_in_other(run, processes)


def _train_in_main(run: Run, processes: ProcessGroup, *, force: bool) -> Outcome:
    recipe = run.recipe
    outcome = run.perform(
        "train",
        inputs={
            "refine": run.fingerprint("refine"),
            "base": run.source_fingerprint("train", recipe.base, base_fingerprint, name="base", force=force),
        },
        settings={"base": recipe.base, "prompt": recipe.prompt.model_dump(), "train": recipe.train.model_dump()},
        work=lambda folder: _work(run, processes.broadcast(folder) or folder, processes),
        force=force,
    )
    if outcome.skipped:
        processes.broadcast(None)
    processes.broadcast(None)
    return outcome


def _train_in_other(run: Run, processes: ProcessGroup) -> Outcome:
    folder = processes.broadcast(None)
    if folder is not None:
        _work(run, folder, processes)
    processes.broadcast(None)  # wait until the stage is published
    return run.outcome("train", skipped=folder is None)


def forecast(run: Run) -> Forecast:
    """What `train` would need, with the time from a few measured steps. Nothing is learned or saved."""
    with init_processes() as processes:
        check_processes(run.recipe, processes)
        job = _prepare(run, processes)
        say(f"train: {processes.describe()}")
        adapted = load_adapted_for_training(run.recipe, processes)
        set_checkpointing(adapted, job.forecast.cut.checkpointing)
        return replace(
            job.forecast, seconds=measure_seconds(adapted, job.steps, job.forecast, world_size=processes.world_size)
        )


@dataclass(frozen=True)
class _Job:
    """What a training needs besides the weights."""

    dataset: TrainingDataset
    valid: list[EncodedExample]
    steps: list[list[EncodedExample]]  # of the first epoch
    forecast: Forecast


def _prepare(run: Run, processes: ProcessGroup) -> _Job:
    """Encode the rows and forecast what their training will need. A model without weights is enough for this."""
    recipe = run.recipe
    rows = refined_rows(run, "train")
    bare = load_base(recipe.base, dtype=base_dtype(recipe.train, processes), device="meta")
    dataset = dataset_of(run, rows, bare)
    first = dataset.first_epoch()
    warmup_steps(recipe.train, steps=recipe.train.epochs * len(first))
    steps = [dataset.step_examples(step, number) for number, step in enumerate(first, 1)]
    for example in chain(*steps):
        check_tokens(bare, example.ids, what=example.name)
    _check_what_follows(run, bare, dataset)
    if not dataset.prompt.has_room(bare.context):
        shown = sum(len(brought_by(row) or ()) for row in dataset.rows) / len(dataset.rows)
        say(f"train: {len(run.catalogue or ())} tools leave no room in a prompt; each row shows {shown:.0f} of them")
    device = processes.accelerator.device
    adapted = adapt(bare, recipe.train, seed=recipe.seed, device=device)
    if recipe.train.prefix != "frozen":
        check_mergeable(adapted)
    needs = make_forecast(
        adapted,
        steps,
        settings=recipe.train,
        epochs=recipe.train.epochs,
        world_size=processes.world_size,
        device=device,
        free=processes.free_memory(recipe.train),
        whole=[[dataset.pool[row] for row in step] for step in first] if dataset.vary else (),
    )
    return _Job(dataset, dataset_of(run, refined_rows(run, "valid"), bare).examples, steps, needs)


def _check_what_follows(run: Run, bare: Loaded, dataset: TrainingDataset) -> None:
    """Raises ModelError if the base cannot answer as the recipe says, or `merge` would refuse its tokenizer.

    Raises PromptError if `evaluate` could not ask a test row.
    """
    recipe = run.recipe
    narrowing = narrowing_for_training(dataset.prompt, recipe.decode, bare.context)
    for row in refined_rows(run, "test"):
        ids = dataset.prompt.row_ids(narrowing.row(row) if narrowing else row)
        check_tokens(bare, ids, what=name_of(row))
    requests = [row.query for row in dataset.rows[: recipe.merge.verify] if isinstance(row, Example)]
    if requests and recipe.decode.decoding == "grammar":
        check_keys_and_values(bare)
    if recipe.train.prefix == "frozen":
        return  # it is never merged
    with TemporaryDirectory() as folder:
        shown = narrowing.tools if narrowing else None
        tokenizer, requests = deepcopy(bare.tokenizer), requests or ["1", "Plan"]
        write_tokenizer(dataset.prompt, tokenizer, Path(folder), requests=requests, shown=shown)


def _work(run: Run, folder: Path, processes: ProcessGroup) -> dict[str, Any]:
    recipe = run.recipe
    job = _prepare(run, processes)
    say(f"train: {processes.describe()}")
    if hint := processes.crowding():
        say(f"train: {hint}")
    adapted = load_adapted_for_training(recipe, processes)
    outcome = fit(
        adapted,
        job.dataset.pool,
        job.valid,
        settings=recipe.train,
        seed=recipe.seed,
        folder=folder,
        card=AdapterCard.of(adapted, job.dataset.prompt, quantisation=recipe.train.quantise),
        cut=job.forecast.cut,
        processes=processes,
        read=job.dataset.step_examples,
    )
    trained, parameters = adapted.model.get_nb_trainable_parameters()  # type: ignore[operator]
    return {
        "examples": len(job.dataset.rows),
        **job.dataset.results(),
        **outcome.results(steps_per_epoch=len(job.steps)),
        "tokens_per_second": outcome.tokens_per_second,
        "trainable_parameters": trained,
        "parameters": parameters,
        "memory": job.forecast.memory.total,
        "device": str(adapted.device),
        "devices": processes.world_size,
        "attention": adapted.model.config._attn_implementation,
    }


# ---------------------------------------------------------------- before the first step


def dataset_of(run: Run, rows: Sequence[Row], loaded: Loaded) -> TrainingDataset:
    """The rows as the run's training reads them. Raises PromptError for rows that it cannot read."""
    prompt = Prompt.of(loaded.tokenizer, run.catalogue, run.recipe.prompt).fitted(loaded.context)
    if run.recipe.train.prefix == "frozen":
        prompt = replace(prompt, invocation=invocation_tokens(loaded.tokenizer))
    narrowing = narrowing_for_training(prompt, run.recipe.decode, loaded.context)
    rows = rows if narrowing is None else [narrowing.row(row) for row in rows]
    dataset = TrainingDataset(rows, prompt, run.recipe.train, run.recipe.seed)
    longest = max(dataset.examples, key=lambda example: len(example.ids), default=None)
    if longest is not None and len(longest.ids) > loaded.context:
        raise PromptError(
            f"{longest.name} has {len(longest.ids)} tokens, but the context of the base is {loaded.context}",
            where=loaded.source,
            remedy='Use a base with a longer context, notation = "calls", or fewer tools; or leave long rows out:'
            ' long_rows = "drop" under [refine].',
        )
    for example in dataset.examples:
        check_tokens(loaded, example.ids, what=example.name)
    return dataset
