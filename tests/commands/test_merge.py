"""Merging: the folder stands on its own, says what base and adapter say, and is refused when it doesn't."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from platypus.commands.merge import merge
from platypus.commands.train import train
from platypus.data.dataset import Instruction, Row
from platypus.errors import ModelError, RunError
from platypus.inference.opening import open_planner
from platypus.merging import lora
from platypus.merging.lora import merge_weights
from platypus.merging.parity import answer_logits, compare
from platypus.model.adapters import load_adapted
from platypus.model.bases import weight_files
from platypus.model.loading import load_base, load_merged
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from tests.support.tiny_models import (
    CATALOGUE,
    byte_bpe_tokenizer,
    examples,
    overfit_run,
    sentencepiece_tokenizer,
    tiny_llama,
    tiny_run,
)

# A program of a user who has transformers alone: greedy answers to chats that are read from standard input.
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


def quick_run(folder: Path, *, base: Path, rows: list[Row] | None = None, recipe: str = "") -> Run:
    """A run trained for three steps with a high rate: an adapter of some effect, in a second."""
    quick = "[prompt]\nnotation = 'calls'\n[train]\nepochs = 3\nbatch_size = 4\nlearning_rate = 2e-2\nrank = 4\n"
    run = tiny_run(folder, base=base, rows=rows or list(examples(4)), recipe=quick + recipe)
    train(run)
    return run


# ---------------------------------------------------------------- the folder on its own


def test_plain_transformers_says_the_same_plans_as_the_adapter(merged: Run) -> None:
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
    assert "generation flags" not in ran.stderr  # what transformers warns of when sampling options contradict greed


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


# ---------------------------------------------------------------- weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_weight_is_base_plus_scaled_product_in_the_asked_type(base: Path, tmp_path: Path, dtype: str) -> None:
    """Against PEFT's own merging, which holds the whole model in memory."""
    run = quick_run(tmp_path, base=base, recipe=f"alpha = 12\n[merge]\ndtype = '{dtype}'\n")
    merge(run)
    adapted: Any = load_adapted(run.folder("train") / "adapter", dtype="float32").model
    expected = adapted.merge_and_unload().state_dict()
    found = load_file(model_folder(run) / "model.safetensors")
    assert found.keys() == expected.keys()
    assert {weight.dtype for weight in found.values()} == {getattr(torch, dtype)}
    eps = torch.finfo(getattr(torch, dtype)).eps
    for name, weight in found.items():
        torch.testing.assert_close(weight.float(), expected[name], rtol=eps, atol=1e-6)
    before = load_file(base / "model.safetensors")
    assert {name for name in found if not torch.equal(found[name], before[name].to(found[name].dtype))} == {
        f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in (0, 1) for part in ("gate", "up", "down")
    }


def test_shards_hold_the_same_weights_as_one_file(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    adapter = run.folder("train") / "adapter"
    written = {}
    for size in ("5GB", "200KB"):
        (tmp_path / size).mkdir()
        written[size] = merge_weights(base, adapter, tmp_path / size, dtype="float32", max_shard_size=size)
    shards = weight_files(tmp_path / "200KB")
    assert (written["5GB"].shards, written["200KB"].shards) == (1, len(shards))
    assert len(shards) > 2
    assert max(shard.stat().st_size for shard in shards) < 220_000
    one = load_file(tmp_path / "5GB" / "model.safetensors")
    many = {name: weight for shard in shards for name, weight in load_file(shard).items()}
    torch.testing.assert_close(many, one, rtol=0, atol=0)
    index = json.loads((tmp_path / "200KB" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == one.keys()
    assert index["metadata"]["total_size"] == written["200KB"].size == sum(w.nbytes for w in one.values())
    shutil.copytree(base, tmp_path / "200KB", dirs_exist_ok=True, ignore=lambda _, names: ["model.safetensors"])
    opened = load_merged(tmp_path / "200KB", dtype="float32").model.state_dict()
    torch.testing.assert_close(dict(opened), one, rtol=0, atol=0)


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


def test_merging_needs_a_training(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train"):
        merge(tiny_run(tmp_path, base=base, rows=examples(1)))


@pytest.mark.parametrize("fault", ["no adapter", "one layer less", "wrong scale"])
def test_a_merge_that_says_something_else_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    run = quick_run(tmp_path, base=base)
    real = lora._read_deltas

    def faulty(adapter: Path) -> dict[str, Any]:
        deltas = real(adapter)
        if fault == "no adapter":
            return {}
        if fault == "one layer less":
            return dict(list(deltas.items())[1:])
        return {name: lora._Delta(delta.down, delta.up, 2 * delta.scale) for name, delta in deltas.items()}

    monkeypatch.setattr(lora, "_read_deltas", faulty)
    with pytest.raises(ModelError, match="does not say what base and adapter say"):
        merge(run)
    assert not run.is_done("merge")
    monkeypatch.undo()
    assert not merge(run).skipped


def test_weights_that_the_type_cannot_hold_are_refused(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = 1e6
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    run = quick_run(tmp_path, base=base, recipe="[merge]\ndtype = 'float16'\n")
    with pytest.raises(ModelError, match=r"model\.norm\.weight has values that float16 cannot hold"):
        merge(run)


def test_layers_that_the_base_stores_under_other_names_are_refused(base: Path, tmp_path: Path) -> None:
    run = quick_run(tmp_path, base=base)
    weights = load_file(base / "model.safetensors")
    renamed = {name.replace("gate_proj", "gate"): weight for name, weight in weights.items()}
    (tmp_path / "renamed").mkdir()
    save_file(renamed, tmp_path / "renamed" / "model.safetensors")
    adapter = run.folder("train") / "adapter"
    with pytest.raises(ModelError, match=r"2 of its layers .* model\.layers\.0\.mlp\.gate_proj\.weight"):
        merge_weights(tmp_path / "renamed", adapter, tmp_path, dtype="float32", max_shard_size="5GB")


# ---------------------------------------------------------------- comparing


def test_agreement_by_hand() -> None:
    adapted = torch.tensor([[3.0, -3.0], [1.0, -1.0]])
    bare = torch.tensor([[7.0, 1.0], [-1.0, 1.0]])  # the first row is but shifted, the second turned round
    agreement = compare(adapted * 1.5, adapted, bare)
    assert agreement.error == pytest.approx(0.5)
    assert agreement.effect == pytest.approx((8 / 20) ** 0.5)
    assert (agreement.same_token, compare(bare, adapted, bare).same_token) == (1.0, 0.5)


def test_answer_logits_are_those_before_each_answer_token(base: Path) -> None:
    loaded = load_base(str(base), dtype="float32")
    encoded = [Prompt(loaded.tokenizer, CATALOGUE).encode(row) for row in examples(2)]
    with torch.no_grad():
        rows = [loaded.model(torch.tensor([e.ids])).logits[0, e.prompt_length - 1 : -1] for e in encoded]
    torch.testing.assert_close(answer_logits(loaded, encoded), torch.cat(rows))
