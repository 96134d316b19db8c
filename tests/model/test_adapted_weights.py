"""What an adapter adds to a weight, by hand for each kind of layer, and what a base stores in another way."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from platypus.errors import ModelError
from platypus.model.adapted_weights import AdaptedWeight, adapted_weights, stored_changes
from platypus.model.stored_weights import StoredWeights
from platypus.run.settings import TrainSettings
from tests.support.tiny_bases import gpt2, mixtral
from tests.support.tiny_models import adapted, tiny_llama

DOWN, UP = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[3.0], [4.0]])  # (1, in) and (out, 1)
PRODUCT = torch.tensor([[3.0, 6.0, 0.0], [4.0, 8.0, 0.0]])


@pytest.mark.parametrize(("kind", "expected"), [("linear", PRODUCT), ("transposed", PRODUCT.T)])
def test_a_change_is_the_scaled_product_in_the_shape_of_the_weight(kind: str, expected: torch.Tensor) -> None:
    weight = AdaptedWeight("w.weight", tuple(expected.shape), "w", kind, 0.5)
    lora = {"base_model.model.w.lora_A.weight": DOWN, "base_model.model.w.lora_B.weight": UP}
    assert torch.equal(weight.change(lora), expected / 2)


def test_the_change_of_an_embedding_has_a_row_for_each_token() -> None:
    """PEFT's A has a column for each token, its B a row for each of the embedding's values."""
    lora = {"base_model.model.e.lora_embedding_A": DOWN, "base_model.model.e.lora_embedding_B": UP}
    assert torch.equal(AdaptedWeight("e.weight", (3, 2), "e", "embedding", 1.0).change(lora), PRODUCT.T)


def test_each_expert_has_a_product_of_its_own() -> None:
    """Two experts of rank 1: A lists them one after another, and so does B in its columns."""
    down = torch.cat([DOWN, 10 * DOWN])
    up = torch.cat([UP, -UP], 1)
    lora = {"base_model.model.x.lora_A.weight": down, "base_model.model.x.lora_B.weight": up}
    expected = torch.stack([PRODUCT, -10 * PRODUCT])
    assert torch.equal(AdaptedWeight("x.up", (2, 2, 3), "x", "experts", 1.0).change(lora), expected)
    assert torch.equal(AdaptedWeight("x.up", (2, 3, 2), "x", "experts", 1.0).change(lora), expected.transpose(1, 2))


@pytest.mark.parametrize("make", [gpt2, mixtral])
def test_the_changes_are_those_of_peft(tmp_path: Path, make: Any) -> None:
    loaded = adapted(make(tmp_path / "base"), TrainSettings(rank=3, alpha=6, dropout=0.0, target_modules="all-linear"))
    model: Any = loaded.model
    before = {name: value.clone() for name, value in model.get_base_model().state_dict().items()}
    lora = {name.replace(".default", ""): value for name, value in model.state_dict().items() if "lora_" in name}
    weights = adapted_weights(model)
    changes = {weight.parameter: weight.change(lora) for weight in weights}
    merged = model.merge_and_unload().state_dict()
    plain = {name.replace(".base_layer", ""): value for name, value in before.items() if "lora_" not in name}
    for weight in weights:
        torch.testing.assert_close(plain[weight.parameter] + changes[weight.parameter], merged[weight.parameter])
    assert len(weights) == len({weight.parameter for weight in weights}) == (8 if make is gpt2 else 14)


def test_a_base_that_stores_a_layer_in_another_way_is_refused_before_any_training(tmp_path: Path) -> None:
    """Names that transformers drops at loading, with a warning: a merge could not add to them."""
    base = tiny_llama(tmp_path / "base")
    model: Any = adapted(base).model
    assert len(stored_changes(model, StoredWeights.of(base), where="base").parts) == 14
    other = shutil.copytree(base, tmp_path / "other")
    weights = load_file(base / "model.safetensors")
    weights["model.layers.1.mlp.fused"] = weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of the layers .* model\.layers\.1\.mlp\.up_proj\.weight \[128, 64\]"):
        stored_changes(model, StoredWeights.of(other), where="base")
