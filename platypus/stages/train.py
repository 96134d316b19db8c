"""Train: fine-tune a LoRA adapter of the base on the refined examples.

The loop is flat. One seeded permutation of the examples for each epoch is cut into batches, one optimizer step each;
the last batch of an epoch may be smaller, and no row is left out. A step's loss is the mean over *its answer tokens*:
every device knows the whole batch, so it divides by the exact count, however the batch is cut into micro-batches and
devices. The adapter is saved after every epoch. How the gradients of a step come about is not known here.
"""

import json
import math
import random
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import rich.progress
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from peft import LoraConfig, get_peft_model
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from transformers import get_scheduler

from platypus.errors import DatasetError, ModelError, PromptError, RecipeError, TrainingError
from platypus.example import Row, read_dataset
from platypus.loss import accumulate, answer_length, mean_loss
from platypus.model import AdapterCard, Loaded, base_fingerprint, check_adapter, load_base, save_adapter
from platypus.prefix import sharing
from platypus.prompt import Encoded, Prompt
from platypus.recipe import Recipe, TrainTable
from platypus.run import Outcome, Run

# Our names for the layers of Llama-like models; "all-linear" is PEFT's own for every linear layer but the output.
TARGETS: Mapping[str, str | list[str]] = {
    "mlp": ["gate_proj", "up_proj", "down_proj"],
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "all-linear": "all-linear",
}
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
SORTED_TOGETHER = 50  # batches among which group_by_length sorts, as in transformers


@dataclass(frozen=True)
class StepLoss:
    """One optimizer step: its loss per answer token, how many of these and of all tokens, and the gradients' norm."""

    loss: float
    answer_tokens: int
    tokens: int
    norm: float


@dataclass(frozen=True)
class Learned:
    """What a training came to: its steps by epoch, the validation loss after each, and where the adapter lies."""

    epochs: tuple[tuple[StepLoss, ...], ...]
    valid_losses: tuple[float, ...]  # empty without validation examples
    seconds: float  # in optimizer steps; validation and saving take no part
    adapter: Path

    def results(self) -> dict[str, Any]:
        """The figures for the stage's record; losses are means per answer token."""
        steps = [step for epoch in self.epochs for step in epoch]
        tokens = sum(step.tokens for step in steps)
        return {
            "epochs": len(self.epochs),
            "steps": len(steps),
            "first_loss": steps[0].loss,
            "train_losses": [_mean(epoch) for epoch in self.epochs],
            "valid_losses": list(self.valid_losses),
            "tokens": tokens,
            "answer_tokens": sum(step.answer_tokens for step in steps),
            "tokens_per_second": round(tokens / self.seconds, 1),
        }


def train(run: Run, *, force: bool = False) -> Outcome:
    """Fine-tune the recipe's base on refine/train.jsonl into train/adapter/, with metrics.jsonl and tensorboard/.

    Raises DatasetError, ModelError, PromptError, RecipeError, and TrainingError when the loss stops being a number.
    """
    recipe = run.recipe
    return run.perform(
        "train",
        inputs={"refine": run.fingerprint("refine"), "base": base_fingerprint(recipe.base)},
        settings={"base": recipe.base, "prompt": recipe.prompt.model_dump(), "train": recipe.train.model_dump()},
        work=lambda folder: _work(run, folder),
        force=force,
    )


def _work(run: Run, folder: Path) -> dict[str, Any]:
    recipe = run.recipe
    shutil.rmtree(folder)  # what a broken training left
    folder.mkdir()
    rows = _rows(run, "train")
    steps = recipe.train.epochs * math.ceil(len(rows) / recipe.train.batch_size)
    warmup_steps(recipe.train, steps=steps)
    loaded = load_base(recipe.base, dtype=recipe.train.dtype)
    adapted = adapt(loaded, recipe.train, seed=recipe.seed)
    learned = fit(
        adapted,
        encode(run, rows, adapted),
        encode(run, _rows(run, "valid"), adapted),
        settings=recipe.train,
        seed=recipe.seed,
        folder=folder,
        card=_card(recipe, loaded, run),
    )
    check_adapter(learned.adapter)
    learned.adapter.rename(folder / "adapter")
    shutil.rmtree(folder / "checkpoints")
    return {
        "examples": len(rows),
        **learned.results(),
        "trainable_parameters": sum(parameter.numel() for parameter in _trainable(adapted.model)),
        "parameters": sum(parameter.numel() for parameter in adapted.model.parameters()),
        "device": str(adapted.device),
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


def encode(run: Run, rows: Sequence[Row], loaded: Loaded) -> list[Encoded]:
    """The rows as tokens. With train_on_inputs a row's prompt is but its first token, which nothing can predict.

    Raises PromptError for rows longer than the cutoff or than the base's context.
    """
    table = run.recipe.prompt
    prompt = Prompt(loaded.tokenizer, run.catalogue, notation=table.notation, cutoff=table.cutoff)
    examples = prompt.encode_all(rows)
    longest = max(examples, key=lambda example: len(example.ids), default=None)
    if longest is not None and len(longest.ids) > loaded.context:
        raise PromptError(
            f"{longest.name} has {len(longest.ids)} tokens, but the context of the base is {loaded.context}",
            where=loaded.source,
            remedy='Use a base with a longer context, notation = "calls", fewer tools, or leave long rows out.',
        )
    if run.recipe.train.train_on_inputs:
        return [replace(example, prompt_length=1) for example in examples]
    return examples


def warmup_steps(settings: TrainTable, *, steps: int) -> int:
    """The optimizer steps of the warm-up. Raises RecipeError when the run is not longer than that."""
    if settings.warmup_ratio is not None:
        return math.floor(settings.warmup_ratio * steps)
    warmup = settings.warmup_steps or 0
    if warmup >= steps:
        raise RecipeError(
            f"a warm-up of {warmup} steps, but the whole run has only {steps}: it would never reach its learning rate",
            where="[train] warmup_steps",
            remedy=f"Use warmup_ratio = 0.1 instead, or warmup_steps = {steps // 10}, or more epochs or examples.",
        )
    return warmup


def adapt(loaded: Loaded, settings: TrainTable, *, seed: int) -> Loaded:
    """The base with a fresh LoRA adapter, float32, which changes nothing yet. Raises ModelError for unknown layers."""
    target = settings.target_modules if isinstance(settings.target_modules, list) else TARGETS[settings.target_modules]
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a float is as good
        lora_dropout=settings.dropout,
        target_modules=target,
    )
    torch.manual_seed(seed)
    base: Any = loaded.model
    shared = sharing(base)
    if shared.attention:
        base.set_attn_implementation(shared.attention)
    try:
        model = get_peft_model(base, config)
    except ValueError as error:
        layers = {name.split(".")[-1] for name, layer in base.named_modules() if isinstance(layer, torch.nn.Linear)}
        raise ModelError(
            f"it has no layers named {target}",
            where=loaded.source,
            remedy=f'Set `target_modules` under [train] to "all-linear" or some of {sorted(layers)}.',
        ) from error
    model.peft_config["default"].base_model_name_or_path = loaded.source
    return replace(loaded, model=model)


def _card(recipe: Recipe, loaded: Loaded, run: Run) -> AdapterCard:
    return AdapterCard(
        base=recipe.base,
        base_fingerprint=loaded.fingerprint,
        catalogue=None if run.catalogue is None else run.catalogue.fingerprint,
        notation=recipe.prompt.notation,
        cutoff=recipe.prompt.cutoff,
    )


def batches(lengths: Sequence[int], *, settings: TrainTable, seed: int, epoch: int) -> list[list[int]]:
    """The rows of each optimizer step of an epoch: every row once, the same on every device, the last may be smaller.

    With group_by_length the rows of a batch are of like length, and the order of the batches is drawn.
    """
    drawn = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    drawn.shuffle(order)
    if settings.group_by_length:
        span = SORTED_TOGETHER * settings.batch_size
        spans = [order[start : start + span] for start in range(0, len(order), span)]
        order = [index for part in spans for index in sorted(part, key=lambda index: lengths[index])]
    cut = [order[start : start + settings.batch_size] for start in range(0, len(order), settings.batch_size)]
    if settings.group_by_length:
        drawn.shuffle(cut)
    return cut


# ---------------------------------------------------------------- the loop


def fit(
    adapted: Loaded,
    train_examples: Sequence[Encoded],
    valid_examples: Sequence[Encoded],
    *,
    settings: TrainTable,
    seed: int,
    folder: Path,
    card: AdapterCard,
) -> Learned:
    """Train the adapter in place and save it under folder/checkpoints/ after every epoch; only the last one is kept.

    Raises TrainingError when a batch has nothing to learn or the loss is not a finite number.
    """
    accelerator = Accelerator(log_with=[JsonLines(folder / "metrics.jsonl"), "tensorboard"], project_dir=folder)
    accelerator.init_trackers("tensorboard")
    model: Any = adapted.model
    lengths = [len(example.ids) for example in train_examples]
    steps = settings.epochs * math.ceil(len(lengths) / settings.batch_size)
    optimizer = torch.optim.AdamW(_trainable(model), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = get_scheduler(SCHEDULES[settings.schedule], optimizer, warmup_steps(settings, steps=steps), steps)
    epochs: list[tuple[StepLoss, ...]] = []
    valid_losses: list[float] = []
    checkpoint: Path | None = None
    with Progress(accelerator, steps=steps) as progress:
        for epoch in range(1, settings.epochs + 1):
            done: list[StepLoss] = []
            for batch in batches(lengths, settings=settings, seed=seed, epoch=epoch):
                rate = schedule.get_last_lr()[0]
                with progress.timed():
                    examples = [train_examples[index] for index in batch]
                    step = compute_step(adapted, examples, settings=settings, accelerator=accelerator)
                    _check_finite(step, number=progress.steps + 1, checkpoint=checkpoint)
                    optimizer.step()
                    schedule.step()
                done.append(step)
                progress.advance(step, epoch=epoch, rate=rate)
            epochs.append(tuple(done))
            if valid_examples:
                valid_losses.append(mean_loss(adapted, valid_examples, micro_batch_size=settings.micro_batch_size))
                accelerator.log({"epoch": epoch, "valid_loss": valid_losses[-1]}, step=progress.steps)
            checkpoint = save_checkpoint(adapted, folder / "checkpoints", epoch=epoch, card=card)
    accelerator.end_training()
    return Learned(tuple(epochs), tuple(valid_losses), progress.seconds, folder / "checkpoints" / f"epoch-{epoch}")


def compute_step(
    adapted: Loaded, examples: Sequence[Encoded], *, settings: TrainTable, accelerator: Accelerator
) -> StepLoss:
    """The gradients of one optimizer step, clipped; `examples` are those of all devices, this one takes its share."""
    answer_tokens = sum(answer_length(example) for example in examples)
    if answer_tokens == 0:
        raise TrainingError(
            "a batch has no answer token to learn from",
            where=", ".join(example.name for example in examples),
            remedy="Look at these rows: their answers are empty.",
        )
    adapted.model.train()
    trainable = _trainable(adapted.model)
    for parameter in trainable:
        parameter.grad = torch.zeros_like(parameter)
    mine = examples[accelerator.process_index :: accelerator.num_processes]
    loss = accumulate(adapted, mine, answer_tokens=answer_tokens, micro_batch_size=settings.micro_batch_size)
    for parameter in trainable:
        parameter.grad = accelerator.reduce(parameter.grad, reduction="sum")
    return StepLoss(
        loss=float(accelerator.reduce(loss, reduction="sum")),
        answer_tokens=answer_tokens,
        tokens=sum(len(example.ids) for example in examples),
        norm=float(torch.nn.utils.clip_grad_norm_(trainable, settings.max_grad_norm)),
    )


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _mean(steps: Sequence[StepLoss]) -> float:
    return sum(step.loss * step.answer_tokens for step in steps) / sum(step.answer_tokens for step in steps)


def _check_finite(step: StepLoss, *, number: int, checkpoint: Path | None) -> None:
    if math.isfinite(step.loss) and math.isfinite(step.norm):
        return
    kept = f"The adapter of the last whole epoch is kept in {checkpoint}." if checkpoint else "No epoch had ended yet."
    raise TrainingError(
        f"the loss of step {number} is {step.loss}, the norm of its gradients {step.norm}: it cannot go on",
        where="train",
        remedy=f'{kept} Lower learning_rate, add a warm-up, or set dtype = "float32" under [train].',
    )


# ---------------------------------------------------------------- what it leaves


def save_checkpoint(adapted: Loaded, checkpoints: Path, *, epoch: int, card: AdapterCard) -> Path:
    """Save the adapter as checkpoints/epoch-N. It appears whole or not at all; then the one before goes."""
    earlier = list(checkpoints.glob("epoch-*"))
    save_adapter(adapted, checkpoints / "partial", card=card)
    saved = (checkpoints / "partial").rename(checkpoints / f"epoch-{epoch}")
    for folder in earlier:
        shutil.rmtree(folder)
    return saved


class JsonLines(GeneralTracker):  # type: ignore[misc]
    """A tracker for accelerate that writes metrics.jsonl: one object a step, readable while the training runs."""

    name = "jsonl"
    requires_logging_directory = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def tracker(self) -> Path:
        """The file."""
        return self.path

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Append the values of a step."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


class Progress:
    """The bar on stderr and the trackers: what has been done so far, and how fast."""

    def __init__(self, accelerator: Accelerator, *, steps: int) -> None:
        self.accelerator = accelerator
        self.steps = 0
        self.tokens = 0
        self.seconds = 0.0
        columns = ("train", BarColumn(), MofNCompleteColumn(), "{task.fields[news]}", TimeRemainingColumn())
        self.bar = rich.progress.Progress(
            *columns, console=Console(stderr=True), disable=not accelerator.is_main_process
        )
        self.task = self.bar.add_task("train", total=steps, news="")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time of the block as training."""
        begun = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begun

    def advance(self, step: StepLoss, *, epoch: int, rate: float) -> None:
        """Show and log a finished step."""
        self.steps += 1
        self.tokens += step.tokens
        speed = self.tokens / self.seconds
        self.bar.update(self.task, advance=1, news=f"loss {step.loss:.4f} · {speed:,.0f} tokens/s")
        values = {"epoch": epoch, "learning_rate": rate, **asdict(step), "tokens_per_second": round(speed, 1)}
        self.accelerator.log(values, step=self.steps)
