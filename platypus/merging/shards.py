"""Write a model's weights as safetensors files, one tensor at a time, and go on where a killed process stopped.

`safetensors` writes a file only from all of its tensors at once; here no more than one is in memory. A file has its
name only once it is whole, and a journal holds its SHA-256: files that still have it are kept, all others are written
again. Knows nothing of merging.

Format: https://github.com/huggingface/safetensors#format
"""

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from rich.filesize import decimal

from platypus.errors import ModelError
from platypus.files import write_whole

JOURNAL = "merging.json"
INDEX = "model.safetensors.index.json"
CHUNK = 1 << 26  # bytes that are hashed and written at once
NAMES = {  # of the types in a file
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class WrittenShards:
    """The files of a model with the bytes and SHA-256 of each, and how many were there already."""

    files: Mapping[str, Mapping[str, Any]]
    kept: int
    size: int  # bytes of weights


def write_shards(
    folder: Path,
    tensors: Mapping[str, torch.Tensor],
    make: Callable[[str], torch.Tensor],
    *,
    max_shard_size: str,
    key: str,
    metadata: Mapping[str, str],
) -> WrittenShards:
    """Write a model's files and their index into a folder, in place of any weights there but those of the same work.

    `tensors` says, on the meta device, which shape and type each tensor has; `make` makes it. `key` stands for
    everything that decides their values. Raises ModelError if there is no room for them.
    """
    split = split_torch_state_dict_into_shards(dict(tensors), max_shard_size=max_shard_size)
    done = _kept(folder, key, set(split.filename_to_tensors))
    for stale in folder.glob("*.safetensors*"):
        if stale.name not in done:
            stale.unlink()
    kept = len(done)
    _check_room(folder, [tensors[name] for file, names in split.filename_to_tensors.items() if file not in done
                         for name in names])  # fmt: skip
    for file, names in split.filename_to_tensors.items():
        if file not in done:
            done[file] = _write(folder / file, {name: tensors[name] for name in names}, make, metadata)
            write_whole(folder / JOURNAL, json.dumps({"key": key, "files": done}))
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    (folder / JOURNAL).unlink(missing_ok=True)
    return WrittenShards({file: done[file] for file in sorted(done)}, kept, int(split.metadata["total_size"]))


def _kept(folder: Path, key: str, wanted: set[str]) -> dict[str, Any]:
    """The files of an interrupted work with this key that are as they were written."""
    journal = folder / JOURNAL
    written = json.loads(journal.read_text(encoding="utf-8")) if journal.is_file() else {}
    if written.get("key") != key:
        return {}
    return {
        file: facts
        for file, facts in written["files"].items()
        if file in wanted and (folder / file).is_file() and _facts(folder / file) == facts
    }


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _check_room(folder: Path, tensors: Sequence[torch.Tensor]) -> None:
    needed, free = sum(tensor.nbytes for tensor in tensors), shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError(
            f"the merged weights need {decimal(needed)}, and {decimal(free)} are free",
            where=str(folder),
            remedy="Make room there, or take a smaller dtype under [merge].",
        )


def _write(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    make: Callable[[str], torch.Tensor],
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """Write one file, tensor by tensor, and return its bytes and SHA-256."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    end = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end := end + tensor.nbytes],
        }
    written = json.dumps(header, ensure_ascii=False).encode()
    written += b" " * (-len(written) % 8)
    partial, digest = path.with_name(f"{path.name}.partial"), hashlib.sha256()
    with partial.open("wb") as file:
        _put(file, digest, struct.pack("<Q", len(written)) + written)
        for name, tensor in tensors.items():
            made = make(name)
            assert (made.shape, made.dtype) == (tensor.shape, tensor.dtype), name
            _put(file, digest, made.contiguous().flatten().view(torch.uint8).numpy())
    partial.replace(path)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _put(file: BinaryIO, digest: Any, data: Any) -> None:
    view = memoryview(data)
    for start in range(0, len(view), CHUNK):
        part = view[start : start + CHUNK]
        digest.update(part)
        file.write(part)
