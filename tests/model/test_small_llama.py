"""SmallLlama gives the logits, keys and values, and tokens that transformers gives, and knows what it cannot open."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, LlamaForCausalLM

from platypus.model.small_llama import SmallLlama, small_llama_in
from platypus.prompt.base_files import EMBEDDED
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

SHAPES: dict[str, dict[str, Any]] = {
    "one head for keys": {"num_key_value_heads": 1},
    "as many heads for keys": {"num_key_value_heads": 4},
    "tied": {"tie_word_embeddings": True},
    "wide heads": {"head_dim": 24},
    "other angles": {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}},
    "another epsilon": {"rms_norm_eps": 1e-3},
}


class Kept:
    """A cache that joins the tokens of all passes."""

    def __init__(self) -> None:
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        if layer_idx in self.layers:
            keys, values = self.layers[layer_idx]
            key_states, value_states = torch.cat([keys, key_states], 2), torch.cat([values, value_states], 2)
        self.layers[layer_idx] = key_states, value_states
        return key_states, value_states


def model_in(folder: Path, **shape: Any) -> Path:
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.2,
        dtype="float32",
        **shape,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        LlamaForCausalLM(config).save_pretrained(folder)
    byte_bpe_tokenizer().save_pretrained(folder)
    return folder


@torch.inference_mode()
def assert_equal_passes(folder: Path) -> None:
    """A prompt at once, then two chunks of which not all tokens see each other, give equal logits, keys and values."""
    small, whole = SmallLlama(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.arange(5, 45)
    own = Kept()
    logits = small.logits(ids, torch.arange(40), None, own, torch.tensor([3, 39]))
    cache: Any = DynamicCache()
    right = whole(input_ids=ids[None], past_key_values=cache, use_cache=True)
    torch.testing.assert_close(logits, right.logits[0, [3, 39]], atol=1e-5, rtol=1e-5)
    for number, (keys, values) in enumerate(small.keys_and_values(ids)):
        torch.testing.assert_close(keys, cache.layers[number].keys, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(values, cache.layers[number].values, atol=1e-5, rtol=1e-5)
    mask = torch.zeros(1, 1, 4, 44)
    mask[:, :, :2, 42:], mask[:, :, 2:, 40:42] = -torch.inf, -torch.inf
    mask[:, :, 0, 41], mask[:, :, 2, 43] = -torch.inf, -torch.inf
    positions, more, all_four = torch.tensor([40, 41, 40, 41]), torch.tensor([7, 8, 9, 10]), torch.arange(4)
    logits = small.logits(more, positions, mask, own, all_four)
    right = whole(
        input_ids=more[None], position_ids=positions[None], attention_mask=mask, past_key_values=cache, use_cache=True
    )
    torch.testing.assert_close(logits, right.logits[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_logits_keys_and_values_are_those_of_transformers(tmp_path: Path, shape: dict[str, Any]) -> None:
    folder = model_in(tmp_path, **shape)
    assert small_llama_in(folder)
    assert_equal_passes(folder)


def test_the_embedded_base_is_one() -> None:
    assert small_llama_in(EMBEDDED)
    assert_equal_passes(EMBEDDED)


def test_an_older_config_says_the_angles_beside_the_other_keys(tmp_path: Path) -> None:
    folder = model_in(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    del config["rope_parameters"]
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 77_000.0, "rope_scaling": None}))
    assert small_llama_in(folder)
    assert_equal_passes(folder)


@pytest.mark.parametrize(
    "key",
    [
        {"model_type": "mistral"},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"hidden_act": "gelu"},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4}},
        {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
    ],
    ids=str,
)
def test_what_changes_the_arithmetic_is_left_to_transformers(tmp_path: Path, key: dict[str, Any]) -> None:
    folder = tiny_llama(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **key}))
    assert not small_llama_in(folder)


def test_a_folder_without_a_model_or_with_shards_is_none(tmp_path: Path) -> None:
    assert not small_llama_in(tmp_path)
    folder = tiny_llama(tmp_path / "base")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    assert not small_llama_in(folder)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    SmallLlama(EMBEDDED).keys_and_values(torch.tensor([3, 4]))
    assert torch.get_num_threads() == before
