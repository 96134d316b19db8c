"""The optimizer: the warm-up's length, the learning rate of each step, and what a step does to the weights."""

import math
from pathlib import Path

import pytest
import torch

from platypus.errors import RecipeError
from platypus.run.settings import TrainSettings
from platypus.training.optimizer import make_optimizer, warmup_steps
from tests.support.tiny_models import EXACT, adapted, some_examples, tiny_llama
from tests.support.trainings import learn, metrics


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize(
    ("table", "steps", "expected"),
    [
        (TrainSettings(), 1, 0),
        (TrainSettings(warmup_steps=100), 101, 100),
        (TrainSettings(warmup_ratio=0.1), 63, 6),
        (TrainSettings(warmup_ratio=0.9), 1, 0),
    ],
)
def test_the_warmup_is_a_number_of_steps_or_a_share_of_the_run(table: TrainSettings, steps: int, expected: int) -> None:
    assert warmup_steps(table, steps=steps) == expected


@pytest.mark.parametrize("steps", [63, 100])
def test_a_warmup_as_long_as_the_run_is_refused_with_the_remedy(steps: int) -> None:
    with pytest.raises(RecipeError) as raised:
        warmup_steps(TrainSettings(warmup_steps=100), steps=steps)
    assert "100 steps" in raised.value.what
    assert str(steps) in raised.value.what
    assert f"warmup_steps = {steps // 10}" in raised.value.remedy


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0, 5e-3, 1e-2, 1e-2, 1e-2, 1e-2]),
        ("linear", [0, 5e-3, 1e-2, 7.5e-3, 5e-3, 2.5e-3]),
        ("cosine", [0, 5e-3, *(1e-2 * (1 + math.cos(math.pi * part)) / 2 for part in (0, 0.25, 0.5, 0.75))]),
    ],
)
def test_the_learning_rate_follows_the_schedule_by_optimizer_step(
    base: Path, tmp_path: Path, schedule: str, expected: list[float]
) -> None:
    settings = EXACT.model_copy(update={"schedule": schedule, "warmup_steps": 2, "batch_size": 2, "epochs": 2})
    learn(base, tmp_path, settings, rows=some_examples(5))
    lines = metrics(tmp_path)
    assert [line["learning_rate"] for line in lines] == pytest.approx(expected)
    assert [(line["step"], line["epoch"]) for line in lines] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]


def test_a_step_moves_the_weights_at_the_rate_that_is_reported(base: Path, tmp_path: Path) -> None:
    """AdamW's first step moves each weight by the learning rate, against its gradient's sign; decay comes on top."""
    settings = EXACT.model_copy(update={"learning_rate": 1e-3, "weight_decay": 0.5})
    loaded = adapted(base, settings)
    before = {name: p.detach().clone() for name, p in loaded.model.named_parameters() if p.requires_grad}
    learn(base, tmp_path, settings, rows=some_examples(3), loaded=loaded)
    for name, parameter in loaded.model.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            assert gradient is not None
            clear = gradient.abs() > 1e-5
            assert clear.float().mean() > 0.5
            moved = before[name] * (1 - 1e-3 * 0.5) - 1e-3 * gradient.sign()
            torch.testing.assert_close(parameter[clear], moved[clear], rtol=1e-4, atol=2e-6)


def test_an_update_returns_the_rate_that_it_used() -> None:
    """The gradient is always 1, so AdamW moves the weight by exactly the rate: half of 0.1 in the warm-up, then 0.1."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    settings = TrainSettings(learning_rate=0.1, warmup_steps=2, weight_decay=0.0, schedule="constant")
    optimizer = make_optimizer([weight], settings, steps=4)
    rates, moves = [], []
    for _ in range(4):
        before = weight.item()
        weight.grad = torch.ones_like(weight)
        rates.append(optimizer.update())
        moves.append(before - weight.item())
    assert rates == pytest.approx([0, 0.05, 0.1, 0.1])
    assert moves == pytest.approx(rates, rel=1e-6)
