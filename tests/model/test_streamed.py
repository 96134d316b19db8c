"""Logits of a model whose layers are read as they compute are those of the whole model."""

from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from platypus.errors import ModelError
from platypus.model import streamed
from platypus.model.adapters import AdapterCard, load_adapted, save_adapter
from platypus.model.loading import load_base
from platypus.model.streamed import fits, load_streamed
from platypus.prompt.prompt import Prompt
from tests.support.tiny_bases import gpt2, llama, mixtral, qwen2
from tests.support.tiny_models import adapted

IDS = torch.tensor([[(37 * number) % 400 + 3 for number in range(30)]])


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS, use_cache=False, logits_to_keep=5).logits
    return found


@pytest.mark.parametrize("make", [llama, qwen2, gpt2])
def test_with_and_without_an_adapter(tmp_path: Path, make: Any) -> None:
    base = str(make(tmp_path / "base"))
    bare = logits(load_base(base, dtype="float32", device="cpu").model)
    torch.testing.assert_close(logits(load_streamed(base).model), bare, rtol=1e-5, atol=1e-5)
    trained = adapted(tmp_path / "base")
    save_adapter(trained, tmp_path / "adapter", card=AdapterCard.of(trained, Prompt(trained.tokenizer, None)))
    whole = load_adapted(tmp_path / "adapter", dtype="float32", device="cpu")
    lean: Any = load_streamed(base, adapter=tmp_path / "adapter")
    torch.testing.assert_close(logits(lean.model), logits(whole.model), rtol=1e-5, atol=1e-5)
    assert (lean.fingerprint, lean.end_tokens) == (whole.fingerprint, whole.end_tokens)
    held = [parameter for parameter in lean.model.parameters() if parameter.device.type != "meta"]
    assert not held, "weights are released after each pass"


def test_experts_that_stand_in_several_tensors_are_refused(tmp_path: Path) -> None:
    base = mixtral(tmp_path / "base")
    with pytest.raises(ModelError, match=r"does not fit into the memory, and .*experts.* cannot be read in parts"):
        load_streamed(str(base))


def test_a_model_fits_if_its_weights_do_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = llama(tmp_path / "base")
    values = sum(parameter.numel() for parameter in load_base(str(base)).model.parameters())
    monkeypatch.setattr(streamed, "best_device", lambda: "cpu")
    for free, expected in ((5 * values, True), (4.9 * values, False)):
        memory: Any = type("Memory", (), {"available": free})
        monkeypatch.setattr(psutil, "virtual_memory", lambda memory=memory: memory)
        assert fits(str(base)) == expected
