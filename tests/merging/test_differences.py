"""Merged weights beside their base: a fault in either direction is noticed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from platypus.errors import ModelError
from platypus.merging.differences import compare_weights
from platypus.merging.lora import merge_weights
from tests.support.merges import peft_adapter
from tests.support.tiny_bases import llama

CHANGED, OTHER = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight"


@pytest.fixture
def merged(tmp_path: Path) -> Any:
    """What was merged, by the number that the adapter is scaled with, and by dtype."""
    base = llama(tmp_path / "base")
    peft_adapter(base, tmp_path / "adapter", target_modules=["q_proj"])

    def make(scale: float = 1.0, dtype: str = "float32") -> Any:
        path = tmp_path / "adapter" / "adapter_model.safetensors"
        save_file({name: value * scale for name, value in load_file(path).items()}, path)
        (tmp_path / "merged").mkdir(exist_ok=True)
        return merge_weights(base, path.parent, tmp_path / "merged", dtype=dtype, max_shard_size="1GB")

    return make


def harmed(folder: Path, name: str, value: torch.Tensor | None) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    weights |= {} if value is None else {name: value}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_was_merged_differs_and_nothing_else(tmp_path: Path, merged: Any, dtype: str) -> None:
    differences = compare_weights(merged(dtype=dtype).combined, tmp_path / "merged")
    assert (differences.changed, differences.unchanged, differences.rounded_away) == (2, 19, ())


def test_an_adapter_of_zeros_changes_nothing(tmp_path: Path, merged: Any) -> None:
    differences = compare_weights(merged(0.0).combined, tmp_path / "merged")
    assert (differences.changed, differences.rounded_away) == (0, ())


def test_changes_that_the_dtype_cannot_show_are_named_or_refused(tmp_path: Path, merged: Any) -> None:
    small = merged(1e-4, "bfloat16")
    with pytest.raises(ModelError, match="nothing of what was merged is left"):
        compare_weights(small.combined, tmp_path / "merged")
    harmed(tmp_path / "merged", CHANGED, small.combined.bare(CHANGED) + 1)
    away = compare_weights(small.combined, tmp_path / "merged").rounded_away
    assert away == ("model.layers.1.self_attn.q_proj.weight",)


@pytest.mark.parametrize("harm", ["another value", "another shape", "missing"])
def test_a_tensor_that_should_be_the_bases_and_is_not(tmp_path: Path, merged: Any, harm: str) -> None:
    written = merged()
    value = {"another value": torch.zeros(8, 16), "another shape": torch.zeros(2), "missing": None}[harm]
    harmed(tmp_path / "merged", OTHER, value)
    with pytest.raises(ModelError, match=f"1 tensors are not those of the base, the first: {OTHER}"):
        compare_weights(written.combined, tmp_path / "merged")
