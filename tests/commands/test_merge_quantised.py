"""Merging an adapter that was trained on a quantised base: into the full base, compared with the trained model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from platypus.commands.merge import merge
from platypus.errors import ModelError
from platypus.merging.parity import answer_logits
from platypus.model.adapters import load_adapted
from platypus.model.loading import load_merged
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.settings import Quantisation
from tests.model.test_quantisation import KINDS, save
from tests.support.merges import faulty_merges
from tests.support.tiny_models import CATALOGUE, examples, tiny_llama, tiny_run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def trained_run(folder: Path, base: Path, kind: Quantisation) -> Run:
    """A run whose adapter was trained on the base quantised to `kind`."""
    run = tiny_run(folder, base=base, rows=examples(4), recipe="[merge]\ndtype = 'float32'\n")
    run.perform(
        "train", inputs={}, settings={}, work=lambda partial: {"at": str(save(partial / "adapter", base, kind))}
    )
    return run


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_merged_into_the_full_base_and_compared_with_the_trained_model(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Quantisation
) -> None:
    run = trained_run(tmp_path, base, kind)
    results = merge(run).results
    assert f"quantised to {kind}, but is merged into it in full precision" in " ".join(capsys.readouterr().err.split())
    folder, adapter = run.folder("merge") / "model", run.folder("train") / "adapter"
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    full = load_adapted(adapter, dtype="float32", device="cpu", quantise="none").model
    assert isinstance(full, PeftModel)
    expected: Any = full.merge_and_unload()  # type: ignore[operator]
    torch.testing.assert_close(load_file(folder / "model.safetensors"), expected.state_dict(), rtol=0, atol=1e-6)
    assert results["error"] < results["tolerance"]
    merged = load_merged(folder, device="cpu")
    encoded = Prompt(merged.tokenizer, CATALOGUE, "calls", 1024).encode_all(examples(4))
    log_p, log_q = (
        answer_logits(loaded, encoded).double().log_softmax(-1)
        for loaded in (load_adapted(adapter, device="cpu"), merged)
    )
    kl = (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    assert results["quantised_kl"] == pytest.approx(float(kl), rel=1e-3)
    assert results["quantised_kl"] > 1e-4
    assert results["quantised_same_token"] == float((log_p.argmax(-1) == log_q.argmax(-1)).float().mean())


def test_a_merge_of_an_unquantised_training_reports_and_warns_nothing(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = merge(trained_run(tmp_path, base, "none")).results
    assert not [name for name in results if "quantised" in name]
    assert "quantised" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_merge_is_refused_however_coarse_the_training_was(
    base: Path, tmp_path: Path, kind: Quantisation
) -> None:
    run = trained_run(tmp_path, base, kind)
    faults: list[dict[str, Any]] = [{"left_out": 1}, {"scale": 1.05}]
    for fault in faults:
        with faulty_merges(**fault), pytest.raises(ModelError, match="does not give the logits of base and adapter"):
            merge(run)
        assert not run.is_done("merge"), fault
