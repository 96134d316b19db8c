"""Which layers a word or a list of names means, on every architecture: all of them and no others, or a refusal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    JambaConfig,
    JambaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from platypus.errors import ModelError
from platypus.model.linear_layers import find_targets, linear_layers, short_names
from platypus.model.loading import load_base
from tests.support import tiny_bases
from tests.support.tiny_bases import BASES, tiny
from tests.support.tiny_models import byte_bpe_tokenizer

LLAMA = {"mlp": ["gate_proj", "up_proj", "down_proj"], "attention": ["q_proj", "k_proj", "v_proj", "o_proj"]}
NEOX = {"mlp": ["dense_h_to_4h", "dense_4h_to_h"], "attention": ["query_key_value", "dense"]}
# What PEFT is told: names of modules, or of parameters where the weights of experts stand in one tensor.
MEANT: dict[str, dict[str, list[str]]] = {
    **dict.fromkeys(("llama", "smollm", "mistral", "qwen2", "qwen3", "gemma"), LLAMA),
    "phi3": {"mlp": ["gate_up_proj", "down_proj"], "attention": ["o_proj", "qkv_proj"]},
    "gpt2": {"mlp": ["c_fc", "mlp.c_proj"], "attention": ["c_attn", "attn.c_proj"]},
    "pythia": NEOX,
    "falcon": NEOX,
    "mixtral": {**LLAMA, "mlp": ["gate_up_proj", "down_proj"]},
    "qwen3_moe": {
        **LLAMA,
        "mlp": ["gate_proj.weight", "up_proj.weight", "down_proj.weight", "gate_up_proj", "down_proj"],
    },
    "qwen2_moe": {
        **LLAMA,
        "mlp": ["gate_up_proj", "down_proj", "gate_proj.weight", "up_proj.weight", "down_proj.weight"],
    },
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A model without data, by the name of its base; each base is made once."""
    folder, made = tmp_path_factory.mktemp("bases"), {}

    def opened(name: str) -> Any:
        if name not in made:
            made[name] = BASES[name](folder / name)
        return load_base(str(made[name]), device="meta").model

    return opened


@pytest.mark.parametrize("name", MEANT)
def test_a_word_means_the_layers_of_that_part(model: Callable[[str], Any], name: str) -> None:
    base = model(name)
    for word, names in MEANT[name].items():
        targets = find_targets(base, word, where="base")
        told = [*targets.modules, *targets.parameters]
        assert sorted(told) == sorted(names)
        blocks = {layer.name.partition("s.")[2].split(".")[0] for layer in targets.layers}
        assert len(blocks) <= 2 <= len(targets.layers)
    every = find_targets(base, "all-linear", where="base")
    words = [layer for word in MEANT[name] for layer in find_targets(base, word, where="base").layers]
    routers = [layer for layer in every.layers if layer.part == "router"]
    assert {layer.name for layer in every.layers} == {layer.name for layer in [*words, *routers]}
    assert bool(routers) == (name in ("mixtral", "qwen3_moe", "qwen2_moe"))
    assert (every.modules == "all-linear") == (not routers)


def test_only_transposed_layers_are_said_to_be_so(model: Callable[[str], Any]) -> None:
    assert find_targets(model("gpt2"), "all-linear", where="").transposed
    assert not find_targets(model("pythia"), "all-linear", where="").transposed


def test_a_feed_forward_block_may_lie_in_the_layer_itself(tmp_path: Path) -> None:
    base = tiny(tmp_path / "opt", OPTForCausalLM, OPTConfig, byte_bpe_tokenizer(), ffn_dim=32, word_embed_proj_dim=16)
    assert find_targets(load_base(str(base), device="meta").model, "mlp", where="").modules == ["fc1", "fc2"]  # type: ignore[arg-type]


def test_a_word_that_is_not_clear_is_refused_with_the_layers_there_are(tmp_path: Path) -> None:
    """A hybrid: what lies in its state-space layers is neither attention nor feed-forward."""
    state = {"mamba_d_state": 4, "num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1}
    base = tiny(tmp_path / "jamba", JambaForCausalLM, JambaConfig, byte_bpe_tokenizer(), **state)
    hybrid: Any = load_base(str(base), device="meta").model
    for word in ("mlp", "attention"):
        with pytest.raises(ModelError, match=r"neither attention nor feed-forward: .*'in_proj'") as raised:
            find_targets(hybrid, word, where="base")
        assert "'q_proj'" in raised.value.remedy and "all-linear" in raised.value.remedy
    assert {layer.part for layer in find_targets(hybrid, "all-linear", where="").layers} > {"other", "attention", "mlp"}


@pytest.mark.parametrize(
    ("name", "wanted", "why"),
    [
        ("llama", ["q_proj", "vproj"], "no linear layer named 'vproj'"),
        ("llama", ["q_proj", "norm"], "no linear layer named 'norm', only a LlamaRMSNorm"),
        ("phi3", ["gate_proj", "down_proj"], "no linear layer named 'gate_proj'"),
        ("gpt2", ["q_proj"], "no linear layer named 'q_proj'"),
        ("mixtral", ["w1", "w2"], "w1 and w3 are one tensor, gate_up_proj"),
        ("qwen3_moe", ["up_proj"], "up_proj and gate_proj are one tensor, gate_up_proj"),
        ("qwen2", ["lm_head"], r"lm_head shares its weights with model\.embed_tokens \(tied\)"),
        ("gemma", ["embed_tokens", "q_proj"], r"embed_tokens shares its weights with lm_head \(tied\)"),
        ("falcon", ["word_embeddings"], "word_embeddings shares its weights with lm_head"),
    ],
)
def test_names_that_mean_nothing_or_too_little_are_refused(
    model: Callable[[str], Any], name: str, wanted: list[str], why: str
) -> None:
    with pytest.raises(ModelError, match=why) as raised:
        find_targets(model(name), wanted, where="base")
    assert raised.value.remedy


def test_a_list_may_name_experts_as_checkpoints_do(model: Callable[[str], Any]) -> None:
    targets = find_targets(model("mixtral"), ["w1", "w2", "w3", "q_proj", "gate"], where="")
    assert targets.modules == ["q_proj"]
    assert sorted(targets.parameters) == ["down_proj", "gate.weight", "gate_up_proj"]
    same = find_targets(model("mixtral"), ["gate_up_proj", "experts.down_proj", "q_proj", "gate"], where="")
    assert same == targets


def test_a_list_of_modules_is_handed_on_as_it_is(model: Callable[[str], Any]) -> None:
    targets = find_targets(model("llama"), ["lm_head", "embed_tokens", "v_proj"], where="")
    assert targets.modules == ["lm_head", "embed_tokens", "v_proj"]
    assert [layer.name for layer in targets.layers if layer.part == "outside"] == ["model.embed_tokens", "lm_head"]


def test_short_names_name_nothing_else() -> None:
    every = ["h.0.attn.proj", "h.0.mlp.proj", "h.0.mlp.fc", "h.1.mlp.fc", "h.0.mlp"]
    assert short_names(["h.0.mlp.proj"], every) == ["mlp.proj"]
    assert short_names(["h.0.mlp.fc", "h.1.mlp.fc"], every) == ["fc"]
    assert short_names(["h.0.mlp.fc"], every) == ["0.mlp.fc"]


def test_every_linear_layer_has_a_part(model: Callable[[str], Any]) -> None:
    for name in BASES:
        layers = linear_layers(model(name))
        assert not [layer.name for layer in layers if layer.part == "other"], name
        assert [layer for layer in layers if layer.part == "outside"], name
    assert BASES.keys() == {make for make in MEANT if hasattr(tiny_bases, make)}
