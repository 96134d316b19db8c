"""Which stored tensors hold a parameter: as transformers itself saves them, whatever their names in memory are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from platypus.model.bases import weight_files
from platypus.model.loading import load_base
from platypus.model.stored_weights import StoredWeights
from tests.support.tiny_bases import BASES


@pytest.mark.parametrize("name", ["gpt2", "pythia", "mixtral", "qwen2_moe", "qwen2"])
def test_every_parameter_is_found_with_its_values(tmp_path: Path, name: str) -> None:
    base = BASES[name](tmp_path / "base")
    stored = StoredWeights.of(base)
    model: Any = load_base(str(base), dtype="float32", device="cpu").model
    bare: Any = load_base(str(base), device="meta").model  # the ways back are known without data
    values = {key: value for file in weight_files(base) for key, value in load_file(file).items()}
    found: dict[str, torch.Tensor] = {}
    for parameter, value in model.named_parameters():
        parts = stored.parts(bare, parameter, value.detach())
        assert parts is not None, parameter
        found |= parts
    torch.testing.assert_close(found, values, rtol=0, atol=0)
    assert {key: tuple(value.shape) for key, value in values.items()} == stored.shapes


def test_experts_may_be_stored_as_they_are_loaded(tmp_path: Path) -> None:
    base = BASES["mixtral"](tmp_path / "base")
    model: Any = load_base(str(base), dtype="float32", device="cpu").model
    model.save_pretrained(tmp_path / "stacked", save_original_format=False)
    stored = StoredWeights.of(tmp_path / "stacked")
    name = "model.layers.0.mlp.experts.gate_up_proj"
    value = model.get_parameter(name).detach()
    parts = stored.parts(model, name, value)
    assert parts is not None and list(parts) == [name]
    assert stored.parts(model, name, value[:, :3]) is None
