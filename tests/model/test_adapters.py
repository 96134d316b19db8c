"""Adapters on disk: they load on the base of their training only, and damaged ones are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from platypus.errors import ModelError
from platypus.model.adapters import AdapterCard, check_adapter, load_adapted, read_card, save_adapter
from platypus.model.loading import Loaded, load_base
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt
from tests.support.tiny_models import tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return load_base(str(base))


@pytest.fixture
def adapter(loaded: Loaded, base: Path, tmp_path: Path) -> Path:
    """An adapter that changes something, with dropout."""
    adapted = adapt(load_base(str(base)), TrainSettings(dropout=0.5, rank=4), seed=1)
    for name, parameter in adapted.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    save_adapter(adapted, tmp_path / "adapter", card=AdapterCard(str(base), loaded.fingerprint, "c" * 16, "calls", 99))
    return tmp_path / "adapter"


def test_an_adapter_loads_on_its_base_wherever_that_is(adapter: Path, loaded: Loaded, tmp_path: Path) -> None:
    moved = tiny_llama(tmp_path / "moved", context=128)
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        here, there = (load_adapted(adapter, base=base).model(ids).logits for base in (None, str(moved)))
        bare = loaded.model(ids).logits
    assert torch.equal(here, there)  # dropout would make them differ
    assert (here - bare).abs().max() > 0.1
    assert read_card(adapter) == AdapterCard(loaded.source, loaded.fingerprint, "c" * 16, "calls", 99)


def test_adapter_weights_stay_float32_on_a_bfloat16_base(adapter: Path) -> None:
    dtypes = {"lora_" in name: p.dtype for name, p in load_adapted(adapter, dtype="bfloat16").model.named_parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}


def test_an_adapter_for_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = tiny_llama(tmp_path / "other", context=128, seed=1)
    with pytest.raises(ModelError, match="trained on another base") as raised:
        load_adapted(adapter, base=str(other))
    assert str(other) in raised.value.what
    assert raised.value.where == str(adapter)


def test_an_adapter_without_its_card_is_refused(adapter: Path) -> None:
    (adapter / "platypus.json").unlink()
    with pytest.raises(ModelError, match=r"no platypus\.json"):
        load_adapted(adapter)


def test_a_saved_adapter_with_empty_infinite_or_no_weights_is_refused(adapter: Path) -> None:
    check_adapter(adapter)
    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    name = next(iter(weights))
    for spoilt in ({**weights, name: torch.empty(0)}, {**weights, name: weights[name] * float("nan")}):
        save_file(spoilt, file)
        with pytest.raises(ModelError, match=f"1 of the {len(weights)} saved weights are empty or not finite: {name}"):
            check_adapter(adapter)
    save_file({}, file)
    with pytest.raises(ModelError, match="saved weights"):
        check_adapter(adapter)


def test_loading_a_folder_never_asks_the_network(base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a local model asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert load_base(str(base)).fingerprint == load_adapted(adapter).fingerprint
    assert replace(load_base(str(base)), source="").context == 128


def test_a_card_without_quantisation_means_none(adapter: Path) -> None:
    card = json.loads((adapter / "platypus.json").read_text())
    del card["quantisation"]
    (adapter / "platypus.json").write_text(json.dumps(card))
    assert read_card(adapter).quantisation == "none"
