"""Where a model comes from: from the file beside its weights, or from their headers alone."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from platypus.errors import ModelError
from platypus.run.provenance import IN_HEADER, Provenance, digest_of, header_of, write_provenance

FACTS = {
    "base": {"source": "embedded", "fingerprint": "b" * 16},
    "sources": [{"source": "runs/a", "digest": "a" * 16, "weight": 0.5, "data": "d" * 16}],
    "method": "ties",
    "settings": {"dtype": "bfloat16", "density": 0.5},
}


def weights(folder: Path, **metadata: str) -> Path:
    save_file({"w": torch.zeros(3)}, folder / "model.safetensors", metadata={"format": "pt", **metadata})
    return folder / "model.safetensors"


def test_the_header_alone_is_enough(tmp_path: Path) -> None:
    file = weights(tmp_path, **{IN_HEADER: json.dumps(FACTS)})
    assert header_of(file) == FACTS
    shown = str(Provenance.read(tmp_path))
    assert "merged by ties into embedded (bbbbbbbbbbbbbbbb)" in shown
    assert "runs/a (aaaaaaaaaaaaaaaa), weight 0.5, data dddddddddddddddd" in shown
    assert "settings: dtype bfloat16, density 0.5" in shown and "weights" not in shown


def test_files_that_changed_since_are_named(tmp_path: Path) -> None:
    file = weights(tmp_path)
    write_provenance(tmp_path, FACTS | {"files": {file.name: {"bytes": file.stat().st_size, "sha256": "s"}}})
    assert Provenance.read(tmp_path).to_json()["changed_files"] == []
    assert f"{file.stat().st_size:,} bytes in 1 files, as they were written" in str(Provenance.read(tmp_path))
    file.write_bytes(b"shorter")
    assert "changed since: model.safetensors" in str(Provenance.read(tmp_path))


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 40, b"\x05" + 7 * b"\0" + b"nojsn and more"])
def test_a_model_from_elsewhere_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = weights(tmp_path)
    if content is not None:
        file.write_bytes(content)
    assert header_of(file) == {}
    with pytest.raises(ModelError, match="so it was not merged by Platypus"):
        Provenance.read(tmp_path)


def test_a_digest_is_that_of_all_files_in_their_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert digest_of(one, two) != digest_of(two, one)
    assert len(digest_of(one)) == 16 and digest_of(one) == digest_of(one)
