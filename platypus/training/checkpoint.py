"""Checkpoints: the state of a training between two optimizer steps, on disk, so that it can be resumed.

    checkpoints/step-000123/ tensors.safetensors checkpoint.json

A checkpoint is written under a temporary name, synced to disk, and renamed. `checkpoint.json` is written last; it holds
the size and SHA-256 of the tensors file and ends with its own SHA-256. So the newest checkpoint or the one before it is
complete whenever the program is killed, and a checkpoint damaged later is recognised and skipped. On a CPU, a resumed
training is bitwise equal to an uninterrupted one. This module does not know when to save, what `progress` means, or
that there may be several processes: one process at a time works in a folder, and its random state is the one saved.
"""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler

from platypus.errors import TrainingError
from platypus.files import sync

TENSORS = "tensors.safetensors"
RECORD = "checkpoint.json"


@dataclass(frozen=True)
class TrainingState:
    """All that the remaining steps depend on: copies of tensors, on the CPU and in their own dtype, and plain JSON.

    The tensors are adapter/NAME of the trainable parameters, optimizer/NAME/ step, exp_avg and exp_avg_sq of AdamW, and
    random/cpu, random/cuda:0 and so on of torch's generators.
    """

    step: int  # optimizer steps done in all epochs
    tensors: Mapping[str, torch.Tensor]
    groups: Sequence[Mapping[str, Any]]  # AdamW's hyper-parameters, with the current learning rate
    schedule: Mapping[str, Any]
    progress: Mapping[str, Any]  # the training loop's own, such as the losses so far

    @classmethod
    def capture(
        cls,
        model: torch.nn.Module,
        *,
        optimizer: AdamW,
        schedule: LRScheduler,
        step: int,
        progress: Mapping[str, Any],
    ) -> "TrainingState":
        """A copy of the current state, without gradients."""
        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        tensors = {f"adapter/{name}": tensor.detach() for tensor, name in names.items() if tensor.requires_grad}
        for parameter, moments in optimizer.state.items():
            tensors |= {f"optimizer/{names[parameter]}/{key}": tensor for key, tensor in moments.items()}
        tensors["random/cpu"] = torch.get_rng_state()
        for number in range(torch.cuda.device_count()):
            tensors[f"random/cuda:{number}"] = torch.cuda.get_rng_state(number)
        return cls(
            step=step,
            tensors={name: tensor.to("cpu", copy=True).contiguous() for name, tensor in tensors.items()},
            groups=[{key: group[key] for key in group if key != "params"} for group in optimizer.param_groups],
            schedule=schedule.state_dict(),
            progress=progress,
        )

    def restore(self, model: torch.nn.Module, *, optimizer: AdamW, schedule: LRScheduler) -> None:
        """Put the state into torch's generators and into objects built like those it was captured from."""
        names = {parameter: name for name, parameter in model.named_parameters()}
        moments: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
        for key, tensor in self.tensors.items():
            kind, name, *rest = key.split("/")
            if kind == "adapter":
                model.get_parameter(name).data.copy_(tensor)
            elif kind == "optimizer":
                moments[name][rest[0]] = tensor.clone()
            elif name == "cpu":
                torch.set_rng_state(tensor)
            elif torch.device(name).index < torch.cuda.device_count():
                torch.cuda.set_rng_state(tensor, name)
        groups = [
            {**saved, "betas": tuple(saved["betas"]), "params": [names[parameter] for parameter in fresh["params"]]}
            for saved, fresh in zip(self.groups, optimizer.param_groups, strict=True)
        ]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        schedule.load_state_dict(dict(self.schedule))


@dataclass(frozen=True)
class LatestCheckpoint:
    """The state of the newest intact checkpoint, if there is one."""

    state: TrainingState | None
    skipped: tuple[str, ...]  # newer checkpoints that are damaged, each with the reason


def save_checkpoint(folder: Path, *, state: TrainingState, keep: int = 2) -> Path:
    """Save the state as folder/step-N, replacing an earlier one of this step; keep only the `keep` newest intact ones.

    Raises TrainingError if the system refuses to write; earlier checkpoints then stay as they are.
    """
    final = folder / f"step-{state.step:06}"
    partial = folder / f".{final.name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _recover(folder)
        partial.mkdir()
        _write(partial, state)
        if final.exists():
            final.rename(folder / f".{final.name}.old")
        partial.rename(final)
        sync(folder)
        _recover(folder)
        intact = (path for path in _checkpoints(folder) if path == final or _fault(path) is None)
        for path in set(_checkpoints(folder)) - set(islice(intact, keep)):
            shutil.rmtree(path)
    except OSError as error:
        with suppress(OSError):
            _recover(folder)
        names = [path.name for path in _checkpoints(folder)]
        then = f"continues from {names[0]}" if names else "starts from the beginning, as no checkpoint was saved yet"
        raise TrainingError(
            f"the checkpoint could not be saved: {error.strerror}",
            where=str(final),
            remedy=f"Make room there, check that it is writable, then run the same command again: it {then}.",
        ) from error
    return final


def load_latest(folder: Path) -> LatestCheckpoint:
    """The newest checkpoint in which every byte is intact. Removes what a killed process left unfinished."""
    _recover(folder)
    skipped: list[str] = []
    for path in _checkpoints(folder):
        if (fault := _fault(path)) is None:
            return LatestCheckpoint(_read(path), tuple(skipped))
        skipped.append(f"{path}: {fault}")
    return LatestCheckpoint(None, tuple(skipped))


def _checkpoints(folder: Path) -> list[Path]:
    """The newest first. From a million steps on, names are longer."""
    return sorted(folder.glob("step-*"), key=lambda path: (len(path.name), path.name), reverse=True)


def _recover(folder: Path) -> None:
    """Remove temporary folders of an interrupted save. A checkpoint that it was replacing is put back if necessary."""
    for path in folder.glob(".step-*"):
        final = folder / path.name.split(".")[1]
        if path.suffix == ".old" and not final.exists():
            path.rename(final)
        else:
            shutil.rmtree(path)


def _write(folder: Path, state: TrainingState) -> None:
    """Write and sync the files. Python writes the tensors, as the errors of safetensors are no OSErrors."""
    data = save(dict(state.tensors))
    record = asdict(replace(state, tensors={}))
    record["tensors"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    body = json.dumps(record).encode()[:-1]
    (folder / TENSORS).write_bytes(data)
    (folder / RECORD).write_bytes(body + _seal(body))
    for path in (folder / TENSORS, folder / RECORD, folder):
        sync(path)


def _read(folder: Path) -> TrainingState:
    record = json.loads((folder / RECORD).read_bytes())
    for key in ("sha256", "epoch", "batches"):  # the last two are in older checkpoints
        record.pop(key, None)
    return TrainingState(**{**record, "tensors": load_file(folder / TENSORS)})


def _fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint, of which every byte is read; None if it is intact."""
    name = RECORD
    try:
        text = (folder / name).read_bytes()
        length = len(_seal(b""))
        if _seal(text[:-length]) != text[-length:]:
            return f"{name} does not match its checksum"
        record, name = json.loads(text)["tensors"], TENSORS
        if (size := (folder / name).stat().st_size) != record["size"]:
            return f"{name} has {size} bytes instead of {record['size']}"
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != record["sha256"]:
                return f"{name} does not match its checksum"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"
    return None


def _seal(body: bytes) -> bytes:
    """The end of a record: the checksum of everything before it."""
    return f', "sha256": "{hashlib.sha256(body).hexdigest()}"}}'.encode()
