"""The training loop: splitting a step changes nothing, it adapts to the memory, and stops when it must."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from platypus.errors import TrainingError
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.distributed import init_processes
from platypus.training.forecast import StepSplit
from platypus.training.loop import StepLoss, TrainingResult, compute_step
from platypus.training.shared_prefix.loss import accumulate, summed_loss
from platypus.training.shared_prefix.prefix import inner_model
from tests.support.tiny_models import EXACT, adapted, gradients, some_examples, tiny_llama
from tests.support.trainings import NOISY, learn, related, same, weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def step(loaded: Loaded, rows: list[EncodedExample], settings: TrainSettings = EXACT, *, size: int = 1) -> StepLoss:
    return compute_step(loaded, rows, settings=settings, processes=init_processes(), micro_batch_size=size)


# ---------------------------------------------------------------- loss and gradients


def test_sixteen_micro_batches_of_one_train_as_one_of_sixteen(base: Path, tmp_path: Path) -> None:
    """Equal gradients of a step, and equal adapters after six steps over two epochs with a smaller last batch."""
    rows = some_examples(40)
    settings = EXACT.model_copy(update={"epochs": 2, "warmup_steps": 2})
    runs = []
    for size in (1, 16):
        loaded = adapted(base, settings)
        step(loaded, rows[:16], settings, size=size)
        found = gradients(loaded)
        learned = learn(base, tmp_path / str(size), settings, size=size, rows=rows, valid=rows[:5], loaded=loaded)
        runs.append((found, weights(tmp_path / str(size)), learned))
    torch.testing.assert_close(runs[0][0], runs[1][0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(runs[0][1], runs[1][1], rtol=1e-3, atol=1e-4)
    one, many = runs[0][2], runs[1][2]
    assert len(one.steps) == 6
    assert [done.tokens for done in one.steps] == [done.tokens for done in many.steps]
    assert [done.loss for done in one.steps] == pytest.approx([done.loss for done in many.steps], rel=1e-4)
    assert [number for number, _ in one.validations] == [number for number, _ in many.validations] == [3, 6]
    assert [loss for _, loss in one.validations] == pytest.approx([loss for _, loss in many.validations], rel=1e-4)


def test_a_step_is_its_loss_per_answer_token(base: Path) -> None:
    rows = some_examples(7)
    loaded = adapted(base)
    answers = sum(len(row.ids) - row.prompt_length for row in rows)
    plain = summed_loss(loaded, rows, micro_batch_size=2)
    found = step(loaded, rows, size=3)
    assert found.loss == pytest.approx(plain / answers, rel=1e-5)
    assert (found.answer_tokens, found.tokens) == (answers, sum(len(row.ids) for row in rows))


def test_gradients_are_clipped_to_the_norm_and_the_true_norm_is_reported(base: Path) -> None:
    loaded, rows = adapted(base), some_examples(4)
    free = step(loaded, rows, EXACT.model_copy(update={"max_grad_norm": 1e9}))
    full = gradients(loaded)
    assert free.norm == pytest.approx(math.sqrt(sum(float(part.square().sum()) for part in full.values())))
    tight = EXACT.model_copy(update={"max_grad_norm": free.norm / 4})
    assert step(loaded, rows, tight).norm == pytest.approx(free.norm)
    torch.testing.assert_close(gradients(loaded), {name: g / 4 for name, g in full.items()}, rtol=1e-3, atol=1e-7)


def test_a_masked_row_has_no_effect(base: Path) -> None:
    rows = some_examples(3)
    masked = replace(rows[0], prompt_length=len(rows[0].ids))
    results = []
    for part in ([masked, *rows[1:]], rows[1:]):
        found = step(adapted(base), part)
        results.append((found.loss, found.norm, found.answer_tokens))
    assert results[0] == pytest.approx(results[1])


def test_the_noise_of_a_step_depends_on_its_key_alone(base: Path) -> None:
    """Dropout stays on after a validation. It is drawn again for each step, independent of earlier random draws."""
    loaded, rows = adapted(base, NOISY), some_examples(2)
    summed_loss(loaded, rows, micro_batch_size=2)

    def loss(noise: str) -> float:
        options = {"settings": NOISY, "processes": init_processes(), "micro_batch_size": 1, "noise": noise}
        torch.rand(7)
        return compute_step(loaded, rows, **options).loss

    losses = [loss(noise) for noise in ("3/1", "3/2", "4/1", "3/1")]
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_steps_of_a_training_differ_in_noise(base: Path, tmp_path: Path) -> None:
    """The same row each step, and a learning rate too small to move it."""
    still = NOISY.model_copy(update={"epochs": 4, "learning_rate": 1e-30})
    learned = learn(base, tmp_path, still, rows=some_examples(1))
    assert len({done.loss for done in learned.steps}) == 4


# ---------------------------------------------------------------- memory


class Full:
    """Memory for `most` rows at once: an accumulation with more of them runs out of memory."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    def __call__(
        self, loaded: Loaded, rows: list[EncodedExample], *, micro_batch_size: int, **options: Any
    ) -> torch.Tensor:
        self.sizes.append(micro_batch_size)

        def run_out(*_: Any) -> None:
            if micro_batch_size > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory")

        layers: Any = inner_model(loaded.model).layers
        hook = layers[1].mlp.register_full_backward_hook(
            run_out
        )  # in the middle of a backward pass, with all hooks set
        try:
            return accumulate(loaded, rows, micro_batch_size=micro_batch_size, **options)
        finally:
            hook.remove()


@pytest.mark.parametrize("attention", ["flash", "repeated"])
def test_out_of_memory_it_continues_with_fewer_at_once_as_if_it_had_started_with_them(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attention: str
) -> None:
    settings = NOISY.model_copy(update={"prefix": attention})
    valid, rows = some_examples(3), related(20)
    learn(base, tmp_path / "small", settings, size=2, rows=rows, valid=valid)
    memory, loaded = Full(2), adapted(base, settings)
    monkeypatch.setattr("platypus.training.loop.accumulate", memory)
    learned = learn(base, tmp_path / "halved", settings, size=8, rows=rows, valid=valid, loaded=loaded)
    assert memory.sizes == [8, 4, 2, 2, 2, 2, 2, 2]
    assert learned.results(steps_per_epoch=3)["micro_batch_size"] == 2
    assert same(tmp_path / "small", tmp_path / "halved")
    last: Any = inner_model(loaded.model).layers[-1]  # type: ignore[index]
    for module in (last.self_attn.o_proj, last.mlp):
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_a_killed_training_resumes_with_the_smaller_split(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The split affects the noise, so it is in the checkpoint: the resumed training must not use eight at once."""
    settings = NOISY.model_copy(update={"checkpoint_minutes": 0})
    learn(base, tmp_path / "whole", settings, size=2)
    folder = tmp_path / "killed"
    monkeypatch.setattr("platypus.training.loop.accumulate", Full(2))
    stop_at(monkeypatch, step=4)
    with pytest.raises(Killed):
        learn(base, folder, settings, size=8)
    monkeypatch.undo()
    learn(base, folder, settings, size=8)
    assert same(tmp_path / "whole", folder)


def test_when_not_even_one_example_fits_there_is_one_clear_error(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Full(0)
    monkeypatch.setattr("platypus.training.loop.accumulate", memory)
    with pytest.raises(TrainingError, match="out of memory with 1 examples at once") as raised:
        learn(base, tmp_path, size=4)
    assert memory.sizes == [4, 2, 1]
    assert raised.value.where == "train, step 1"
    assert 'checkpointing = "always"' in raised.value.remedy and "--dry-run" in raised.value.remedy


# ---------------------------------------------------------------- errors


class Killed(BaseException):
    """Stands for the end of the process."""


def stop_at(monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    """Raise Killed before this step is computed."""

    def stopping(loaded: Loaded, place: Any, *rest: Any) -> Any:
        if place.number == step:
            raise Killed
        return real(loaded, place, *rest)

    from platypus.training.loop import _step_that_fits as real

    monkeypatch.setattr("platypus.training.loop._step_that_fits", stopping)


def test_infinite_gradients_stop_the_training(base: Path, tmp_path: Path) -> None:
    loaded = adapted(base)
    next(p for p in loaded.model.parameters() if p.requires_grad).data.fill_(1e30)
    with pytest.raises(TrainingError, match="it cannot continue") as raised:
        learn(base, tmp_path, loaded=loaded)
    assert "No checkpoint had been saved yet" in raised.value.remedy


def test_a_step_without_answers_is_refused_and_its_rows_are_named(base: Path, tmp_path: Path) -> None:
    rows = [replace(row, prompt_length=len(row.ids)) for row in some_examples(2)]
    with pytest.raises(TrainingError, match="no answer token") as raised:
        learn(base, tmp_path, rows=rows)
    assert "row 0" in raised.value.where


# ---------------------------------------------------------------- results


def test_results_by_hand() -> None:
    """Losses are means per answer token; the second epoch has one of its two steps."""
    steps = [StepLoss(1.0, 10, 100, 1.0), StepLoss(4.0, 20, 200, 1.0), StepLoss(0.5, 5, 50, 1.0)]
    learned = TrainingResult(StepSplit(4, checkpointing=False), steps, [(2, 0.75), (3, 0.75)])
    assert learned.stale == 1
    assert learned.results(steps_per_epoch=2) == {
        "epochs": 2,
        "steps": 3,
        "first_loss": 1.0,
        "train_losses": [3.0, 0.5],
        "valid_losses": [0.75, 0.75],
        "best_step": 2,
        "micro_batch_size": 4,
        "tokens": 350,
        "answer_tokens": 35,
    }
