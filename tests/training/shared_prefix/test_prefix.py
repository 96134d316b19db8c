"""Shared prefixes: computing a prefix once changes no gradient, for every architecture in VERIFIED."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.overrides import TorchFunctionMode
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.training.shared_prefix.loss import accumulate, answer_length, summed_loss
from platypus.training.shared_prefix.prefix import DENSE, FLASH, VERIFIED, common_prefix, prefix_support
from tests.support.tiny_models import byte_bpe_tokenizer

SHAPE: dict[str, Any] = {
    **{"vocab_size": 200, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2},
    **{"pad_token_id": 2},
}
WIDE = {**SHAPE, "head_dim": 8}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**WIDE),
    "mistral": MistralConfig(**WIDE, sliding_window=None),
    "mistral-windowed": MistralConfig(**WIDE, sliding_window=16),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2-windowed": Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=24, max_window_layers=1),
    "qwen3": Qwen3Config(**WIDE),
    "gemma": GemmaConfig(**WIDE),
    "gemma2": Gemma2Config(**WIDE, sliding_window=16, query_pre_attn_scalar=8),
}
MLP = ["gate_proj", "up_proj", "down_proj"]


def rows(*, shared: int = 40, count: int = 5) -> list[EncodedExample]:
    """Rows behind one prefix, with further prompt tokens and answers of different lengths."""
    draw = torch.Generator().manual_seed(0)
    prefix = torch.randint(0, 200, (shared,), generator=draw).tolist()
    made = []
    for own, answer in [(3, 5), (7, 2), (1, 9), (12, 1), (2, 2), *[(4, 3)] * 11][:count]:
        ids = torch.randint(0, 200, (own + answer,), generator=draw).tolist()
        made.append(EncodedExample((*prefix, *ids), shared + own, "row"))
    return made


def adapted(
    kind: str,
    *,
    targets: str | list[str] = "all-linear",
    dtype: torch.dtype = torch.float64,
    layers: list[int] | None = None,
) -> Loaded:
    """A random model with an adapter whose weights have all moved from their initial values."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(CONFIGS[kind], dtype=dtype, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(r=4, target_modules=targets, layers_to_transform=layers))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter, dtype=dtype) / 5
    return Loaded(model=model.train(), tokenizer=byte_bpe_tokenizer(), source="random", fingerprint="")


class Precise(TorchFunctionMode):
    """In the block, float64 stays float64: stock models compute norms and softmax in float32 whatever their dtype."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.is_tensor(args[0] if args else None) and args[0].dtype == torch.float64:
            if function is torch.Tensor.float:
                return args[0]
            args = tuple(torch.float64 if argument is torch.float32 else argument for argument in args)
            kwargs = {key: torch.float64 if value is torch.float32 else value for key, value in kwargs.items()}
        return function(*args, **kwargs)


def gradients(loaded: Loaded) -> torch.Tensor:
    return torch.cat([p.grad.flatten().double() for p in loaded.model.parameters() if p.grad is not None])


def separate(kind: str, examples: Sequence[EncodedExample], **options: Any) -> torch.Tensor:
    """The slow reference: each row whole, under transformers' own eager attention."""
    loaded = adapted(kind, **options)
    count = sum(map(answer_length, examples))
    for row in examples:
        with Precise() if loaded.model.dtype == torch.float64 else contextlib.nullcontext():
            logits = loaded.model(input_ids=torch.tensor([row.ids])).logits[0, :-1]
        labels = torch.tensor(row.labels[1:])
        (torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / count).backward()
    return gradients(loaded)


def shared(
    kind: str,
    examples: Sequence[EncodedExample],
    *,
    group: int,
    attention: str = FLASH,
    checkpointing: bool = False,
    **options: Any,
) -> torch.Tensor:
    loaded = adapted(kind, **options)
    loaded.model.get_base_model().set_attn_implementation(attention)
    if checkpointing:
        loaded.model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    plain = checkpointing or loaded.model.dtype != torch.float64  # recomputed activations would be outside of the mode
    with contextlib.nullcontext() if plain else Precise():
        accumulate(loaded, examples, answer_tokens=sum(map(answer_length, examples)), micro_batch_size=group)
    return gradients(loaded)


def assert_close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    assert float((found - expected).norm() / expected.norm()) <= tolerance


def test_every_verified_architecture_is_compared() -> None:
    assert {config.model_type for config in CONFIGS.values()} == set(VERIFIED)


@pytest.mark.parametrize("targets", ["all-linear", MLP], ids=["all-linear", "mlp"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_gradients_equal_those_of_separate_rows(kind: str, targets: str | list[str]) -> None:
    """In groups of any size, up to rounding: in float64 for each size, and once in float32, in which one trains."""
    examples = rows(count=7)
    for dtype, tolerance, groups in ((torch.float64, 1e-7, (1, 3, 7)), (torch.float32, 1e-5, (3,))):
        expected = separate(kind, examples, targets=targets, dtype=dtype)
        for group in groups:
            assert_close(shared(kind, examples, group=group, targets=targets, dtype=dtype), expected, tolerance)


@pytest.mark.parametrize("kind", CONFIGS)
def test_gradients_are_the_same_with_checkpointing_and_with_a_dense_mask(kind: str) -> None:
    examples = rows()
    expected = separate(kind, examples)
    assert_close(shared(kind, examples, group=2, attention=DENSE), expected, 1e-7)
    assert_close(shared(kind, examples, group=2, checkpointing=True), expected, 1e-5)


def test_an_adapter_of_the_embedding_and_the_head_gets_its_gradients() -> None:
    targets = ["embed_tokens", "lm_head", "q_proj"]
    assert_close(shared("llama", rows(), group=2, targets=targets), separate("llama", rows(), targets=targets), 1e-7)


@pytest.mark.parametrize("layers", [[0], [1], [2]])
def test_an_adapter_of_one_layer_gets_its_gradients(layers: list[int]) -> None:
    """Of the last layer nothing flows back into the prefix; below the first one nothing is computed backwards."""
    assert_close(
        shared("llama", rows(), group=2, targets=MLP, layers=layers),
        separate("llama", rows(), targets=MLP, layers=layers),
        1e-7,
    )


@pytest.mark.parametrize("length", [0, 1])
def test_rows_with_no_common_prefix_are_computed_side_by_side(length: int) -> None:
    strangers = [
        replace(row, ids=row.ids[40 - length :], prompt_length=row.prompt_length - 40 + length) for row in rows()
    ]
    strangers = [row for row in strangers if row.prompt_length > 1]
    assert common_prefix(strangers) == length
    assert_close(shared("llama", strangers, group=3), separate("llama", strangers), 1e-7)


def test_the_prefix_is_computed_once_and_in_the_last_layer_only_keys_and_values() -> None:
    """Counts the tokens that each layer's projections compute."""
    loaded = adapted("llama")
    loaded.model.get_base_model().set_attn_implementation(FLASH)
    seen: dict[str, int] = {}
    for name, module in loaded.model.named_modules():
        if name.endswith(("k_proj", "mlp")):
            module.register_forward_hook(
                lambda m, i, o, name=name: seen.update({name: seen.get(name, 0) + i[0].shape[1]})
            )
    examples = rows()
    accumulate(loaded, examples, answer_tokens=1, micro_batch_size=2)
    tokens = 40 + sum(len(row.ids) - 40 for row in examples)
    answers = sum(map(answer_length, examples))
    counted = {name.split("layers.")[1]: count for name, count in seen.items()}
    assert counted == {
        **{f"{layer}.self_attn.k_proj": tokens for layer in (0, 1, 2)},
        **{"0.mlp": tokens, "1.mlp": tokens, "2.mlp": answers},
    }


def test_the_validation_loss_is_that_of_separate_rows() -> None:
    loaded = adapted("qwen3")
    plain = summed_loss(loaded, rows(), micro_batch_size=2)
    loaded.model.get_base_model().set_attn_implementation(FLASH)
    assert summed_loss(loaded, rows(), micro_batch_size=2) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_ordinary_calls_do_not_change(kind: str) -> None:
    """Generation and evaluation go through the same attention implementation."""
    ids = torch.tensor([rows()[0].ids])
    padding = torch.ones_like(ids).index_fill(1, torch.arange(4), 0)
    loaded = adapted(kind)
    with Precise():
        plain = [loaded.model(input_ids=ids, attention_mask=mask).logits[:, 4:] for mask in (None, padding)]
        loaded.model.get_base_model().set_attn_implementation(FLASH)
        again = [loaded.model(input_ids=ids, attention_mask=mask).logits[:, 4:] for mask in (None, padding)]
    torch.testing.assert_close(again, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("attention", [FLASH, DENSE])
def test_on_a_gpu_bfloat16_gradients_are_those_of_separate_rows(attention: str) -> None:
    """Verifies the flash kernels for CUDA: if this passes, `prefix_support` may choose them."""
    loaded = adapted("llama", dtype=torch.bfloat16)
    loaded.model.to("cuda").get_base_model().set_attn_implementation(attention)
    accumulate(loaded, rows(), answer_tokens=sum(map(answer_length, rows())), micro_batch_size=2)
    assert_close(gradients(loaded).cpu(), separate("llama", rows(), dtype=torch.float32), 0.05)


def test_the_prefix_leaves_each_prompt_its_last_token() -> None:
    same = [EncodedExample((1, 2, 3, 4, 9), 4, "a"), EncodedExample((1, 2, 3, 4, 8), 4, "b")]
    assert common_prefix(same) == 3
    assert common_prefix([EncodedExample((5, 2), 1, "a"), EncodedExample((6, 2), 1, "b")]) == 0
    assert common_prefix(rows()) >= 40


def test_what_is_not_verified_is_not_shared() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    llama = AutoModelForCausalLM.from_config(CONFIGS["llama"])
    assert prefix_support(llama, device=cpu).attention == FLASH
    assert prefix_support(llama, device=cuda).attention == DENSE
    assert prefix_support(llama, device=cuda, wanted="flash").attention == FLASH
    assert prefix_support(llama, device=cpu, wanted="repeated").attention is None
    noisy = AutoModelForCausalLM.from_config(LlamaConfig(**WIDE, attention_dropout=0.1))
    assert prefix_support(noisy, device=cpu) == (None, "its attention has dropout")
