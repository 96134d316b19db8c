"""A folder in other shards holds the same tensors; in 8 or 4 bits it opens and answers nearly alike."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from platypus.errors import ModelError, RunError
from platypus.exporting import model_folder
from platypus.exporting.model_folder import check_quantisation, copy_model, quantise_model
from platypus.exporting.targets import BitsOf
from platypus.model.stored_weights import StoredWeights
from platypus.run.provenance import Provenance, write_provenance
from tests.support.tiny_models import tiny_llama

IDS = torch.arange(3, 203)[None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_llama(tmp_path_factory.mktemp("model"), hidden_size=128)
    write_provenance(folder, {"method": "linear", "base": {}, "sources": [], "files": {}})
    return folder


def logits(folder: Path) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")(IDS).logits
    return found


@pytest.mark.parametrize("shard_size", [None, "1MB"])
def test_a_copy_holds_the_same_tensors(model: Path, tmp_path: Path, shard_size: str | None) -> None:
    facts = copy_model(model, tmp_path / "copy", shard_size=shard_size)
    old, new = StoredWeights.of(model), StoredWeights.of(tmp_path / "copy")
    assert old.shapes == new.shapes and all(torch.equal(old.tensor(name), new.tensor(name)) for name in old.shapes)
    assert {path.name for path in model.iterdir()} <= {path.name for path in (tmp_path / "copy").iterdir()} | {
        "model.safetensors"
    }
    assert (facts["shards"] > 1) == (shard_size is not None)
    assert not Provenance.read(tmp_path / "copy").changed_files()
    torch.testing.assert_close(logits(tmp_path / "copy"), logits(model), rtol=0, atol=0)


def test_without_room_nothing_is_written(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr(model_folder.shutil, "disk_usage", lambda _: full)
    with pytest.raises(RunError, match=r"the model needs .* and 10 bytes are free"):
        copy_model(model, tmp_path / "copy")
    assert not [*(tmp_path / "copy").glob("*.safetensors")]


def test_the_room_of_a_copy_that_was_stopped_counts(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, copied = (model / "model.safetensors").stat().st_size, tmp_path / "copy" / "model.safetensors"
    copied.parent.mkdir()
    copied.write_bytes(b"half")
    usage = type("Usage", (), {"free": property(lambda _: size - copied.exists())})
    monkeypatch.setattr(model_folder.shutil, "disk_usage", lambda _: usage())
    assert copy_model(model, copied.parent)["model_bytes"] == copied.stat().st_size == size


@pytest.mark.parametrize("kind", ["int8", "nf4", "torchao-int8"])
def test_a_quantised_folder_opens_and_is_smaller(model: Path, tmp_path: Path, kind: BitsOf) -> None:
    if kind == "torchao-int8":
        pytest.importorskip("torchao", reason="pip install 'platypus-llm[torchao]'")
    else:
        pytest.importorskip("bitsandbytes", reason="pip install 'platypus-llm[quantise]'")
    check_quantisation(kind)
    facts = quantise_model(model, tmp_path / "small", kind)
    assert facts["model_bytes"] < sum(file.stat().st_size for file in model.glob("*.safetensors"))
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert "quantization_config" in config
    assert config.get("quantization_config", {}).get("bnb_4bit_quant_storage", "uint8") == "uint8"
    same = (logits(tmp_path / "small").argmax(-1) == logits(model).argmax(-1)).float().mean()
    assert same > (0.5 if kind == "nf4" else 0.9)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "find_spec", lambda _: None)
    with pytest.raises(ModelError) as refused:
        check_quantisation("torchao-int8")
    assert "pip install 'platypus-llm[torchao]'" in str(refused.value)
