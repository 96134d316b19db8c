"""The training loop: one optimizer step after another, with checkpoints from which it can be resumed.

The order of the steps is fixed from the beginning, and the noise of each is drawn from (seed, step, rank), so an
interrupted training continues from its last checkpoint as if it had never stopped. A step's loss is the mean over *its
answer tokens*, however it is split into micro-batches and shared by devices. How gradients are computed is not known
here.
"""

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError

from platypus.errors import TrainingError
from platypus.model.adapters import AdapterCard, check_adapter, save_adapter
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.batches import batches, share
from platypus.training.checkpoint import LatestCheckpoint, TrainingState, load_latest, save_checkpoint
from platypus.training.dataset import Reader
from platypus.training.distributed import ProcessGroup, Stop, stop_signals
from platypus.training.forecast import StepSplit, set_checkpointing
from platypus.training.optimizer import Optimizer, make_optimizer
from platypus.training.shared_prefix.frozen import FrozenPrefixes
from platypus.training.shared_prefix.loss import accumulate, answer_length, summed_loss
from platypus.training.shared_prefix.prefix import common_prefix, prefix_support
from platypus.training.tracking import TrainingProgress


@dataclass(frozen=True)
class StepLoss:
    """One optimizer step: its loss per answer token, its counts of answer tokens and all tokens, its gradient norm."""

    loss: float
    answer_tokens: int
    tokens: int
    norm: float


@dataclass
class TrainingResult:
    """The result of a training so far: its steps, and each validation as the step it follows and its loss."""

    cut: StepSplit  # how the next steps are split
    steps: list[StepLoss] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    tokens_per_second: float = 0.0  # in optimizer steps since it was last started, without validation and saving

    @property
    def done(self) -> int:
        """The number of steps."""
        return len(self.steps)

    @property
    def stale(self) -> int:
        """The number of validations since the best one."""
        return len(self.validations) - self.validations.index(self.best) - 1 if self.best else 0

    @property
    def best(self) -> tuple[int, float] | None:
        """The first validation with the lowest loss."""
        return min(self.validations, key=lambda validation: validation[1], default=None)

    def results(self, *, steps_per_epoch: int) -> dict[str, Any]:
        """The figures for the stage's record; losses are means per answer token. The last epoch may be incomplete."""
        starts = range(0, len(self.steps), steps_per_epoch)
        parts = [self.steps[start : start + steps_per_epoch] for start in starts]
        tokens = sum(step.tokens for step in self.steps)
        return {
            "epochs": len(parts),
            "steps": len(self.steps),
            "first_loss": self.steps[0].loss,
            "train_losses": [_mean(part) for part in parts],
            "valid_losses": [loss for _, loss in self.validations],
            "best_step": self.best and self.best[0],
            "micro_batch_size": self.cut.micro_batch_size,
            "tokens": tokens,
            "answer_tokens": sum(step.answer_tokens for step in self.steps),
        }


def fit(
    adapted: Loaded,
    examples: Sequence[EncodedExample],
    valid: Sequence[EncodedExample],
    *,
    settings: TrainSettings,
    seed: int,
    folder: Path,
    card: AdapterCard,
    cut: StepSplit,
    processes: ProcessGroup,
    read: Reader | None = None,  # makes a step's examples of its row numbers; None takes them from `examples`
) -> TrainingResult:
    """Train the adapter in place, resuming from folder/checkpoints/ if possible, and save it as folder/adapter/.

    Raises TrainingError if a step has no answer tokens, the loss is not a finite number, or memory or disk is full.
    """
    total = settings.epochs * math.ceil(len(examples) / settings.batch_size)
    optimizer = make_optimizer(_trainable(adapted.model), settings, steps=total)
    keeper = _CheckpointKeeper(folder, adapted, optimizer, card, processes)
    kept = FrozenPrefixes(settings.prefix_gigabytes * 2**30)
    learned = keeper.resume(cut)
    with (
        _full_disk(keeper),
        stop_signals() as stop,
        TrainingProgress(folder, settings.loggers, steps=total, done=learned.done, processes=processes) as progress,
    ):
        compute = partial(compute_step, adapted, settings=settings, processes=processes, stop=stop, kept=kept)
        set_checkpointing(adapted, learned.cut.checkpointing)
        progress.say(*keeper.said, _describe(adapted, settings, learned.cut))
        for place in _places(examples, settings, seed, read, done=learned.done):
            with progress.timed():
                result, learned.cut = _step_that_fits(compute, place, learned.cut, settings)
                _check_finite(result, number=place.number, checkpoint=keeper.latest)
                rate = keeper.optimizer.update()
            learned.steps.append(result)
            learned.tokens_per_second = progress.finish_step(asdict(result), place.number, epoch=place.epoch, rate=rate)
            if valid and place.validates:
                loss = _valid_loss(adapted, valid, learned.cut, settings, processes, kept)
                learned.validations.append((place.number, loss))
                progress.log({"epoch": place.epoch, "valid_loss": loss}, step=place.number)
                if settings.keep == "best" and learned.stale == 0:
                    keeper.save_adapter("best")
                if settings.patience and learned.stale >= settings.patience:
                    progress.say(f"stopped early: {learned.stale} validations without a lower loss")
                    break
            keeper.save_when_due(learned, place, minutes=settings.checkpoint_minutes, now=stop.agreed)
            _end_if_stopped(stop, progress, place.number)
        keeper.finish(settings.keep if learned.validations else "last")
    return learned


def _end_if_stopped(stop: Stop, progress: TrainingProgress, step: int) -> None:
    if stop.agreed:
        progress.say(f"stopped after step {step}; the same command goes on from there")
        raise KeyboardInterrupt


class _Step(NamedTuple):
    """One step: its number from 1, its epoch from 1, its examples, and its noise's seed."""

    number: int
    epoch: int
    rows: list[EncodedExample]
    noise: str
    validates: bool  # whether a validation follows


def _places(
    examples: Sequence[EncodedExample], settings: TrainSettings, seed: int, read: Reader | None, *, done: int
) -> Iterator[_Step]:
    """All steps of all epochs except those done. Validations are evenly spaced in an epoch."""
    number = 0
    for epoch in range(1, settings.epochs + 1):
        order = batches(examples, settings=settings, seed=seed, epoch=epoch)
        times = settings.validations_per_epoch
        for index, rows in enumerate(order, 1):
            number += 1
            if number > done:
                validates = index * times // len(order) > (index - 1) * times // len(order)
                step_examples = read(rows, number) if read else [examples[row] for row in rows]
                yield _Step(number, epoch, step_examples, f"{seed}/{number}", validates)


def compute_step(
    adapted: Loaded,
    examples: Sequence[EncodedExample],
    *,
    settings: TrainSettings,
    processes: ProcessGroup,
    micro_batch_size: int,
    noise: str = "",
    stop: Stop | None = None,
    kept: FrozenPrefixes | None = None,
) -> StepLoss:
    """Compute the clipped gradients of one optimizer step; `examples` are those of all processes, which share them.

    `noise` and the rank seed the dropout. If one process is asked to `stop`, all agree to it. `kept` holds frozen
    prefixes from one step to the next. Raises TrainingError if there is no answer token.
    """
    answer_tokens = sum(answer_length(example) for example in examples)
    if answer_tokens == 0:
        raise TrainingError(
            "a step has no answer token to learn from",
            where=", ".join(example.name for example in examples),
            remedy="Check these rows: their answers are empty.",
        )
    adapted.model.train()
    trainable = _trainable(adapted.model)
    for parameter in trainable:
        parameter.grad = torch.zeros_like(parameter)
    torch.manual_seed(random.Random(f"{noise}/{processes.rank}").getrandbits(63))
    mine = share(examples, rank=processes.rank, world_size=processes.world_size, even=settings.parallel == "fsdp")
    loss = accumulate(
        adapted,
        mine,
        answer_tokens=answer_tokens,
        micro_batch_size=micro_batch_size,
        share=_all_share(examples, settings),
        kept=kept,
    )
    gradients = [parameter.grad for parameter in trainable if parameter.grad is not None]
    stop = stop or Stop()
    stop_asked = torch.full_like(loss, float(stop.asked))
    processes.all_reduce([*gradients, loss, stop_asked])
    stop.agreed = bool(stop_asked)
    return StepLoss(
        loss=float(loss),
        answer_tokens=answer_tokens,
        tokens=sum(len(example.ids) for example in examples),
        norm=float(torch.nn.utils.clip_grad_norm_(trainable, settings.max_grad_norm)),
    )


class _SplitStep(NamedTuple):
    result: StepLoss
    cut: StepSplit


def _step_that_fits(
    compute: Callable[..., StepLoss], step: _Step, cut: StepSplit, settings: TrainSettings
) -> _SplitStep:
    """Compute the step. When memory runs out, try again with half as many examples at once, and the same noise."""
    while True:
        size = cut.micro_batch_size
        with suppress(torch.OutOfMemoryError):
            return _SplitStep(compute(step.rows, micro_batch_size=size, noise=step.noise), cut)
        if size == 1 or settings.parallel == "fsdp":  # a sharded process cannot repeat a step without the others
            raise TrainingError(
                f"out of memory with {size} examples at once",
                where=f"train, step {step.number}",
                remedy='Set checkpointing = "always" or a smaller micro_batch_size, or run platypus train --dry-run.',
            )
        torch.cuda.empty_cache()
        cut = cut._replace(micro_batch_size=size // 2)


def _all_share(examples: Sequence[EncodedExample], settings: TrainSettings) -> bool:
    """Whether each process may share the prefix of its own examples: sharded processes must all do so, or none."""
    return settings.parallel != "fsdp" or common_prefix(examples) > 0


def _valid_loss(
    adapted: Loaded,
    valid: Sequence[EncodedExample],
    cut: StepSplit,
    settings: TrainSettings,
    processes: ProcessGroup,
    kept: FrozenPrefixes | None = None,
) -> float:
    """The validation loss per answer token; each process computes its share."""
    mine = share(valid, rank=processes.rank, world_size=processes.world_size, even=True)
    together = _all_share(valid, settings)
    summed = summed_loss(adapted, mine, micro_batch_size=cut.micro_batch_size, share=together, kept=kept)
    total = torch.tensor(summed, device=adapted.device, dtype=torch.float64)
    processes.all_reduce([total])
    return float(total) / sum(answer_length(example) for example in valid)


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _mean(steps: Sequence[StepLoss]) -> float:
    return sum(step.loss * step.answer_tokens for step in steps) / sum(step.answer_tokens for step in steps)


def _check_finite(result: StepLoss, *, number: int, checkpoint: Path | None) -> None:
    if math.isfinite(result.loss) and math.isfinite(result.norm):
        return
    before = f"The last checkpoint before it is {checkpoint}." if checkpoint else "No checkpoint had been saved yet."
    raise TrainingError(
        f"the loss of step {number} is {result.loss}, the norm of its gradients {result.norm}: it cannot continue",
        where="train",
        remedy=f'{before} Lower learning_rate, add a warm-up, or set dtype = "float32" under [train].',
    )


def _describe(adapted: Loaded, settings: TrainSettings, cut: StepSplit) -> str:
    """One line about how a step is computed."""
    support = prefix_support(adapted.model, device=adapted.device, wanted=settings.prefix)
    prefix = "a step's common prefix is computed once" if support.attention else "each example is computed whole"
    prefix = "the base's own prefixes are computed once" if settings.prefix == "frozen" else prefix
    return f"{prefix} ({support.reason}), {cut}"


# ---------------------------------------------------------------- on disk


@dataclass
class _CheckpointKeeper:
    """Saves the checkpoints of a training, and its adapter. Only the main process writes."""

    folder: Path
    adapted: Loaded
    optimizer: Optimizer
    card: AdapterCard
    processes: ProcessGroup
    latest: Path | None = None
    last_save: float = field(default_factory=time.monotonic)
    said: list[str] = field(default_factory=list)

    def resume(self, cut: StepSplit) -> TrainingResult:
        """Load the newest intact checkpoint. Without one, delete what an interrupted training left in the folder.

        The step split is loaded too, as it affects the noise, unless only a smaller one fits now.
        """
        latest = load_latest(self.folder / "checkpoints") if self.processes.is_main else LatestCheckpoint(None, ())
        state = self.processes.broadcast(latest.state)
        self.said += [f"skipped checkpoint {fault}" for fault in latest.skipped]
        if state is None:
            if self.processes.is_main:
                for path in self.folder.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            return TrainingResult(cut)
        state.restore(self.adapted.model, optimizer=self.optimizer.adamw, schedule=self.optimizer.schedule)
        self.latest = self.folder / "checkpoints" / f"step-{state.step:06}"
        self.said.append(f"continuing after step {state.step}")
        steps = [StepLoss(**step) for step in state.progress["steps"]]
        size, checkpointing = state.progress["cut"]
        cut = StepSplit(min(size, cut.micro_batch_size), checkpointing or cut.checkpointing)
        return TrainingResult(cut, steps, [(step, loss) for step, loss in state.progress["validations"]])

    def save_when_due(self, result: TrainingResult, step: _Step, *, minutes: float, now: bool) -> None:
        """Save a checkpoint if the last one is `minutes` old, or `now`. With `now`, all processes wait for it."""
        if self.processes.is_main and (now or time.monotonic() - self.last_save >= 60 * minutes):
            self._save(result, step)
        if now:
            self.processes.broadcast(None)

    def _save(self, result: TrainingResult, step: _Step) -> None:
        state = TrainingState.capture(
            self.adapted.model,
            optimizer=self.optimizer.adamw,
            schedule=self.optimizer.schedule,
            step=step.number,
            progress={**asdict(result), "cut": [*result.cut]},
        )
        self.latest = save_checkpoint(self.folder / "checkpoints", state=state)
        self.last_save = time.monotonic()

    def save_adapter(self, name: str) -> None:
        """Save the current adapter as folder/name, replacing an earlier one."""
        if self.processes.is_main:
            partial, final = self.folder / f"{name}.partial", self.folder / name
            shutil.rmtree(partial, ignore_errors=True)
            save_adapter(self.adapted, partial, card=self.card)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)

    def finish(self, keep: str) -> None:
        """Leave the adapter, "last" or "best", as folder/adapter, and delete the checkpoints."""
        if keep == "last":
            self.save_adapter("adapter")
        elif self.processes.is_main and (self.folder / "best").exists():  # otherwise it was killed here last time
            shutil.rmtree(self.folder / "adapter", ignore_errors=True)
            (self.folder / "best").rename(self.folder / "adapter")
        if self.processes.is_main:
            check_adapter(self.folder / "adapter")
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)


@contextmanager
def _full_disk(keeper: _CheckpointKeeper) -> Iterator[None]:
    """In the block, turn a failed write into a TrainingError that says how the training continues."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        name = keeper.latest and keeper.latest.name
        then = f"continues from {name}" if name else "starts from the beginning, as no checkpoint was saved yet"
        raise TrainingError(
            f"the training could not be written: {error}",
            where=str(keeper.folder),
            remedy=f"Make room there, then run the same command again: it {then}.",
        ) from error
