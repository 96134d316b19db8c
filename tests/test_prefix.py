"""Shared prefixes: packing changes no gradient, on every architecture that is called verified."""

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from platypus.prefix import NAME, VERIFIED, can_share, common_prefix, pack, summed_loss
from platypus.prompt import Encoded

SHAPE: dict[str, Any] = {
    **{"vocab_size": 200, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "head_dim": 8},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2},
}
CONFIGS = {
    "llama": LlamaConfig(**SHAPE),
    "mistral": MistralConfig(**SHAPE, sliding_window=None),
    "qwen2": Qwen2Config(**{key: value for key, value in SHAPE.items() if key != "head_dim"}),
    "qwen3": Qwen3Config(**SHAPE),
}


def rows(*, shared: int = 40) -> list[Encoded]:
    """Five rows behind one prefix, their own prompts and answers of differing length."""
    draw = torch.Generator().manual_seed(0)
    prefix = torch.randint(0, 200, (shared,), generator=draw).tolist()
    made = []
    for own, answer in ((3, 5), (7, 2), (1, 9), (12, 1), (2, 2)):
        ids = torch.randint(0, 200, (own + answer,), generator=draw).tolist()
        made.append(Encoded((*prefix, *ids), shared + own, "row"))
    return made


def model(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForCausalLM.from_config(CONFIGS[kind], dtype=torch.float64)
    return made


def test_every_verified_architecture_is_compared() -> None:
    assert set(VERIFIED) == set(CONFIGS)


@pytest.mark.parametrize("kind", CONFIGS)
def test_gradients_equal_those_of_separate_rows(kind: str) -> None:
    one, other = model(kind), model(kind)
    assert can_share(one)
    one.set_attn_implementation(NAME)
    packed = summed_loss(one, pack(rows()))
    packed.backward()
    separate = torch.zeros((), dtype=torch.float64)
    for row in rows():
        logits = other(input_ids=torch.tensor([row.ids])).logits[0, :-1]
        separate += torch.nn.functional.cross_entropy(logits, torch.tensor(row.labels[1:]), reduction="sum")
    separate.backward()
    torch.testing.assert_close(packed, separate, rtol=1e-6, atol=0)
    scale = max(float(parameter.grad.abs().max()) for parameter in other.parameters())
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        # The stock RMSNorm computes in float32 whatever the model's dtype.
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=0, atol=1e-6 * scale)


def test_the_prefix_leaves_each_prompt_its_last_token() -> None:
    same = [Encoded((1, 2, 3, 4, 9), 4, "a"), Encoded((1, 2, 3, 4, 8), 4, "b")]
    assert common_prefix(same) == 3
    assert common_prefix([Encoded((5, 2), 1, "a"), Encoded((6, 2), 1, "b")]) == 0
    assert common_prefix(rows()) >= 40


def test_a_sliding_window_is_not_shared() -> None:
    windowed = AutoModelForCausalLM.from_config(MistralConfig(**SHAPE, sliding_window=16))
    assert not can_share(windowed)
