"""Pretraining: a small base learns to plan with random catalogues.

Every optimizer step sees catalogues that no other step sees, so the model cannot memorise tools and must read them. The
requests of one catalogue share a single computation of it. Everything is drawn from (seed, step): a run can be
repeated, and one that was interrupted goes on from its last checkpoint. Several processes (torchrun) share each step's
catalogues. A GPU is used where there is one; it was never run on any so far.
"""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import PreTrainedTokenizerBase

from platypus.errors import PromptError, TrainingError
from platypus.evaluation.metrics import score
from platypus.generation.tasks import RealTasks, Task, random_task, read_real_tasks, sample_task
from platypus.model.bases import BASE_CARD, base_fingerprint
from platypus.model.completion import complete
from platypus.model.loading import Loaded, load_base
from platypus.parallel import cores, in_order
from platypus.pretraining.initial_weights import new_model
from platypus.pretraining.tokenizer import prompt_of, train_tokenizer
from platypus.prompt.prompt import EncodedExample
from platypus.run.recipe import Recipe
from platypus.training.checkpoint import TrainingState, load_latest, save_checkpoint
from platypus.training.distributed import ProcessGroup
from platypus.training.shared_prefix.loss import accumulate, answer_length
from platypus.training.shared_prefix.prefix import prefix_support

MANY = 4  # cores with which processes that draw tasks are worth their start
REPORTED = 50  # steps after which progress is told and kept
SHAPE = {"hidden_size", "layers", "heads", "intermediate_size", "vocabulary"}  # of the recipe, where no start has it
UNSEEN = "unseen"  # the part of the random stream that evaluation draws from, which training never reaches


@dataclass(frozen=True)
class PretrainingBatches:
    """The tasks, as tokens, of each optimizer step: of several processes' each takes every so-manieth.

    In a new base's first half catalogues and plans grow. Some tasks are of real rows, if there are any.
    """

    recipe: Recipe
    tokenizer: PreTrainedTokenizerBase
    real: Sequence[Task] = ()
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return self.recipe.pretrain.steps

    def __getitem__(self, step: int) -> list[list[EncodedExample]]:
        table = self.recipe.pretrain
        grown = 1.0 if table.start else min(1.0, 2 * step / table.steps)
        asked = {"tools": round(2 + grown * (table.max_tools - 2)), "steps": round(1 + 4 * grown)}
        asked["requests"] = table.requests_per_catalogue
        keys = (f"{self.recipe.seed}/{step}/{i}" for i in range(self.rank, table.catalogues_per_step, self.world_size))
        drawn = (sample_task(key, self.real, table.rows_share, **asked) for key in keys)
        return [prompt_of(self.recipe, self.tokenizer, one).encode_all(one.examples) for one in drawn]


def _learnable(recipe: Recipe, real: RealTasks, tokenizer: PreTrainedTokenizerBase, console: Console) -> list[Task]:
    """The tasks of real rows that are short; the other rows are told."""
    faults = [str(row) for row in real.rejected]
    kept, most = [], recipe.pretrain.context * 3 // 4
    for one in real.tasks:
        (row,) = one.examples
        try:
            prompt_of(recipe, tokenizer, one, context=most).encode_all(one.examples)
            kept.append(one)
        except PromptError:
            faults.append(f"{row.origin['source']}:{row.origin['line']}: longer than {most} tokens with all its tools")
    for fault in faults:
        console.print(fault, markup=False)
    if kept or faults:
        console.print(f"{len(kept)} real requests to learn from, {len(faults)} rows left out")
    return kept


def _ahead(batches: PretrainingBatches, begun: int) -> Iterator[list[list[EncodedExample]]]:
    """The tasks after those begun with, in order, some of them drawn while the model learns.

    They are drawn in another thread, or, where there are many cores, in processes of their own.
    """
    number = max(1, cores() // batches.world_size)
    with ThreadPoolExecutor(1) if number < MANY else ProcessPoolExecutor(number - 1, get_context("spawn")) as pool:
        yield from in_order(pool, batches.__getitem__, range(begun, len(batches)), ahead=3 * number)


# ---------------------------------------------------------------- training


def _start(recipe: Recipe, real: RealTasks, processes: ProcessGroup) -> Loaded:
    """The base to go on from, or a new one, on a GPU where there is one: the same in all processes."""
    if recipe.pretrain.start is None:
        tokenizer = train_tokenizer(recipe, real.tasks)
        model: Any = new_model(recipe.pretrain, tokenizer, seed=recipe.seed)
        model.to(processes.accelerator.device)
        loaded = Loaded(model=model, tokenizer=tokenizer, source="a new base", fingerprint="")
    else:
        loaded = load_base(recipe.pretrain.start, dtype="float32", device=str(processes.accelerator.device))
        loaded.model.config.max_position_embeddings = recipe.pretrain.context
        loaded.tokenizer.model_max_length = recipe.pretrain.context
        for how_opened in ("is_local", "local_files_only"):  # transformers would save that with it
            loaded.tokenizer.init_kwargs.pop(how_opened, None)
    attention = prefix_support(loaded.model, device=loaded.device).attention
    assert attention is not None  # Llamas share prefixes
    loaded.model.set_attn_implementation(attention)
    return loaded


@dataclass
class _PretrainingRun:
    """A base in training, as far as it has come; what it takes to go on is kept in a folder beside the base.

    Every process of the processes holds all of it. The first one keeps it.
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
    def told(self) -> dict[str, Any]:
        """What the training was told, as its card says it; one that goes on must have been told the same."""
        recipe = self.recipe
        table = recipe.pretrain.model_dump(exclude=SHAPE if recipe.pretrain.start else None)
        return {"recipe": table, "prompt": recipe.prompt.model_dump(), "seed": recipe.seed}

    def resume(self) -> int:
        """Go on from where a training by the same recipe was broken off; returns the steps that are done.

        What another recipe left goes.
        """
        state = self.processes.broadcast(load_latest(self.folder).state if self.processes.is_main else None)
        if state is not None and state.progress["told"] == self.told:
            state.restore(self.loaded.model, optimizer=self.optimizer, schedule=self.schedule)
            self.step, past = state.step, state.progress
            self.tokens, self.loss, self.history = past["tokens"], past["loss"], past["history"]
        elif self.processes.is_main:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.step

    def keep(self) -> None:
        """Save what it takes to go on from here."""
        progress = {"told": self.told, "tokens": self.tokens, "loss": self.loss, "history": self.history}
        state = TrainingState.capture(
            self.loaded.model,
            optimizer=self.optimizer,
            schedule=self.schedule,
            epoch=1,
            batches=self.step,
            step=self.step,
            progress=progress,
        )
        save_checkpoint(self.folder, state=state)

    def learn(self, drawn: list[list[EncodedExample]]) -> None:
        """Take a step: these tasks are this process's share of it."""
        rows = [row for rows in drawn for row in rows]
        answers, tokens = _total(self.processes, sum(map(answer_length, rows)), sum(len(row.ids) for row in rows))
        parameters = list(self.loaded.model.parameters())
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        loss = sum(
            (accumulate(self.loaded, rows, answer_tokens=answers, micro_batch_size=len(rows)) for rows in drawn),
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
        """The share of exact plans on unseen catalogues, which goes into the history."""
        exact = unseen_accuracy(self.loaded, self.recipe, self.processes)
        now = {"step": self.step, "tokens": self.tokens, "loss": round(self.loss, 4), "exact_unseen": exact}
        self.history.append(now)
        return exact


def pretrain(recipe: Recipe, out: Path, processes: ProcessGroup, console: Console) -> dict[str, Any]:
    """Train a base into the folder `out`, or resume a training that was interrupted; returns what `base.json` says."""
    table, real = recipe.pretrain, read_real_tasks(recipe.pretrain.rows)
    run = _PretrainingRun(recipe, _start(recipe, real, processes), out.with_name(f".{out.name}.checkpoints"), processes)
    begun, seen = run.resume(), run.tokens
    if begun:
        console.print(f"going on after step {begun}")
    started = time.monotonic()
    tokenizer = run.loaded.tokenizer
    batches = PretrainingBatches(
        recipe, tokenizer, _learnable(recipe, real, tokenizer, console), processes.rank, processes.world_size
    )
    for drawn in _ahead(batches, begun):
        run.learn(drawn)
        step, ends = run.step, run.step == table.steps
        if step % REPORTED == 0 or ends:
            seconds = time.monotonic() - started
            left = seconds / (step - begun) * (table.steps - step)
            speed = f"{(run.tokens - seen) / seconds:,.0f} tokens/s  {left / 60:.1f} min left"
            console.print(f"step {step}/{table.steps}  loss {run.loss:.3f}  {speed}")
        if step % table.evaluate_every == 0 or ends:
            console.print(f"step {step}: {run.examine():.1%} exact on unseen catalogues")
            if processes.is_main:
                _save(run.loaded, out, {**run.told, "history": run.history})
        if step % REPORTED == 0 and processes.is_main:
            run.keep()
    if processes.is_main:
        shutil.rmtree(run.folder, ignore_errors=True)
    fingerprint = processes.broadcast(base_fingerprint(str(out)) if processes.is_main else "")
    return {"out": str(out), "fingerprint": fingerprint, "tokens": run.tokens, "history": run.history}


def _total(processes: ProcessGroup, *counts: int) -> list[int]:
    """Each count, added up over all processes."""
    summed = torch.tensor(counts, dtype=torch.float64, device=processes.accelerator.device)
    processes.all_reduce([summed])
    return [int(count) for count in summed.tolist()]


def _rate(step: int, steps: int) -> float:
    """A linear warm-up over 2% of the run, then a cosine to 2% of the peak."""
    warm = max(1, steps // 50)
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def unseen_task(seed: int, number: int) -> Task:
    """Four requests for a catalogue that training never draws."""
    return random_task(f"{seed}/{UNSEEN}/{number}", tools=16, requests=4)


@torch.no_grad()
def unseen_accuracy(loaded: Loaded, recipe: Recipe, processes: ProcessGroup, *, catalogues: int = 24) -> float:
    """The share of exact plans on so many unseen tasks."""
    loaded.model.eval()
    right = asked = 0
    for i in range(processes.rank, catalogues, processes.world_size):
        drawn = unseen_task(recipe.seed, i)
        prompt = prompt_of(recipe, loaded.tokenizer, drawn)
        ids = [prompt.ids(example.query) for example in drawn.examples]
        answers = complete(loaded, ids, max_new_tokens=160, batch_size=len(ids))
        for example, answer in zip(drawn.examples, answers, strict=True):
            right += score(prompt.read(answer.text, example.query), example.plan, drawn.catalogue).exact
            asked += 1
    loaded.model.train()
    right, asked = _total(processes, right, asked)
    return right / asked


def _save(loaded: Loaded, out: Path, card: dict[str, Any]) -> None:
    """The model in bfloat16 beside its tokenizer and `base.json`, swapped into place."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in loaded.model.state_dict().items()}
    loaded.model.save_pretrained(str(partial), state_dict=weights)
    loaded.tokenizer.save_pretrained(partial)
    (partial / BASE_CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
