"""Resumed trainings: killed, stopped, out of disk or with a damaged checkpoint, they end like an undisturbed one."""

import json
import os
import random
import resource
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from platypus.commands.train import train
from platypus.errors import TrainingError
from platypus.run.folder import Run
from platypus.training.loop import StepLoss
from tests.support.processes import command, exit_code
from tests.support.tiny_models import examples, some_examples, tiny_llama, tiny_run
from tests.support.trainings import NOISY, learn, metrics, same, weights
from tests.training.test_loop import Killed, stop_at

JOB = """
[prompt]
notation = "calls"
[train]
epochs = 4
batch_size = 4
micro_batch_size = 2
rank = 4
dropout = 0.3
target_modules = "all-linear"
learning_rate = 1e-2
checkpoint_minutes = 0
shuffle_tools = true
drop_tools = 0.3
validations_per_epoch = 2
keep = "best"
"""
STEPS = 16  # of that job


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def job(folder: Path, base: Path, recipe: str = JOB) -> Run:
    return tiny_run(folder, base=base, rows=examples(14), valid=examples(3), recipe=recipe)


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the job when nothing interrupts it."""
    return train(job(tmp_path_factory.mktemp("whole"), base)).folder


def checkpoints(run: Run) -> list[int]:
    """The steps of the checkpoints that are there."""
    return sorted(int(path.name.removeprefix("step-")) for path in run.path.glob(".train.*/checkpoints/step-*"))


def results(folder: Path) -> dict[str, Any]:
    """The results that do not depend on time, or on what else the process holds."""
    record = json.loads((folder / "stage.json").read_text())["results"]
    return {name: value for name, value in record.items() if name not in ("tokens_per_second", "memory")}


def assert_as_whole(run: Run, whole: Path) -> None:
    folder = run.folder("train")
    assert same(folder, whole)
    assert results(folder) == results(whole)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    assert not list(run.path.glob(".train.*"))


# ---------------------------------------------------------------- the command, interrupted


def slow() -> None:
    """In this process each step takes a while, so that it can be stopped before the last one."""
    from platypus.training import loop

    real = loop.compute_step

    def later(*arguments: Any, **options: Any) -> StepLoss:
        time.sleep(0.2)
        return real(*arguments, **options)

    loop.compute_step = later


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_bitwise_as_if_undisturbed(base: Path, tmp_path: Path, whole: Path) -> None:
    """kill -9 at random moments, before the first step and at four later steps; then it runs to the end."""
    run, log = job(tmp_path, base), tmp_path / "log"
    draw = random.Random(5)
    reached = [0]
    while len(set(reached)) <= 4:
        process = command(log, "train", run.path)
        goal = reached[-1] + draw.choice([0, 1, 2]) if len(reached) > 1 else 0
        while process.is_alive() and (checkpoints(run) or [0])[-1] < goal:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.02 if goal else 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, log.read_text()
        reached.append((checkpoints(run) or [0])[-1])
    assert reached == sorted(reached) and reached[-1] < STEPS
    assert exit_code(command(log, "train", run.path)) == 0
    assert_as_whole(run, whole)


def test_ctrl_c_saves_a_checkpoint_and_the_next_run_continues(base: Path, tmp_path: Path, whole: Path) -> None:
    """Even though the next checkpoint would be minutes away."""
    run = job(tmp_path, base, JOB.replace("checkpoint_minutes = 0", "checkpoint_minutes = 60"))
    out, err, log = (tmp_path / name for name in ("out", "err", "log"))
    process = command(err, "train", run.path, out=out, before=slow)
    while not list(run.path.glob(".train.*/metrics.jsonl")):
        assert process.is_alive()
        time.sleep(0.002)
    assert process.pid
    os.kill(process.pid, signal.SIGINT)
    assert exit_code(process) == 130
    assert out.read_text() == ""
    assert "Traceback" not in err.read_text()
    (step,) = checkpoints(run)
    assert 0 < step < STEPS
    assert f"stopped after step {step}; the same command goes on from there" in err.read_text()
    assert exit_code(command(log, "train", run.path)) == 0
    assert f"continuing after step {step}\n" in log.read_text()
    assert_as_whole(run, whole)


def test_a_second_ctrl_c_ends_at_once(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from platypus.training.loop import compute_step

    def interrupted(*arguments: Any, **options: Any) -> StepLoss:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # torchrun's echo
        monkeypatch.setattr("platypus.training.distributed.ECHO", -1.0)
        signal.raise_signal(signal.SIGINT)
        return compute_step(*arguments, **options)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
    monkeypatch.setattr("platypus.training.loop.compute_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn(base, tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_a_damaged_newest_checkpoint_is_skipped(
    base: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = job(tmp_path, base)
    stop_at(monkeypatch, step=8)
    with pytest.raises(Killed):
        train(run)
    monkeypatch.undo()
    assert checkpoints(run) == [6, 7]
    (newest,) = run.path.glob(".train.*/checkpoints/step-000007")
    data = bytearray((newest / "tensors.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "tensors.safetensors").write_bytes(data)
    capsys.readouterr()
    train(run)
    said = capsys.readouterr().err
    assert f"skipped checkpoint {newest}: tensors.safetensors does not match its checksum\n" in said
    assert "continuing after step 6\n" in said
    assert_as_whole(run, whole)


def test_with_frozen_prefixes_it_ends_bitwise_as_if_undisturbed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step has an order of the tools and so a prefix of its own, some rehearse; nothing of them is saved."""
    recipe = JOB.replace("shuffle_tools", 'prefix = "frozen"\nrehearsal = 0.3\nshuffle_tools')
    recipe = recipe.replace("epochs = 4", "epochs = 1")
    undisturbed = train(job(tmp_path / "whole", base, recipe)).folder
    run = job(tmp_path / "killed", base, recipe)
    stop_at(monkeypatch, step=3)
    with pytest.raises(Killed):
        train(run)
    monkeypatch.undo()
    train(run)
    assert_as_whole(run, undisturbed)


def test_killed_before_the_final_clean_up_it_finishes_the_next_time(
    base: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best adapter has already been moved to its final place."""
    run = job(tmp_path, base)

    def kill(adapter: Path) -> None:
        raise Killed

    monkeypatch.setattr("platypus.training.loop.check_adapter", kill)
    with pytest.raises(Killed):
        train(run)
    assert checkpoints(run) == [STEPS - 1, STEPS]
    monkeypatch.undo()
    train(run)
    assert_as_whole(run, whole)


def limit(size: int) -> None:
    """Limit the length of files that this process writes: the system refuses longer ones, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk_is_one_clear_error_and_the_next_run_continues(
    base: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint's tensors exceed the limit; the last checkpoint stays, and the next run completes."""
    run, log = job(tmp_path, base), tmp_path / "log"
    stop_at(monkeypatch, step=6)
    with pytest.raises(Killed):
        train(run)
    monkeypatch.undo()
    assert checkpoints(run) == [4, 5]
    assert exit_code(command(log, "train", run.path, before=partial(limit, 100_000))) == 1
    said = log.read_text()
    assert said.count("platypus: ") == 1
    assert "File too large" in said and "continues from step-000005" in said and "Traceback" not in said
    assert checkpoints(run) == [4, 5]
    assert exit_code(command(log, "train", run.path)) == 0
    assert_as_whole(run, whole)


@pytest.mark.parametrize(
    ("where", "kept"),
    [("platypus.training.tracking.JsonLines.log", False), ("platypus.training.loop.save_adapter", True)],
)
def test_any_failed_write_is_the_same_clear_error(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, kept: bool
) -> None:
    settings = NOISY.model_copy(update={"checkpoint_minutes": 0})
    learn(base, tmp_path / "whole", settings, size=8)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "full"
    monkeypatch.setattr(where, refuse)
    with pytest.raises(TrainingError, match="No space left on device") as raised:
        learn(base, folder, settings, size=8)
    assert raised.value.where == str(folder)
    assert ("continues from step-000006" if kept else "starts from the beginning") in raised.value.remedy
    monkeypatch.undo()
    learn(base, folder, settings, size=8)
    assert same(folder, tmp_path / "whole")


# ---------------------------------------------------------------- validations, the best one, stopping early


def validations(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["valid_loss"]) for line in metrics(folder) if "valid_loss" in line]


@pytest.mark.parametrize(("times", "steps"), [(1, [5, 10]), (2, [3, 5, 8, 10]), (9, [*range(1, 11)])])
def test_validations_are_evenly_spaced_in_an_epoch(base: Path, tmp_path: Path, times: int, steps: list[int]) -> None:
    """Five steps an epoch. There is at most one validation per step."""
    settings = NOISY.model_copy(update={"validations_per_epoch": times, "batch_size": 4})
    learned = learn(base, tmp_path, settings, size=4, valid=some_examples(2))
    assert [step for step, _ in validations(tmp_path)] == steps
    assert learned.validations == validations(tmp_path)


def validate(monkeypatch: pytest.MonkeyPatch, *losses: float) -> None:
    """Replace the validation losses of a training."""
    coming = iter(losses)
    monkeypatch.setattr("platypus.training.loop._valid_loss", lambda *_: next(coming))


STEADY = NOISY.model_copy(update={"schedule": "constant", "batch_size": 5, "epochs": 5})  # epochs of four steps each


def test_the_best_adapter_is_kept_bit_for_bit(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the first of two equally good ones, after the second of five epochs."""
    best = STEADY.model_copy(update={"keep": "best"})
    for name, settings in (("best", best), ("last", STEADY), ("two", STEADY.model_copy(update={"epochs": 2}))):
        validate(monkeypatch, 3, 1, 2, 1, 5)
        learned = learn(base, tmp_path / name, settings, size=5, valid=some_examples(2))
        assert learned.best == (8, 1)
    kept, two, last = (weights(tmp_path / name) for name in ("best", "two", "last"))
    assert all(torch.equal(kept[name], two[name]) for name in two)
    assert not all(torch.equal(kept[name], last[name]) for name in last)
    assert {path.name for path in (tmp_path / "best").iterdir()} == {"adapter", "metrics.jsonl", "tensorboard"}


def test_without_validation_examples_the_last_one_is_the_best(base: Path, tmp_path: Path) -> None:
    learn(base, tmp_path / "best", STEADY.model_copy(update={"keep": "best"}), size=5)
    learn(base, tmp_path / "last", STEADY, size=5)
    assert same(tmp_path / "best", tmp_path / "last")


@pytest.mark.parametrize(
    ("losses", "patience", "ends"),
    [([3, 1, 2, 2, 5], 1, 3), ([3, 1, 2, 2, 5], 2, 4), ([3, 1, 2, 0.5, 1], 2, 5), ([3, 1, 2, 2, 5], None, 5)],
)
def test_patience_stops_early_and_the_results_say_so(
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    losses: list[float],
    patience: int | None,
    ends: int,
) -> None:
    validate(monkeypatch, *losses)
    learned = learn(base, tmp_path, STEADY.model_copy(update={"patience": patience}), size=5, valid=some_examples(2))
    assert [loss for _, loss in learned.validations] == losses[:ends]
    said = f"stopped early: {patience} validations without a lower loss\n" in capsys.readouterr().err
    assert said == (ends < 5)
    found = learned.results(steps_per_epoch=4)
    assert (found["epochs"], found["steps"], len(found["train_losses"])) == (ends, 4 * ends, ends)
    assert found["best_step"] == 4 * (losses.index(min(losses[:ends])) + 1)
    assert (tmp_path / "adapter").is_dir()
