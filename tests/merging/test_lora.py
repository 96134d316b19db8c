"""Merged weights: base plus adapter in the requested dtype, in one file or in shards, and what cannot be merged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from platypus.commands.merge import merge
from platypus.errors import ModelError
from platypus.merging.lora import merge_weights
from platypus.model.adapters import load_adapted
from platypus.model.bases import weight_files
from platypus.model.loading import load_merged
from tests.support.tiny_models import tiny_llama
from tests.support.trainings import quick_run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_weight_is_base_plus_scaled_product_in_the_requested_dtype(
    base: Path, tmp_path: Path, dtype: str
) -> None:
    """Against PEFT's own merging, which holds the whole model in memory."""
    run = quick_run(tmp_path, base=base, recipe=f"alpha = 12\n[merge]\ndtype = '{dtype}'\n")
    merge(run)
    adapted: Any = load_adapted(run.folder("train") / "adapter", dtype="float32").model
    expected = adapted.merge_and_unload().state_dict()
    found = load_file(run.folder("merge") / "model" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert {weight.dtype for weight in found.values()} == {getattr(torch, dtype)}
    eps = torch.finfo(getattr(torch, dtype)).eps
    for name, weight in found.items():
        torch.testing.assert_close(weight.float(), expected[name], rtol=eps, atol=1e-6)
    before = load_file(base / "model.safetensors")
    assert {name for name in found if not torch.equal(found[name], before[name].to(found[name].dtype))} == {
        f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in (0, 1) for part in ("gate", "up", "down")
    }


def test_shards_hold_the_same_weights_as_one_file(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    adapter = run.folder("train") / "adapter"
    written = {}
    for size in ("5GB", "200KB"):
        (tmp_path / size).mkdir()
        written[size] = merge_weights(base, adapter, tmp_path / size, dtype="float32", max_shard_size=size)
    shards = weight_files(tmp_path / "200KB")
    assert (written["5GB"].shards, written["200KB"].shards) == (1, len(shards))
    assert len(shards) > 2
    assert max(shard.stat().st_size for shard in shards) < 220_000
    one = load_file(tmp_path / "5GB" / "model.safetensors")
    many = {name: weight for shard in shards for name, weight in load_file(shard).items()}
    torch.testing.assert_close(many, one, rtol=0, atol=0)
    index = json.loads((tmp_path / "200KB" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == one.keys()
    assert index["metadata"]["total_size"] == written["200KB"].size == sum(w.nbytes for w in one.values())
    shutil.copytree(base, tmp_path / "200KB", dirs_exist_ok=True, ignore=lambda _, names: ["model.safetensors"])
    opened = load_merged(tmp_path / "200KB", dtype="float32").model.state_dict()
    torch.testing.assert_close(dict(opened), one, rtol=0, atol=0)


def test_weights_that_do_not_fit_into_the_dtype_are_refused(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = 1e6
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    run = quick_run(tmp_path, base=base, recipe="[merge]\ndtype = 'float16'\n")
    with pytest.raises(ModelError, match=r"model\.norm\.weight has values that float16 cannot hold"):
        merge(run)


def test_layers_that_the_base_stores_under_other_names_are_refused(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    weights = load_file(base / "model.safetensors")
    renamed = {name.replace("gate_proj", "gate"): weight for name, weight in weights.items()}
    (tmp_path / "renamed").mkdir()
    save_file(renamed, tmp_path / "renamed" / "model.safetensors")
    adapter = run.folder("train") / "adapter"
    with pytest.raises(ModelError, match=r"2 of its layers .* model\.layers\.0\.mlp\.gate_proj\.weight"):
        merge_weights(tmp_path / "renamed", adapter, tmp_path, dtype="float32", max_shard_size="5GB")


def test_a_merge_by_hand(tmp_path: Path) -> None:
    """alpha / r = 6 / 2 = 3; up @ down = [[2, 0], [0, 1]]. A weight without an adapter stays as it is."""
    for name in ("base", "adapter", "merged"):
        (tmp_path / name).mkdir()
    save_file(
        {"w.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "v.weight": torch.ones(3)},
        tmp_path / "base" / "model.safetensors",
    )
    LoraConfig(r=2, lora_alpha=6, target_modules=["w"]).save_pretrained(str(tmp_path / "adapter"))
    down, up = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    lora = {"base_model.model.w.lora_A.weight": down, "base_model.model.w.lora_B.weight": up}
    save_file(lora, tmp_path / "adapter" / "adapter_model.safetensors")
    written = merge_weights(
        tmp_path / "base", tmp_path / "adapter", tmp_path / "merged", dtype="float32", max_shard_size="5GB"
    )
    assert (written.shards, written.size, written.layers) == (1, 4 * (4 + 3), 1)
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    assert merged["w.weight"].tolist() == [[7, 2], [3, 7]]
    assert merged["v.weight"].tolist() == [1, 1, 1]
