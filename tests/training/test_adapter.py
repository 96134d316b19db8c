"""A new adapter: it is on the named layers, and changes no output yet."""

from pathlib import Path

import pytest
import torch

from platypus.errors import ModelError
from platypus.model.loading import load_base
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt
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


def test_missing_layers_are_an_error_that_lists_those_of_the_base(base: Path) -> None:
    with pytest.raises(ModelError, match="c_attn") as raised:
        adapt(load_base(str(base)), TrainSettings(target_modules=["c_attn"]), seed=0)
    assert "'gate_proj'" in raised.value.remedy
