"""Bases on disk: a folder without a model is refused, and a fingerprint does not depend on how a model was saved."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from platypus.errors import ModelError
from platypus.model.bases import base_fingerprint, base_folder, weight_files
from platypus.model.loading import load_base
from tests.support.tiny_models import tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("no/such/folder", "there is no such folder"),
        ("./nowhere", "there is no such folder"),
        ("/nowhere", "there is no such folder"),
        ("plainname", "there is no such folder"),
        ("owner/no-such-model", "it could not be downloaded"),
        ("owner/not a name", "it could not be downloaded"),
    ],
)
def test_a_base_that_does_not_exist_is_an_error_with_a_remedy(source: str, named: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_base(source)
    assert raised.value.where == source
    assert named in raised.value.what
    assert raised.value.remedy


def test_a_fingerprint_does_not_depend_on_how_the_same_weights_are_saved(base: Path, tmp_path: Path) -> None:
    model = load_base(str(base), dtype="float32").model
    model.generation_config = GenerationConfig()
    model.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    assert base_fingerprint(str(tmp_path / "sharded")) == base_fingerprint(str(base))


def test_other_weights_or_another_config_have_another_fingerprint(base: Path, tmp_path: Path) -> None:
    same = tiny_llama(tmp_path / "same", context=128)
    assert base_fingerprint(str(same)) == base_fingerprint(str(base))
    others = [tiny_llama(tmp_path / "seed", context=128, seed=1), tiny_llama(tmp_path / "context", context=256)]
    weights = load_file(same / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, same / "model.safetensors", metadata={"format": "pt"})
    prints = {base_fingerprint(str(folder)) for folder in [base, same, *others]}
    assert len(prints) == 4


def test_a_folder_without_a_model_is_refused(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ModelError, match=r"no \.safetensors weights"):
        load_base(str(tmp_path))
    save_file(load_file(base / "model.safetensors"), tmp_path / "model.safetensors")
    assert base_folder(str(tmp_path)) == tmp_path


def test_an_adapter_beside_the_weights_is_no_part_of_a_base(base: Path, tmp_path: Path) -> None:
    same = tiny_llama(tmp_path / "same", context=128)
    save_file(load_file(base / "model.safetensors"), same / "adapter_model.safetensors")
    assert [path.name for path in weight_files(same)] == ["model.safetensors"]
    assert base_fingerprint(str(same)) == base_fingerprint(str(base))


# ---------------------------------------------------------------- which files count


def test_only_the_files_that_transformers_would_load_count(base: Path, tmp_path: Path) -> None:
    """Other formats of the same weights, and what an earlier save has left, are no part of a base."""
    whole = tiny_llama(tmp_path / "whole", context=128)
    sharded = tmp_path / "sharded"
    load_base(str(base), dtype="float32").model.save_pretrained(sharded, max_shard_size="100KB")
    shards = weight_files(sharded)
    assert len(shards) > 1
    for folder, others in ((whole, ("consolidated", "model-00001-of-00002")), (sharded, ("consolidated", "old"))):
        before = weight_files(folder)
        for name in others:
            save_file({"tok_embeddings.weight": torch.ones(2, 2)}, folder / f"{name}.safetensors")
        assert weight_files(folder) == before
        assert base_fingerprint(str(folder)) == base_fingerprint(str(base))
    shutil.copy(sharded / "model.safetensors.index.json", whole)
    assert [path.name for path in weight_files(whole)] == ["model.safetensors"]
    shards[0].unlink()
    with pytest.raises(ModelError, match=f"are missing, the first: {shards[0].name}"):
        weight_files(sharded)


def test_a_config_may_name_another_file(base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "named")
    (folder / "model.safetensors").rename(folder / "best.safetensors")
    with pytest.raises(ModelError, match=r"only best\.safetensors"):
        base_folder(str(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_weights": "best.safetensors"}))
    assert [path.name for path in weight_files(folder)] == ["best.safetensors"]
    assert load_base(str(folder)).vocabulary == 512


@pytest.mark.parametrize("stored", ["model.safetensors", "two shards"])
def test_only_these_files_are_downloaded(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: str
) -> None:
    hub, cache = tmp_path / "hub", tmp_path / "cache"
    if stored == "two shards":
        load_base(str(base), dtype="float32").model.save_pretrained(hub, max_shard_size="100KB")
    else:
        shutil.copytree(base, hub)
    wanted = {path.name for path in weight_files(hub)}
    for name in ("consolidated.safetensors", "original/consolidated.00.safetensors", "pytorch_model.bin"):
        (hub / name).parent.mkdir(exist_ok=True)
        (hub / name).write_bytes(b"other weights")

    def snapshot(source: str, *, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        names = [str(path.relative_to(hub)) for path in hub.rglob("*") if path.is_file()]
        for name in filter_repo_objects(names, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns):
            (cache / name).parent.mkdir(exist_ok=True, parents=True)
            shutil.copy(hub / name, cache / name)
        return str(cache)

    monkeypatch.setattr("platypus.model.bases.snapshot_download", snapshot)
    assert base_folder("owner/model") == cache
    assert {path.name for path in cache.iterdir() if path.suffix in (".safetensors", ".bin")} == wanted
    assert weight_files(cache) == tuple(cache / path.name for path in weight_files(hub))
