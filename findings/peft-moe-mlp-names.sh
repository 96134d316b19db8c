#!/usr/bin/env bash
# peft 0.21.2 with transformers 5.23.0: one list of layer names adapts opposite halves of two mixture-of-experts models.
#
# Source:   peft/utils/transformers_weight_conversion.py, _convert_peft_config_moe: names are turned into fused expert
#           tensors where transformers' _MODEL_TO_CONVERSION_PATTERN knows the model type. That maps some thirty types to
#           "qwen2_moe", qwen3_moe and deepseek_v3 among them, but has no entry for qwen2_moe itself. Where names are
#           turned, layers that still have them are no longer targets.
# Guess:    target_modules=["gate_proj", "up_proj", "down_proj"] adapts every feed-forward layer of that name: those of
#           dense layers (mlp_only_layers), the shared expert and the routed experts. Or an error says what is left out.
# Seen:     Qwen2-MoE: dense layer and shared expert are adapted, the routed experts are not.
#           Qwen3-MoE: the routed experts are adapted, the dense layer is not. Neither says so.
#           The experts' adapter has rank 8 where r=4 was asked for: gate and up are one fused tensor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 peft==0.21.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2MoeConfig, Qwen2MoeForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

SIZES = dict(
    vocab_size=64, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, num_experts=4, num_experts_per_tok=2, mlp_only_layers=[0],
)
MODELS = {
    "qwen2_moe": Qwen2MoeForCausalLM(Qwen2MoeConfig(shared_expert_intermediate_size=24, **SIZES)),
    "qwen3_moe": Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES)),
}
EXPECTED = {
    "qwen2_moe": {"dense": True, "shared": True, "routed": False},
    "qwen3_moe": {"dense": False, "shared": False, "routed": True},
}
for name, model in MODELS.items():
    config = LoraConfig(target_modules=["gate_proj", "up_proj", "down_proj"], r=4, lora_dropout=0.0)
    adapted = get_peft_model(model, config)
    factors = {key: value for key, value in adapted.named_parameters() if "lora_A" in key}
    seen = {
        "dense": any("layers.0.mlp.gate_proj" in key for key in factors),
        "shared": any("shared_expert." in key for key in factors),
        "routed": any("mlp.experts" in key for key in factors),
    }
    print(name, "adapted:", seen, {key.split("layers.")[1]: tuple(value.shape) for key, value in factors.items()})
    assert seen == EXPECTED[name], "changed"
    for key, value in factors.items():
        if "mlp.experts.base_layer" in key:
            assert value.shape[0] == 4 * 2 * 4, "changed: 4 experts of rank 8"
print("as described")
PYTHON
