"""A new adapter: it is on the named layers, and changes no output yet."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from platypus.errors import ModelError
from platypus.model.loading import load_base
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt, check_mergeable
from tests.support.tiny_bases import gpt2, mixtral, qwen3_moe
from tests.support.tiny_models import adapted, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize(
    ("target", "layers"),
    [
        ("mlp", {"gate_proj", "up_proj", "down_proj"}),
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("all-linear", {"gate_proj", "up_proj", "down_proj", "q_proj", "k_proj", "v_proj", "o_proj"}),
        (["v_proj"], {"v_proj"}),
    ],
)
def test_the_adapter_is_on_the_named_layers_and_changes_nothing_yet(
    base: Path, target: str | list[str], layers: set[str]
) -> None:
    settings = TrainSettings(rank=3, alpha=6, target_modules=target, dropout=0.0)
    loaded = adapted(base, settings, moved=False)
    learned = {name: p for name, p in loaded.model.named_parameters() if p.requires_grad}
    assert {name.split(".")[-4] for name in learned} == layers
    assert all(3 in p.shape and p.dtype == torch.float32 for p in learned.values())
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids).logits, load_base(str(base)).model(ids).logits)


@pytest.mark.parametrize("make", [gpt2, mixtral, qwen3_moe], ids=lambda make: str(make.__name__))
def test_the_adapter_of_other_architectures_changes_nothing_yet_and_learns_everywhere(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """Its rank is that of the recipe in every layer, experts in one tensor have one of this rank each."""
    base = make(tmp_path / "base")
    loaded = adapted(base, TrainSettings(rank=3, dropout=0.0, target_modules="all-linear"), moved=False)
    ids = torch.arange(40, 60)[None]
    plain = load_base(str(base), dtype="float32").model
    assert torch.equal(loaded.model(ids).logits, plain(ids).logits)
    model: Any = adapted(base, TrainSettings(rank=3, dropout=0.0, target_modules="all-linear")).model
    model(ids).logits.square().sum().backward()
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and bool(p.grad.any()) and p.dtype == torch.float32 for p in learned.values())
    assert {min(p.shape) for name, p in learned.items() if "experts" not in name} == {3}
    assert {min(p.shape) for name, p in learned.items() if "experts" in name} <= {4 * 3, 8}
    check_mergeable(replace(loaded, source=str(base)))


def test_what_peft_cannot_adapt_is_said_in_its_own_words(tmp_path: Path) -> None:
    base = str(mixtral(tmp_path / "base"))
    with pytest.raises(ModelError, match=r"ParamWrapper does not work with lora_dropout != 0") as raised:
        adapt(load_base(base), TrainSettings(target_modules="mlp"), seed=0)
    assert "dropout = 0.0" in raised.value.remedy
    with pytest.raises(ModelError, match=r"experts of this base stand in one tensor each"):
        adapt(load_base(base), TrainSettings(quantise="int8", dropout=0.0), seed=0)
    adapt(load_base(base), TrainSettings(target_modules="attention", dropout=0.1), seed=0)


def test_missing_layers_are_an_error_that_lists_those_of_the_base(base: Path) -> None:
    with pytest.raises(ModelError, match="c_attn") as raised:
        adapt(load_base(str(base)), TrainSettings(target_modules=["c_attn"]), seed=0)
    assert "'gate_proj'" in raised.value.remedy
