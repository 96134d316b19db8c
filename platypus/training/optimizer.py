"""AdamW and its learning rate: a warm-up, then a schedule, counted in optimizer steps. Knows nothing of gradients."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from transformers import get_scheduler

from platypus.errors import RecipeError
from platypus.run.settings import TrainSettings

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class Optimizer(NamedTuple):
    """AdamW with the schedule of its learning rate."""

    adamw: torch.optim.AdamW
    schedule: Any

    def update(self) -> float:
        """Take one AdamW step and one of the schedule; returns the learning rate that was used."""
        rate = float(self.schedule.get_last_lr()[0])
        self.adamw.step()
        self.schedule.step()
        return rate


def make_optimizer(weights: Iterable[torch.nn.Parameter], settings: TrainSettings, *, steps: int) -> Optimizer:
    """The recipe's optimizer for a run of `steps` steps. Raises RecipeError if the warm-up is as long as that."""
    adamw = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    warmup = warmup_steps(settings, steps=steps)
    return Optimizer(adamw, get_scheduler(SCHEDULES[settings.schedule], adamw, warmup, steps))


def warmup_steps(settings: TrainSettings, *, steps: int) -> int:
    """The number of warm-up steps. Raises RecipeError if the run is not longer than that."""
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
