"""Merged weights: base plus adapter in the requested dtype, in one file or in shards, and what cannot be merged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from platypus.commands.merge import merge
from platypus.errors import ModelError
from platypus.merging.lora import merge_weights
from platypus.model.adapters import AdapterCard, load_adapted, save_adapter
from platypus.model.bases import weight_files
from platypus.model.loading import load_merged
from platypus.model.stored_weights import StoredWeights
from platypus.prompt.prompt import Prompt
from platypus.run.settings import TrainSettings
from tests.support.tiny_bases import gpt2, llama, mixtral, qwen2_moe
from tests.support.tiny_models import adapted, tiny_llama
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
    shutil.copytree(base, tmp_path / "renamed")
    save_file(renamed, tmp_path / "renamed" / "model.safetensors", metadata={"format": "pt"})
    adapter = run.folder("train") / "adapter"
    with pytest.raises(ModelError, match=r"2 of the layers .* model\.layers\.0\.mlp\.gate_proj\.weight"):
        merge_weights(tmp_path / "renamed", adapter, tmp_path, dtype="float32", max_shard_size="5GB")


def test_a_merge_by_hand(base: Path, tmp_path: Path) -> None:
    """One layer, alpha / r = 3, up @ down = 1 in row 1, column 0. A weight without an adapter stays as it is."""
    layer = "model.layers.0.self_attn.k_proj"
    (tmp_path / "adapter").mkdir()
    LoraConfig(r=1, lora_alpha=3, target_modules=[layer]).save_pretrained(str(tmp_path / "adapter"))
    down, up = torch.eye(64)[:1], torch.eye(32)[:, 1:2]
    lora = {f"base_model.model.{layer}.lora_A.weight": down, f"base_model.model.{layer}.lora_B.weight": up.contiguous()}
    save_file(lora, tmp_path / "adapter" / "adapter_model.safetensors")
    (tmp_path / "merged").mkdir()
    written = merge_weights(base, tmp_path / "adapter", tmp_path / "merged", dtype="float32", max_shard_size="5GB")
    before, merged = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "merged"))
    assert (written.shards, written.size, written.layers) == (1, sum(weight.nbytes for weight in merged.values()), 1)
    before[f"{layer}.weight"][1, 0] += 3
    torch.testing.assert_close(merged, before, rtol=0, atol=0)


@pytest.mark.parametrize("make", [gpt2, mixtral, qwen2_moe, llama], ids=lambda make: str(make.__name__))
def test_transposed_layers_experts_and_embeddings_are_merged_as_peft_does(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """Against PEFT's own merging in memory, in shards of which none holds all experts of a layer."""
    base = make(tmp_path / "base")
    targets: Any = "all-linear" if make is not llama else ["embed_tokens", "lm_head", "v_proj"]
    loaded = adapted(base, TrainSettings(rank=3, alpha=6, dropout=0.0, target_modules=targets))
    save_adapter(loaded, tmp_path / "adapter", card=AdapterCard.of(loaded, Prompt(loaded.tokenizer, None)))
    shutil.copytree(base, tmp_path / "merged")
    merge_weights(base, tmp_path / "adapter", tmp_path / "merged", dtype="float32", max_shard_size="10KB")
    found = load_merged(tmp_path / "merged", dtype="float32").model.state_dict()
    model: Any = loaded.model
    torch.testing.assert_close(dict(found), dict(model.merge_and_unload().state_dict()), rtol=1e-5, atol=1e-6)
    assert StoredWeights.of(tmp_path / "merged").shapes == StoredWeights.of(base).shapes
