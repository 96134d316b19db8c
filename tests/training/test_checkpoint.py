"""Checkpoints: resuming is bitwise equal to not stopping, and an intact one survives kills, full disks and damage."""

import errno
import itertools
import json
import multiprocessing
import os
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from platypus.errors import TrainingError
from platypus.run.settings import TrainSettings
from platypus.training.checkpoint import LatestCheckpoint, TrainingState, _seal, load_latest, save_checkpoint
from tests.support.tiny_models import adapted, tiny_llama

DROPOUT = TrainSettings(rank=4, dropout=0.3, target_modules="all-linear")
STEPS = 6


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"))


class Trained:
    """A minimal trainer, with all the state of a process."""

    def __init__(self, base: Path, *, schedule: str) -> None:
        self.model = adapted(base, DROPOUT).model
        weights = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = AdamW(weights, lr=1e-2, weight_decay=0.1)
        self.schedule: LRScheduler = get_scheduler(schedule, self.optimizer, 2, STEPS)
        self.losses: list[float] = []

    def go(self, steps: int) -> None:
        for _ in range(steps):
            draw = torch.Generator().manual_seed(len(self.losses))
            ids = torch.randint(3, 500, (2, 12), generator=draw)
            self.optimizer.zero_grad()
            loss = self.model(input_ids=ids, labels=ids).loss
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            self.losses.append(loss.item())

    def state(self) -> TrainingState:
        step = len(self.losses)
        return TrainingState.capture(
            self.model,
            optimizer=self.optimizer,
            schedule=self.schedule,
            step=step,
            progress={"losses": list(self.losses)},
        )

    def restore(self, state: TrainingState) -> None:
        state.restore(self.model, optimizer=self.optimizer, schedule=self.schedule)
        self.losses = list(state.progress["losses"])


def a_state(step: int, *, note: int = 0, size: int = 8) -> TrainingState:
    """A state in which every value depends on its step."""
    return TrainingState(
        step=step,
        tensors={"adapter/x": torch.full((size,), float(step)), "random/cpu": torch.tensor([step % 256]).byte()},
        groups=[{"lr": 1 / (step + 1), "betas": [0.9, 0.999]}],
        schedule={"last_epoch": step},
        progress={"note": note},
    )


def same(one: TrainingState | None, other: TrainingState) -> bool:
    """Bit for bit: dtypes, shapes, values, and the JSON."""
    if one is None or one.tensors.keys() != other.tensors.keys():
        return False
    plain = {json.dumps(asdict(replace(state, tensors={}))) for state in (one, other)}
    pairs = ((one.tensors[name], other.tensors[name]) for name in one.tensors)
    return len(plain) == 1 and all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def names(folder: Path) -> list[str]:
    """Everything in the folder, with hidden files."""
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- resuming


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant_with_warmup"])
@pytest.mark.parametrize("stop", [0, 1, 4])
def test_resuming_equals_not_stopping(base: Path, tmp_path: Path, schedule: str, stop: int) -> None:
    whole = Trained(base, schedule=schedule)
    whole.go(STEPS)
    broken = Trained(base, schedule=schedule)
    broken.go(stop)
    saved = broken.state()
    save_checkpoint(tmp_path, state=saved)
    broken.go(1)  # must not change the captured state
    torch.manual_seed(12345)
    fresh = Trained(base, schedule=schedule)
    state = load_latest(tmp_path).state
    assert state is not None and same(state, saved)
    fresh.restore(state)
    assert same(fresh.state(), saved)
    fresh.go(STEPS - stop)
    assert fresh.losses == whole.losses
    assert same(fresh.state(), whole.state())


def test_without_its_random_state_a_training_would_differ(base: Path) -> None:
    """Shows that the test above depends on dropout."""
    first, second = Trained(base, schedule="linear"), Trained(base, schedule="linear")
    first.go(1)
    second.go(1)
    assert first.losses != second.losses


def test_two_groups_keep_their_own_rates_and_weights_their_dtype(tmp_path: Path) -> None:
    def made() -> tuple[torch.nn.Module, AdamW, LRScheduler]:
        model = torch.nn.ModuleList([torch.nn.Linear(3, 2, dtype=torch.bfloat16), torch.nn.Linear(3, 2)])
        model[1].bias.requires_grad = False
        weights = [{"params": [model[1].weight], "lr": 0.1}, {"params": list(model[0].parameters()), "lr": 0.2}]
        optimizer = AdamW(weights, betas=(0.8, 0.9))
        return model, optimizer, get_scheduler("linear", optimizer, 0, 7)

    def go(model: torch.nn.Module, optimizer: AdamW, schedule: LRScheduler) -> TrainingState:
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        schedule.step()
        return TrainingState.capture(model, optimizer=optimizer, schedule=schedule, step=1, progress={})

    first = made()
    saved = go(*first)
    assert (
        saved.tensors["adapter/0.weight"].dtype == saved.tensors["optimizer/0.weight/exp_avg"].dtype == torch.bfloat16
    )
    assert "adapter/1.bias" not in saved.tensors and "adapter/1.weight" in saved.tensors
    save_checkpoint(tmp_path, state=saved)
    state = load_latest(tmp_path).state
    assert state is not None
    second = made()
    state.restore(second[0], optimizer=second[1], schedule=second[2])
    assert [group["lr"] for group in second[1].param_groups] == pytest.approx([0.1 * 6 / 7, 0.2 * 6 / 7])
    assert second[1].param_groups[0]["betas"] == (0.8, 0.9)
    resumed = go(*second)
    state.restore(first[0], optimizer=first[1], schedule=first[2])
    assert same(go(*first), resumed)


# ---------------------------------------------------------------- what is kept


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "checkpoints"
    assert load_latest(folder).state is None
    for step in (0, 9, 999_999, 1_000_000):
        assert save_checkpoint(folder, state=a_state(step)).is_dir()
    assert names(folder) == ["step-1000000", "step-999999"]
    assert same(load_latest(folder).state, a_state(1_000_000))
    save_checkpoint(folder, state=a_state(1_000_001), keep=1)
    assert names(folder) == ["step-1000001"]


def test_a_checkpoint_with_the_keys_of_an_older_release_is_read(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, state=a_state(1)) / "checkpoint.json"
    body = file.read_bytes().replace(b"{", b'{"epoch": 1, "batches": 1, ', 1).rpartition(b', "sha256"')[0]
    file.write_bytes(body + _seal(body))
    assert same(load_latest(tmp_path).state, a_state(1))


def test_damaged_checkpoints_do_not_count_among_the_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state=a_state(step), keep=3)
    (tmp_path / "step-000003" / "checkpoint.json").write_text("{}")
    assert same(load_latest(tmp_path).state, a_state(2))
    save_checkpoint(tmp_path, state=a_state(4), keep=2)
    assert names(tmp_path) == ["step-000002", "step-000004"]


def test_saving_a_step_again_replaces_its_checkpoint(tmp_path: Path) -> None:
    for note in (1, 2):
        save_checkpoint(tmp_path, state=a_state(5, note=note))
    assert names(tmp_path) == ["step-000005"]
    assert same(load_latest(tmp_path).state, a_state(5, note=2))


# ---------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    for step in (1, 2):
        save_checkpoint(folder, state=a_state(step))
    return folder


@contextmanager
def changed(path: Path, content: bytes | None) -> Iterator[None]:
    """In the block, the file has other content, or (None) is missing."""
    before = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    yield
    path.write_bytes(before)


def reason_to_skip(folder: Path) -> str:
    """Why the newest checkpoint was skipped; the one before it must have been loaded."""
    latest = load_latest(folder)
    assert same(latest.state, a_state(1))
    (report,) = latest.skipped
    assert report.startswith(f"{folder / 'step-000002'}: ")
    return report


FILES = ("tensors.safetensors", "checkpoint.json")


@given(data=st.data(), name=st.sampled_from(FILES))
def test_any_changed_byte_is_detected(two: Path, data: st.DataObject, name: str) -> None:
    path = two / "step-000002" / name
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with changed(path, bytes(content)):
        assert f"{name} does not match its checksum" in reason_to_skip(two)


@given(data=st.data(), name=st.sampled_from(FILES))
def test_a_truncated_or_longer_file_is_detected(two: Path, data: st.DataObject, name: str) -> None:
    path = two / "step-000002" / name
    content = path.read_bytes()
    with changed(path, content[: data.draw(st.integers(0, len(content) - 1))]):
        assert f": {name} " in reason_to_skip(two)
    with changed(path, content + b"\n"):
        assert f": {name} " in reason_to_skip(two)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_detected(two: Path, name: str) -> None:
    with changed(two / "step-000002" / name, None):
        assert f"{name} cannot be read: No such file or directory" in reason_to_skip(two)


def test_when_no_checkpoint_is_intact_each_is_reported(two: Path, tmp_path: Path) -> None:
    shutil.copytree(two, tmp_path, dirs_exist_ok=True)
    reports = []
    for step in (2, 1):
        path = tmp_path / f"step-00000{step}" / "tensors.safetensors"
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:-1])
        reports.append(f"{path.parent}: tensors.safetensors has {size - 1} bytes instead of {size}")
    assert load_latest(tmp_path) == LatestCheckpoint(None, tuple(reports))


# ---------------------------------------------------------------- a full disk


def test_a_file_that_the_system_refuses_is_one_clear_error(tmp_path: Path) -> None:
    """A real refusal: files of this process are limited to 64 KiB for a moment."""
    save_checkpoint(tmp_path, state=a_state(7))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(TrainingError, match="File too large") as raised:
            save_checkpoint(tmp_path, state=a_state(8, size=1 << 17))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.where == str(tmp_path / "step-000008")
    assert raised.value.remedy.endswith("run the same command again: it continues from step-000007.")
    assert names(tmp_path) == ["step-000007"]
    assert same(load_latest(tmp_path).state, a_state(7))


class Killed(BaseException):
    """Stands for the end of the process: nothing is cleaned up."""


def stopped(folder: Path, state: TrainingState, *, call: int, error: BaseException) -> bool:
    """Raise the error in place of the given call that changes a folder; returns whether it came to that."""
    calls = itertools.count(1)

    def spoiling(real: Callable[..., Any]) -> Callable[..., Any]:
        def spoilt(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                raise error
            return real(*arguments, **options)

        return spoilt

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (Path, "mkdir"),
            (Path, "write_bytes"),
            (Path, "rename"),
            (os, "fsync"),
            (shutil, "rmtree"),
        ):
            patch.setattr(owner, name, spoiling(getattr(owner, name)))
        try:
            save_checkpoint(folder, state=state, keep=1)
        except Killed:
            return True
        except TrainingError as raised:
            assert raised.what == "the checkpoint could not be saved: No space left on device"
            return True
    return False


@pytest.mark.parametrize("step", [3, 4], ids=["the same step", "a new one"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), Killed()], ids=["full", "killed"])
def test_stopped_at_any_call_old_or_new_state_is_intact(tmp_path: Path, step: int, error: BaseException) -> None:
    """Even when only one checkpoint is kept."""
    old, new = a_state(3), a_state(step, note=1)
    found = []
    for call in itertools.count(1):
        folder = tmp_path / str(call)
        save_checkpoint(folder, state=old)
        if not stopped(folder, new, call=call, error=error):
            break
        assert isinstance(error, Killed) or not list(folder.glob(".*"))
        state = load_latest(folder).state
        assert same(state, old) or same(state, new)
        assert not list(folder.glob(".*"))
        found.append(same(state, new))
        save_checkpoint(folder, state=a_state(5))
        assert same(load_latest(folder).state, a_state(5))
    assert found == sorted(found) and len(set(found)) == 2


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="could not be saved") as raised:
        save_checkpoint(tmp_path / "file", state=a_state(1))
    assert "starts from the beginning" in raised.value.remedy


# ---------------------------------------------------------------- kill -9


def save_for_ever(folder: Path, stride: int, note: int, saved: Connection) -> None:
    """What the killed process does: resume, save again and again, and report each saved checkpoint."""
    state = load_latest(folder).state
    step = 0 if state is None else state.step
    while True:
        step += stride
        note += 1
        save_checkpoint(folder, state=a_state(step, note=note, size=1 << 16), keep=2)
        saved.send((step, note))


@pytest.mark.slow  # mostly for importing torch in another process
@pytest.mark.parametrize("stride", [1, 0], ids=["new steps", "the same step"])
def test_killed_at_any_moment_it_leaves_the_newest_or_the_one_before(tmp_path: Path, stride: int) -> None:
    """Killed until six kills interrupted a save; each process resumes from what the previous one left."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.test_checkpoint"])
    draw = random.Random(4)
    last, hit = (0, 0), 0
    for _ in range(200):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=save_for_ever, args=(tmp_path, stride, last[1], theirs))
        process.start()
        theirs.close()
        last = ours.recv()
        time.sleep(draw.uniform(0, 0.03))
        process.kill()
        process.join()
        with suppress(EOFError):
            while True:
                last = ours.recv()
        hit += any(tmp_path.glob(".*"))
        latest = load_latest(tmp_path)
        assert latest.state is not None and latest.skipped == ()
        step, note = latest.state.step, latest.state.progress["note"]
        assert (step, note) in {last, (last[0] + stride, last[1] + 1)}
        assert same(latest.state, a_state(step, note=note, size=1 << 16))
        assert not list(tmp_path.glob(".*"))
        last = (step, note)
        if hit >= 6:
            return
    raise AssertionError(f"hit only {hit} times while it was saving")
