"""Pretraining: a small base learns to plan with random catalogues.

No two optimizer steps see the same catalogue, so the model cannot memorise tools and must read them. The requests of
one catalogue share a single computation of it. All tasks are drawn from (seed, step): a run can be repeated, and one
that was interrupted continues from its last checkpoint. Several processes (torchrun) share each step's catalogues. A
GPU is used where there is one, but none has been tried so far.
"""

import json
import math
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import torch
from rich.console import Console
from transformers import PreTrainedTokenizerBase

from platypus.errors import PromptError, TrainingError
from platypus.evaluation.metrics import score
from platypus.generation.tasks import RealTasks, Task, random_task, read_real_tasks, real_task, sample_task
from platypus.model.bases import base_fingerprint
from platypus.model.completion import complete
from platypus.model.loading import Loaded, load_base
from platypus.parallel import cores, in_order
from platypus.pretraining.initial_weights import new_model
from platypus.pretraining.tokenizer import prompt_of, train_tokenizer
from platypus.prompt.base_files import BASE_CARD, base_card
from platypus.prompt.prompt import EncodedExample
from platypus.run.recipe import Recipe
from platypus.training.checkpoint import TrainingState, load_latest, save_checkpoint
from platypus.training.distributed import ProcessGroup
from platypus.training.shared_prefix.loss import accumulate, answer_length
from platypus.training.shared_prefix.prefix import prefix_support

MANY_CORES = 4  # with fewer cores tasks are drawn in a thread, as other processes take time to start
REPORT_EVERY = 50  # steps between two progress lines, and between two checkpoints
SHAPE = {"hidden_size", "layers", "heads", "intermediate_size", "vocabulary"}  # settings that only a new base needs
UNSEEN = "unseen"  # in the keys of evaluation tasks, so that training never draws them


@dataclass(frozen=True)
class PretrainingBatches:
    """The encoded tasks of each optimizer step, for one rank: `rank`, `rank + world_size`, …

    Catalogues and plans grow during the first half of a new base's steps. `real` tasks, if any, are mixed in. The first
    lists are the requests of one catalogue each; the last one holds `rows_per_step` rows, each with its own tools.
    """

    recipe: Recipe
    tokenizer: PreTrainedTokenizerBase
    real: RealTasks = field(default_factory=RealTasks)
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return self.recipe.pretrain.steps

    def __getitem__(self, step: int) -> list[list[EncodedExample]]:
        table = self.recipe.pretrain
        growth = 1.0 if table.start else min(1.0, 2 * step / table.steps)
        sizes = {"tools": round(2 + growth * (table.max_tools - 2)), "steps": round(1 + 4 * growth)}
        sizes["requests"] = table.requests_per_catalogue
        tasks = [
            self._encoded(key, sample_task(key, self.real, table.rows_share, **sizes))
            for key in self._keys(f"{step}", table.catalogues_per_step)
        ]
        rows = table.rows_per_step if self.real.tasks else 0
        alone = [self._encoded(key, real_task(key, self.real, requests=1)) for key in self._keys(f"{step}/rows", rows)]
        return [*tasks, [row for encoded in alone for row in encoded]] if alone else tasks

    def _keys(self, name: str, count: int) -> list[str]:
        """The keys of this rank's share of `count` tasks."""
        return [f"{self.recipe.seed}/{name}/{i}" for i in range(self.rank, count, self.world_size)]

    def _encoded(self, key: str, task: Task) -> list[EncodedExample]:
        prompt = prompt_of(self.recipe, self.tokenizer, task)
        if Random(f"{key}/rendering").random() < self.recipe.pretrain.brief_share:
            prompt = replace(prompt, rendering="brief")
        return prompt.encode_all(task.examples)


def _learnable(recipe: Recipe, real: RealTasks, tokenizer: PreTrainedTokenizerBase, console: Console) -> RealTasks:
    """The real tasks that are short enough to learn from. Prints why each of the other rows is left out."""
    faults = [str(row) for row in real.rejected]
    tasks, most = [], recipe.pretrain.context * 3 // 4
    for task in real.tasks:
        (row,) = task.examples
        try:
            prompt_of(recipe, tokenizer, task, context=most).encode_all(task.examples)
            tasks.append(task)
        except PromptError:
            faults.append(f"{row.origin['source']}:{row.origin['line']}: longer than {most} tokens with all its tools")
    for fault in faults:
        console.print(fault, markup=False)
    if tasks or faults:
        console.print(f"{len(tasks)} real requests to learn from, {len(faults)} rows left out")
    return RealTasks(tuple(tasks)).ready()


def _ahead(batches: PretrainingBatches, first: int) -> Iterator[list[list[EncodedExample]]]:
    """The batches of step `first` and of all later steps, in order, drawn ahead of the training.

    They are drawn in another thread or, with many cores, in other processes.
    """
    number = max(1, cores() // batches.world_size)
    with (
        ThreadPoolExecutor(1) if number < MANY_CORES else ProcessPoolExecutor(number - 1, get_context("spawn")) as pool
    ):
        yield from in_order(pool, batches.__getitem__, range(first, len(batches)), ahead=3 * number)


# ---------------------------------------------------------------- training


def _start(recipe: Recipe, real: RealTasks, processes: ProcessGroup) -> Loaded:
    """The base to continue from, or a new one, on a GPU if there is one: the same in all processes."""
    if recipe.pretrain.start is None:
        tokenizer = train_tokenizer(recipe, real)
        model: Any = new_model(recipe.pretrain, tokenizer, seed=recipe.seed)
        model.to(processes.accelerator.device)
        loaded = Loaded(model=model, tokenizer=tokenizer, source="a new base", fingerprint="")
    else:
        loaded = load_base(recipe.pretrain.start, dtype="float32", device=str(processes.accelerator.device))
        loaded.model.config.max_position_embeddings = recipe.pretrain.context
        loaded.tokenizer.model_max_length = recipe.pretrain.context
        for option in ("is_local", "local_files_only"):  # loading options, which transformers would save
            loaded.tokenizer.init_kwargs.pop(option, None)
    attention = prefix_support(loaded.model, device=loaded.device).attention
    assert attention is not None  # Llamas support shared prefixes
    loaded.model.set_attn_implementation(attention)
    return loaded


@dataclass
class _PretrainingRun:
    """A base in training, with its progress so far. Checkpoints go to a folder beside the base.

    Every process holds all of it; only the main process saves.
    """

    recipe: Recipe
    loaded: Loaded
    folder: Path
    processes: ProcessGroup
    step: int = 0
    tokens: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        table = self.recipe.pretrain
        parameters = self.loaded.model.train().parameters()
        self.optimizer = torch.optim.AdamW(parameters, lr=table.learning_rate, betas=(0.9, 0.98), weight_decay=0.1)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: _rate(step, table.steps))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as the base's card records them. A training resumes only if they are the same."""
        recipe = self.recipe
        table = recipe.pretrain.model_dump(exclude=SHAPE if recipe.pretrain.start else None)
        return {"recipe": table, "prompt": recipe.prompt.model_dump(), "seed": recipe.seed}

    @property
    def suits(self) -> dict[str, Any]:
        """What the card suggests to recipes with this base: its notation, and [train] and [merge] of its own recipe.

        Where that has neither, they are those of the base from which it started.
        """
        start = self.recipe.pretrain.start
        started = base_card(start).get("suits", {}) if start else {}
        own = {name: getattr(self.recipe, name).model_dump(exclude_unset=True) for name in ("train", "merge")}
        tables = {name: table or started.get(name, {}) for name, table in own.items()}
        return {"prompt": self.recipe.prompt.model_dump(include={"notation", "markers"}), **tables}

    def resume(self) -> int:
        """Continue an interrupted training with the same settings; returns the number of steps done.

        A checkpoint with other settings is deleted.
        """
        state = self.processes.broadcast(load_latest(self.folder).state if self.processes.is_main else None)
        if state is not None and state.progress["told"] == self.settings:
            state.restore(self.loaded.model, optimizer=self.optimizer, schedule=self.schedule)
            self.step, progress = state.step, state.progress
            self.tokens, self.loss, self.history = progress["tokens"], progress["loss"], progress["history"]
        elif self.processes.is_main:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.step

    def save(self) -> None:
        """Save a checkpoint from which the training can continue."""
        progress = {"told": self.settings, "tokens": self.tokens, "loss": self.loss, "history": self.history}
        state = TrainingState.capture(
            self.loaded.model,
            optimizer=self.optimizer,
            schedule=self.schedule,
            step=self.step,
            progress=progress,
        )
        save_checkpoint(self.folder, state=state)

    def learn(self, tasks: list[list[EncodedExample]]) -> None:
        """Take one optimizer step; `tasks` are this process's share of it, each the rows of one catalogue."""
        all_rows = [row for rows in tasks for row in rows]
        answers, tokens = _total(
            self.processes, sum(map(answer_length, all_rows)), sum(len(row.ids) for row in all_rows)
        )
        parameters = list(self.loaded.model.parameters())
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        loss = sum(
            (accumulate(self.loaded, rows, answer_tokens=answers, micro_batch_size=len(rows)) for rows in tasks),
            start=torch.zeros((), device=self.loaded.device),
        )
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self.processes.all_reduce([loss, *gradients])
        total = float(loss)
        self.step += 1
        if not math.isfinite(total):
            raise TrainingError(f"the loss is {total} at step {self.step}", remedy="Lower pretrain.learning_rate.")
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.tokens += tokens
        self.loss = total if self.step == 1 else 0.98 * self.loss + 0.02 * total

    def examine(self) -> float:
        """Measure the share of exact plans on unseen catalogues, and add it to the history."""
        exact = unseen_accuracy(self.loaded, self.recipe, self.processes)
        entry = {"step": self.step, "tokens": self.tokens, "loss": round(self.loss, 4), "exact_unseen": exact}
        self.history.append(entry)
        return exact


def pretrain(recipe: Recipe, out: Path, processes: ProcessGroup, console: Console) -> dict[str, Any]:
    """Train a base into the folder `out`, or resume an interrupted training; returns a summary with its fingerprint."""
    table, real = recipe.pretrain, read_real_tasks(recipe.pretrain.rows)
    run = _PretrainingRun(recipe, _start(recipe, real, processes), out.with_name(f".{out.name}.checkpoints"), processes)
    done, tokens_before = run.resume(), run.tokens
    if done:
        console.print(f"continuing after step {done}")
    started = time.monotonic()
    tokenizer = run.loaded.tokenizer
    batches = PretrainingBatches(
        recipe, tokenizer, _learnable(recipe, real, tokenizer, console), processes.rank, processes.world_size
    )
    for tasks in _ahead(batches, done):
        run.learn(tasks)
        step, is_last = run.step, run.step == table.steps
        if step % REPORT_EVERY == 0 or is_last:
            seconds = time.monotonic() - started
            remaining = seconds / (step - done) * (table.steps - step)
            speed = f"{(run.tokens - tokens_before) / seconds:,.0f} tokens/s  {remaining / 60:.1f} min left"
            console.print(f"step {step}/{table.steps}  loss {run.loss:.3f}  {speed}")
        if step % table.evaluate_every == 0 or is_last:
            console.print(f"step {step}: {run.examine():.1%} exact on unseen catalogues")
            if processes.is_main:
                _save(run.loaded, out, {**run.settings, "suits": run.suits, "history": run.history})
        if step % REPORT_EVERY == 0 and processes.is_main:
            run.save()
    if processes.is_main:
        shutil.rmtree(run.folder, ignore_errors=True)
    fingerprint = processes.broadcast(base_fingerprint(str(out)) if processes.is_main else "")
    return {"out": str(out), "fingerprint": fingerprint, "tokens": run.tokens, "history": run.history}


def _total(processes: ProcessGroup, *counts: int) -> list[int]:
    """The sum of each count over all processes."""
    summed = torch.tensor(counts, dtype=torch.float64, device=processes.accelerator.device)
    processes.all_reduce([summed])
    return [int(count) for count in summed.tolist()]


def _rate(step: int, steps: int) -> float:
    """The factor on the learning rate: linear warm-up over 2% of the steps, then a cosine down to 2% of the peak."""
    warm = max(1, steps // 50)
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def unseen_task(seed: int, number: int) -> Task:
    """Four requests for a catalogue that training never draws."""
    return random_task(f"{seed}/{UNSEEN}/{number}", tools=16, requests=4)


@torch.no_grad()
def unseen_accuracy(loaded: Loaded, recipe: Recipe, processes: ProcessGroup, *, catalogues: int = 24) -> float:
    """The share of exact plans on unseen tasks of this many catalogues, computed by all processes together."""
    loaded.model.eval()
    right = total = 0
    for i in range(processes.rank, catalogues, processes.world_size):
        task = unseen_task(recipe.seed, i)
        prompt = prompt_of(recipe, loaded.tokenizer, task)
        ids = [prompt.ids(example.query) for example in task.examples]
        answers = complete(loaded, ids, max_new_tokens=160, batch_size=len(ids))
        for example, answer in zip(task.examples, answers, strict=True):
            right += score(prompt.read(answer.text, example.query), example.plan, task.catalogue).exact
            total += 1
    loaded.model.train()
    right, total = _total(processes, right, total)
    return right / total


def _save(loaded: Loaded, out: Path, card: dict[str, Any]) -> None:
    """Write the model in bfloat16 with its tokenizer and `base.json`, then replace `out` with it."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in loaded.model.state_dict().items()}
    loaded.model.save_pretrained(str(partial), state_dict=weights)
    loaded.tokenizer.save_pretrained(partial)
    (partial / BASE_CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
