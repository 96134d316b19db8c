"""Weight files that are written tensor by tensor: readable by safetensors, the same bytes each time, and resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from platypus.errors import ModelError
from platypus.merging import shards
from platypus.merging.shards import JOURNAL, WrittenShards, write_shards

DRAW = torch.Generator().manual_seed(0)
TENSORS = {
    "a": torch.randn(7, 9, generator=DRAW),
    "b.bf16": torch.randn(30, generator=DRAW).bfloat16(),
    "c": torch.arange(5),
    "d": torch.tensor(2.0).half(),
    "e.mask": torch.tensor([True, False]),
    "f": torch.randn(40, 40, generator=DRAW).T,
    "g.empty": torch.zeros(0, 3),
}


class Killed(Exception):
    pass


def write(folder: Path, *, size: str = "6KB", key: str = "k", until: int = 99) -> tuple[WrittenShards, list[str]]:
    """Write TENSORS; is killed after `until` tensors. Returns what was written, and the names that were made."""
    made: list[str] = []

    def make(name: str) -> torch.Tensor:
        if len(made) == until:
            raise Killed
        made.append(name)
        return TENSORS[name]

    folder.mkdir(exist_ok=True)
    meta = {name: tensor.to("meta") for name, tensor in TENSORS.items()}
    return write_shards(folder, meta, make, max_shard_size=size, key=key, metadata={"note": "ß"}), made


def test_safetensors_reads_what_was_written(tmp_path: Path) -> None:
    written, made = write(tmp_path, size="1GB")
    assert (list(written.files), written.kept, made) == (["model.safetensors"], 0, list(TENSORS))
    found = load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(found, {name: tensor.contiguous() for name, tensor in TENSORS.items()}, rtol=0, atol=0)
    with safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt", "note": "ß"}
    assert written.files["model.safetensors"]["bytes"] == (tmp_path / "model.safetensors").stat().st_size
    assert written.size == sum(tensor.nbytes for tensor in TENSORS.values())
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"], "no journal, no index"


def test_after_a_kill_whole_files_stay_and_the_rest_is_written(tmp_path: Path) -> None:
    whole, _ = write(tmp_path / "whole")
    assert len(whole.files) == 2
    with pytest.raises(Killed):
        write(tmp_path / "killed", until=6)
    first = sorted((tmp_path / "killed").glob("*.safetensors"))[0]
    before = first.stat().st_mtime_ns
    resumed, made = write(tmp_path / "killed")
    assert (first.stat().st_mtime_ns, resumed.kept) == (before, 1) and "f" not in made
    assert resumed.files == whole.files
    index = json.loads((tmp_path / "killed" / "model.safetensors.index.json").read_text())
    assert index == json.loads((tmp_path / "whole" / "model.safetensors.index.json").read_text())
    assert {*index["weight_map"]} == {*TENSORS}
    assert not [path for path in (tmp_path / "killed").iterdir() if path.name == JOURNAL or "partial" in path.name]


@pytest.mark.parametrize("room", [True, False])
def test_after_a_second_stop_whole_files_stay_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool) -> None:
    """A kill before the next file is whole, or a disk that is full."""
    with pytest.raises(Killed):
        write(tmp_path, until=6)
    with monkeypatch.context() as patch, pytest.raises(Killed if room else ModelError):
        patch.setattr(shards.shutil, "disk_usage", lambda _: type("Usage", (), {"free": room * 2**40}))
        write(tmp_path, until=0)
    assert write(tmp_path)[0].kept == 1


@pytest.mark.parametrize("harm", ["changed", "cut", "gone", "other key", "stale"])
def test_what_is_not_as_it_was_written_is_written_again(tmp_path: Path, harm: str) -> None:
    with pytest.raises(Killed):
        write(tmp_path, until=6)
    first = sorted(tmp_path.glob("*.safetensors"))[0]
    content = first.read_bytes()
    if harm == "gone":
        first.unlink()
    elif harm == "stale":
        (tmp_path / "model-00001-of-00009.safetensors").write_bytes(b"old")
    else:
        first.write_bytes({"changed": content[:-1] + b"\1", "cut": content[:-1]}.get(harm, content))
    resumed, _ = write(tmp_path, key="other" if harm == "other key" else "k")
    assert resumed.kept == (1 if harm == "stale" else 0)
    found = {name: value for file in tmp_path.glob("*.safetensors") for name, value in load_file(file).items()}
    torch.testing.assert_close(found, {name: tensor.contiguous() for name, tensor in TENSORS.items()}, rtol=0, atol=0)


def test_a_disk_without_room_is_refused_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full: Any = type("Usage", (), {"free": 100})
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda _: full)
    with pytest.raises(ModelError, match=r"the merged weights need .* and 100 bytes are free"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())
