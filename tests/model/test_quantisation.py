"""A quantised base computes what its dequantised weights would, in training too, and adapters open on it again."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt
from torch.nn.functional import cross_entropy

from platypus.errors import ModelError
from platypus.model.adapters import AdapterCard, load_adapted, read_card, save_adapter
from platypus.model.loading import Loaded, load_base
from platypus.run.settings import Quantisation, TrainSettings
from platypus.training.adapter import adapt
from tests.support.tiny_models import CATALOGUE, tiny_llama

KINDS: list[Quantisation] = ["nf4", "int8"]
SETTINGS = TrainSettings(rank=4, dropout=0.0, target_modules="all-linear")
IDS = torch.arange(5, 45).view(2, 20)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def adapted(base: Path, *, quantise: Quantisation) -> Loaded:
    """The base on the CPU with an adapter that changes something."""
    loaded = adapt(load_base(str(base), dtype="float32", device="cpu", quantise=quantise), SETTINGS, seed=0)
    draw = torch.Generator().manual_seed(2)
    for name, parameter in loaded.model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=draw) / 10
    return loaded


def dequantised(layer: Any) -> torch.Tensor:
    if isinstance(layer, Linear4bit):
        return dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    return layer.weight.data.float() * layer.state.SCB[:, None] / 127


def learn(loaded: Loaded) -> dict[str, torch.Tensor]:
    """One forward and backward pass in training: the logits, and the gradient of each adapter weight."""
    model: Any = loaded.model.train()
    logits = model(input_ids=IDS, use_cache=False).logits
    cross_entropy(logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {"logits": logits.detach(), **gradients}


# ---------------------------------------------------------------- the base


@pytest.mark.parametrize(("kind", "layer_type"), [("nf4", Linear4bit), ("int8", Linear8bitLt)])
def test_all_linear_layers_but_the_output_are_smaller(base: Path, kind: Quantisation, layer_type: type) -> None:
    model = load_base(str(base), device="cpu", quantise=kind).model
    linear = {name: type(layer) for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
    assert linear.pop("lm_head") is torch.nn.Linear
    assert set(linear.values()) == {layer_type}
    sizes = {name: layer.weight.nbytes for name, layer in model.named_modules() if isinstance(layer, layer_type)}
    bits = {name: 8 * size // (64 * 128) for name, size in sizes.items() if "mlp" in name}
    assert set(bits.values()) == {4 if kind == "nf4" else 8}


def test_nf4_has_the_format_of_qlora_and_can_be_sharded(base: Path) -> None:
    for dtype in ("float32", "bfloat16"):
        model = load_base(str(base), dtype=dtype, device="cpu", quantise="nf4").model
        for layer in (layer for layer in model.modules() if isinstance(layer, Linear4bit)):
            assert layer.weight.dtype == layer.compute_dtype == model.dtype == getattr(torch, dtype)
            state = layer.weight.quant_state
            assert (state.quant_type, state.blocksize, state.nested) == ("nf4", 64, True)


@pytest.mark.parametrize("kind", KINDS)
def test_training_equals_that_of_the_dequantised_weights_after_an_evaluation_too(
    base: Path, kind: Quantisation
) -> None:
    """bitsandbytes repacks 4-bit weights in an evaluation on some CPUs, after which all gradients would be zero."""
    smaller, plain = adapted(base, quantise=kind), adapted(base, quantise="none")
    with torch.no_grad():
        smaller.model.eval()(input_ids=IDS)
        for name, layer in smaller.model.named_modules():
            if isinstance(layer, Linear4bit | Linear8bitLt):
                plain.model.get_submodule(name).weight.copy_(dequantised(layer))
    expected, found = learn(plain), learn(smaller)
    assert len(found) == 1 + 2 * 14
    assert min(float(value.norm()) for value in expected.values()) > 0
    for name, value in expected.items():
        assert (found[name] - value).norm() <= 1e-5 * value.norm(), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_on_a_gpu(base: Path, kind: Quantisation) -> None:
    loaded = adapt(load_base(str(base), device="cuda", quantise=kind), SETTINGS, seed=0)
    model: Any = loaded.model.train()
    logits = model(input_ids=IDS.cuda(), use_cache=False).logits
    cross_entropy(logits[:, :-1].flatten(0, 1).float(), IDS[:, 1:].flatten().cuda()).backward()
    learned = [p.grad for name, p in model.named_parameters() if "lora_B" in name]
    assert learned and all(gradient.isfinite().all() and gradient.any() for gradient in learned)


@pytest.mark.parametrize("kind", KINDS)
def test_without_bitsandbytes_the_error_says_what_to_install(
    base: Path, monkeypatch: pytest.MonkeyPatch, kind: Quantisation
) -> None:
    monkeypatch.setattr("platypus.model.quantisation.is_bitsandbytes_available", lambda: False)
    assert load_base(str(base)).context == 1024
    with pytest.raises(ModelError, match=f'quantise = "{kind}" needs the package bitsandbytes') as raised:
        load_base(str(base), quantise=kind)
    assert raised.value.where == str(base)
    assert "platypus-llm[quantise]" in raised.value.remedy


@pytest.mark.slow
def test_loading_models_prints_nothing(base: Path) -> None:
    """bitsandbytes would warn of kernels when it is imported, and of a cast at each product of 8-bit matrices."""
    program = (
        "import sys; from platypus.model.loading import load_base; import torch\n"
        "load_base(sys.argv[1], device='cpu', quantise='int8').model(torch.tensor([[5, 6]]))"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(base)], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


# ---------------------------------------------------------------- the adapter


def save(folder: Path, base: Path, kind: Quantisation) -> Path:
    """The adapter of a base in `kind`, with its card."""
    loaded = adapted(base, quantise=kind)
    card = AdapterCard(str(base), loaded.fingerprint, CATALOGUE.fingerprint, "calls", 1024, quantisation=kind)
    save_adapter(loaded, folder, card=card)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_opens_on_its_base_as_it_was_trained(base: Path, tmp_path: Path, kind: Quantisation) -> None:
    adapter = save(tmp_path / "adapter", base, kind)
    assert read_card(adapter).quantisation == kind
    assert read_card(adapter).base_fingerprint == load_base(str(base)).fingerprint
    with torch.no_grad():
        trained, again, full, plain = (
            loaded.model.eval()(input_ids=IDS).logits
            for loaded in (
                adapted(base, quantise=kind),
                load_adapted(adapter, device="cpu"),
                load_adapted(adapter, device="cpu", quantise="none"),
                adapted(base, quantise="none"),
            )
        )
    assert torch.equal(again, trained)
    assert torch.equal(full, plain)
    assert not torch.allclose(again, full, atol=1e-2)
