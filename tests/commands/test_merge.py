"""The merge command: its folder works without Platypus, and a wrong merge is refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from platypus.commands import merge as merge_command
from platypus.commands.merge import merge
from platypus.data.dataset import Instruction, Row
from platypus.errors import ModelError, RunError
from platypus.inference.opening import open_planner
from platypus.model.adapters import load_adapted
from platypus.model.loading import load_merged
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from tests.support.merges import faulty_merges
from tests.support.tiny_models import (
    CATALOGUE,
    byte_bpe_tokenizer,
    examples,
    overfit_run,
    sentencepiece_tokenizer,
    tiny_llama,
    tiny_run,
)
from tests.support.trainings import quick_run

# A user's program that needs only transformers: greedy answers to requests from standard input.
PLAIN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
for request in json.load(sys.stdin):
    chat = [{"role": "user", "content": request}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    said = model.generate(ids, max_new_tokens=40)[0, ids.shape[1] :]
    print(json.dumps([str(model.dtype), tokenizer.decode(said, skip_special_tokens=True)]))
assert not [name for name in sys.modules if name.startswith(("platypus", "peft"))]
"""


@pytest.fixture(scope="module")
def merged() -> Run:
    run = overfit_run()
    merge(run)
    return run


def model_folder(run: Run) -> Path:
    return run.folder("merge") / "model"


# ---------------------------------------------------------------- the folder on its own


def test_plain_transformers_gives_the_same_plans_as_the_adapter(merged: Run) -> None:
    rows = examples(8)
    ran = subprocess.run(
        [sys.executable, "-c", PLAIN, str(model_folder(merged).resolve())],
        input=json.dumps([row.query for row in rows]),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    adapted = load_adapted(merged.folder("train") / "adapter")
    prompt = Prompt(adapted.tokenizer, CATALOGUE, notation="calls")
    assert [dtype for dtype, _ in said] == ["torch.bfloat16"] * 8
    assert [text for _, text in said] == [prompt.answer(row) for row in rows]
    planner = open_planner(merged)
    assert planner.loaded.source == str(model_folder(merged))
    assert [answer.text for answer in planner.plan([row.query for row in rows])] == [text for _, text in said]
    assert "generation flags" not in ran.stderr  # transformers warns if sampling options contradict greedy decoding


def test_config_generation_and_tokenizer_agree(merged: Run) -> None:
    folder = model_folder(merged)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config, generation = (json.loads((folder / f"{name}.json").read_text()) for name in ("config", "generation_config"))
    assert config["dtype"] == "bfloat16"
    assert generation["do_sample"] is False
    for source in (config, generation):
        assert source["eos_token_id"] == tokenizer.eos_token_id == 1
        assert source["pad_token_id"] == tokenizer.pad_token_id == 2
        assert source["bos_token_id"] == tokenizer.bos_token_id == 0


def test_the_results_say_what_was_verified(merged: Run) -> None:
    results = merged.record("merge")["results"]
    assert results["verified_prompts"] == 8
    assert results["merged_layers"] == 14
    assert results["error"] < results["tolerance"] < results["adapter_effect"]
    assert results["same_token"] == 1.0
    assert merge(merged).skipped


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize("kind", ["sentencepiece", "without bos"])
def test_models_on_other_tokenizers_and_alpaca_rows_merge_too(tmp_path: Path, kind: str) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path / "t") if kind == "sentencepiece" else byte_bpe_tokenizer(bos=False)
    base = tiny_llama(tmp_path / "base", tokenizer=tokenizer)
    rows: list[Row] = [Instruction("Say hello", "", "hello", {}), Instruction("Repeat", "abc", "abc", {})]
    run = quick_run(tmp_path, base=base, rows=rows)
    assert merge(run).results["verified_prompts"] == 2
    opened = load_merged(model_folder(run))
    chat = [{"role": "user", "content": "Say hello"}]
    ids = opened.tokenizer.apply_chat_template(chat, return_dict=False)
    assert ids == Prompt(opened.tokenizer, None).ids("Say hello")
    assert opened.tokenizer.pad_token_id not in opened.end_tokens
    for name in ("config", "generation_config"):
        stored = json.loads((model_folder(run) / f"{name}.json").read_text())
        assert stored["pad_token_id"] == opened.tokenizer.pad_token_id


# ---------------------------------------------------------------- what is refused


def test_an_adapter_for_another_base_is_refused_and_nothing_is_lost(base: Path, tmp_path: Path) -> None:
    own = shutil.copytree(base, tmp_path / "own")
    run = quick_run(tmp_path, base=own)
    merge(run)
    weights = load_file(own / "model.safetensors")
    weights["model.embed_tokens.weight"] *= 1.01
    save_file(weights, own / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="trained on another base"):
        merge(run)
    assert run.is_done("merge")
    with pytest.raises(ModelError, match="trained on another base"):
        load_adapted(run.folder("train") / "adapter")


def test_an_adapter_for_another_catalogue_is_refused(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    other = Run(run.path, run.recipe, CATALOGUE.subset(["list"]))
    with pytest.raises(ModelError, match="trained for catalogue"):
        merge(other)


def test_a_base_that_does_not_fit_into_the_memory_is_merged_and_compared(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = quick_run(tmp_path, base=base)
    monkeypatch.setattr(merge_command, "fits", lambda _: False)
    for name in ("load_adapted", "load_merged"):
        monkeypatch.setattr(merge_command, name, None)
    results = merge(run).results
    assert results["verified_prompts"] == 2
    assert results["error"] < results["tolerance"] < results["adapter_effect"]
    assert "does not fit into the memory" in capsys.readouterr().err
    with faulty_merges(scale=2), pytest.raises(ModelError, match="does not give the logits of base and adapter"):
        merge(run, force=True)


def test_merging_needs_a_training(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train"):
        merge(tiny_run(tmp_path, base=base, rows=examples(1)))


def test_a_merge_with_other_logits_is_refused(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    faults: list[dict[str, Any]] = [{"left_out": None}, {"left_out": 1}, {"scale": 2}]
    for fault in faults:
        with faulty_merges(**fault), pytest.raises(ModelError, match="does not give the logits of base and adapter"):
            merge(run)
        assert not run.is_done("merge"), fault
    assert not merge(run).skipped
