"""Merged folders of many architectures and kinds of adapter, against PEFT's own forward pass, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from platypus.errors import ModelError
from platypus.merging.differences import compare_weights
from platypus.merging.lora import merge_weights
from tests.support import tiny_bases
from tests.support.merges import peft_adapter

IDS = torch.tensor([[(37 * number) % 470 + 3 for number in range(40)]])
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
CASES: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {  # a base, and options of PEFT's adapter
    "llama, rank-stabilised": (tiny_bases.llama, {"use_rslora": True}),
    "llama, new tokens": (tiny_bases.llama, {"rows": 520, "target_modules": ["q_proj"]}),
    "mistral, DoRA": (tiny_bases.mistral, {"use_dora": True}),
    "qwen2, tied head": (tiny_bases.qwen2, {"target_modules": ["lm_head", "q_proj"]}),
    "qwen2, new tokens": (tiny_bases.qwen2, {"rows": 520, "target_modules": ["q_proj"]}),
    "qwen3, patterns": (tiny_bases.qwen3, {"rank_pattern": {"q_proj": 5}, "alpha_pattern": {"up_proj": 1}}),
    "gemma, tied embedding": (tiny_bases.gemma, {"target_modules": ["embed_tokens", "v_proj"], "use_dora": True}),
    "phi3, whole modules": (tiny_bases.phi3, {"target_modules": ["qkv_proj"], "modules_to_save": ["lm_head", "norm"]}),
    "gpt2, DoRA": (tiny_bases.gpt2, {"use_dora": True, "fan_in_fan_out": True}),
    "gpt2, tied head": (tiny_bases.gpt2, {"target_modules": ["lm_head"]}),
    "pythia": (tiny_bases.pythia, {"target_modules": ["query_key_value", "embed_out"]}),
    "mixtral, experts": (tiny_bases.mixtral, {"target_modules": ["q_proj"], "target_parameters": EXPERTS}),
    "smollm, whole embedding": (tiny_bases.smollm, {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]}),
}


def merged(base: Path, adapter: Path, folder: Path, *, dtype: str = "float32") -> Any:
    """The merged model's folder, with the base's other files, and what was written."""
    shutil.copytree(base, folder, ignore=lambda _, names: [name for name in names if "safetensors" in name])
    return merge_weights(base, adapter, folder, dtype=dtype, max_shard_size="30KB")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_the_merged_folder_answers_as_base_and_adapter_do(tmp_path: Path, case: str) -> None:
    make, options = CASES[case]
    base = make(tmp_path / "base")
    adapted: Any = peft_adapter(base, tmp_path / "adapter", **options)
    written = merged(base, tmp_path / "adapter", tmp_path / "merged")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.no_grad():
        expected, found = adapted.eval()(IDS).logits, opened(IDS).logits
        with adapted.disable_adapter():
            bare = adapted(IDS).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert (bare - expected).abs().max() > 1e-2, "the adapter has an effect"
    differences = compare_weights(written.combined, tmp_path / "merged")
    assert (differences.changed, differences.rounded_away) == (len(written.combined.changed), ())
    assert ("tied" in case or "whole embedding" in case) == bool(written.combined.untied)


# ---------------------------------------------------------------- what is refused before the first byte


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bases.llama(tmp_path_factory.mktemp("sources") / "base")


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    peft_adapter(base, base.parent / "adapter", target_modules=["q_proj", "down_proj"])
    return base.parent / "adapter"


def copied(folder: Path, place: Path, *, config: dict[str, Any] | None = None, **tensors: torch.Tensor | None) -> Path:
    """A copy of an adapter with other settings, and with other tensors (None: without), by the last part of a name."""
    shutil.copytree(folder, place)
    settings = json.loads((place / "adapter_config.json").read_text()) | (config or {})
    (place / "adapter_config.json").write_text(json.dumps(settings))
    weights = load_file(place / "adapter_model.safetensors")
    for name, tensor in tensors.items():
        full = f"base_model.model.model.layers.0.self_attn.q_proj.{name.replace('__', '.')}"
        weights.pop(full, None)
        weights |= {} if tensor is None else {full: tensor}
    save_file(weights, place / "adapter_model.safetensors")
    return place


def refused(base: Path, adapter: Path, match: str, folder: Path) -> ModelError:
    folder.mkdir()
    with pytest.raises(ModelError, match=match) as raised:
        merge_weights(base, adapter, folder, dtype="float32", max_shard_size="1MB")
    assert not list(folder.iterdir()), "before the first byte"
    assert raised.value.remedy and raised.value.where
    return raised.value


A, B = torch.ones(3, 16), torch.ones(16, 3)
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "another type": ({"peft_type": "IA3"}, "it is of the type IA3"),
    "activated": ({"alora_invocation_tokens": [1]}, "an activated LoRA"),
    "PiSSA": ({"init_lora_weights": "pissa_niter_4"}, "it began with init_lora_weights"),
    "biases": ({"bias": "lora_only"}, "it trains biases"),
    "rows": ({"trainable_token_indices": [1, 2]}, "single rows of the embedding"),
    "repeated layers": ({"layer_replication": [[0, 1], [0, 2]]}, "it repeats layers"),
    "another base": ({"target_modules": ["fc1"]}, "PEFT cannot put it on this base"),
    "another rank": ({"r": 5}, r"8 of its tensors do not fit .*lora_A\.weight is \[3, 32\], and should be \[5, 32\]"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_that_do_more_or_belong_elsewhere(tmp_path: Path, base: Path, adapter: Path, kind: str) -> None:
    config, match = KINDS[kind]
    refused(base, copied(adapter, tmp_path / "adapter", config=config), match, tmp_path / "merged")


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({"lora_A__weight": torch.ones(3, 15)}, r"is \[3, 15\], and should be \[3, 16\]"),
        ({"lora_A__weight": None}, r"lora_A\.weight is not there, and should be \[3, 16\]"),
        ({"lora_C__weight": A}, r"lora_C\.weight is \[3, 16\], and should be not there"),
        ({"lora_B__weight": B * torch.nan}, "1 of its tensors have values that are not finite"),
        ({"lora_B__weight": B * torch.inf}, "1 of its tensors have values that are not finite"),
        ({"another": A}, r"1 of the layers .*q_proj\.another \[3, 16\]"),
    ],
)
def test_tensors_that_are_not_those_of_the_adapter(
    tmp_path: Path, base: Path, adapter: Path, tensors: dict[str, Any], match: str
) -> None:
    refused(base, copied(adapter, tmp_path / "adapter", **tensors), match, tmp_path / "merged")


def test_files_that_were_cut_off_or_are_missing(tmp_path: Path, base: Path, adapter: Path) -> None:
    cut = copied(adapter, tmp_path / "cut") / "adapter_model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    assert refused(base, cut.parent, "it is damaged or was cut off", tmp_path / "1").where == str(cut)
    cut.unlink()
    refused(base, cut.parent, "no adapter that can be merged", tmp_path / "2")
    broken = shutil.copytree(base, tmp_path / "broken") / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-100])
    assert refused(broken.parent, adapter, "it is damaged or was cut off", tmp_path / "3").where == str(broken)


def test_a_quantised_base(tmp_path: Path, base: Path, adapter: Path) -> None:
    quantised = Path(shutil.copytree(base, tmp_path / "quantised"))
    weights = load_file(quantised / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"] = torch.zeros(256, 1, dtype=torch.uint8)
    save_file(weights, quantised / "model.safetensors", metadata={"format": "pt"})
    refused(quantised, adapter, r"its weights are quantised: .*up_proj\.weight is U8", tmp_path / "1")
    config = json.loads((quantised / "config.json").read_text()) | {"quantization_config": {"quant_method": "gptq"}}
    (quantised / "config.json").write_text(json.dumps(config))
    refused(quantised, adapter, r"quantised \(gptq\)", tmp_path / "2")


def test_the_embedding_that_peft_saves_with_an_adapter_says_which_base_it_is_for(tmp_path: Path, base: Path) -> None:
    peft_adapter(base, tmp_path / "adapter", target_modules=["embed_tokens", "q_proj"])
    other = Path(shutil.copytree(base, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["model.embed_tokens.weight"][7, 7] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    refused(other, tmp_path / "adapter", r"trained on another base: model\.embed_tokens\.weight", tmp_path / "merged")
