"""A run with `prefix = "frozen"`, from training to plans; its adapter in plain PEFT; what such a run refuses."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from platypus.commands.evaluate import evaluate
from platypus.commands.export import export
from platypus.commands.merge import merge
from platypus.commands.train import train
from platypus.data.conversation import Message
from platypus.decoding import kv_cache
from platypus.decoding.kv_cache import CachedPrefix
from platypus.decoding.results import DecodingLimits
from platypus.errors import ModelError, PromptError, RunError
from platypus.inference.opening import card_of, open_base, open_planner
from platypus.merging.lora import merge_weights
from platypus.model.loading import Loaded
from platypus.run.folder import Run
from platypus.run.settings import DecodeSettings
from platypus.serving.opening import OpeningOptions, open_served
from tests.support.tiny_models import examples, tiny_llama, tiny_run

RECIPE = """
[prompt]
notation = "calls"
[train]
epochs = 40
learning_rate = 1e-2
batch_size = 8
rank = 16
alpha = 32
dropout = 0.05
target_modules = "all-linear"
prefix = "frozen"
[evaluate]
resamples = 10
max_new_tokens = 64
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("frozen")
    base = tiny_llama(folder / "base")
    trained = tiny_run(folder, base=base, rows=examples(8), valid=examples(2), test=examples(4), recipe=RECIPE)
    train(trained)
    return trained


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The lengths of the prefixes that are computed in a test."""
    lengths: list[int] = []
    real = CachedPrefix.compute

    def counted(loaded: Loaded, ids: Any) -> CachedPrefix:
        lengths.append(len(ids))
        return real(loaded, ids)

    monkeypatch.setattr(CachedPrefix, "compute", counted)
    kv_cache._LAST.clear()
    yield lengths
    kv_cache._LAST.clear()


def plain_peft(run: Run) -> PeftModel:
    base = AutoModelForCausalLM.from_pretrained(run.recipe.base, dtype=torch.float32)
    return PeftModel.from_pretrained(base, str(run.folder("train") / "adapter")).eval()


def test_its_plans_have_the_logits_of_plain_peft_on_whole_prompts(run: Run) -> None:
    """The decoder reads the tools from a kept prefix, and several requests with their plans side by side."""
    planner, peft = open_planner(run), plain_peft(run)
    assert peft.peft_config["default"].alora_invocation_tokens == list(card_of(run).invocation)
    limits = DecodingLimits(max_new_tokens=64)
    requests = [row.query for row in examples(4)]
    states = [planner.decoder.begin(planner.prompt.ids(request), limits) for request in requests]
    drafts = [planner.prompt.encode(row).ids[len(planner.prompt.ids(row.query)) :] for row in examples(4)]
    found = planner.decoder._logits(planner.decoder._cache, states, drafts)
    for row, logits in zip(examples(4), found, strict=True):
        encoded = planner.prompt.encode(row)
        with torch.no_grad():
            expected = peft(input_ids=torch.tensor([encoded.ids])).logits[0, encoded.prompt_length - 1 :]
        torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-5, atol=1e-4)
        with torch.no_grad(), peft.disable_adapter():
            bare = peft(input_ids=torch.tensor([encoded.ids])).logits[0, encoded.prompt_length - 1 :]
        assert float((bare - expected).abs().max()) > 1


@pytest.mark.parametrize("decoding", ["grammar", "free"])
def test_it_answers_what_it_has_learned(run: Run, decoding: Any) -> None:
    planner = replace(open_planner(run), settings=DecodeSettings(decoding=decoding))
    answers = planner.plan([row.query for row in examples(8)], batch_size=3, max_new_tokens=64)
    assert [answer.plan for answer in answers] == [row.plan for row in examples(8)]


def test_its_kept_prefix_is_the_bases_own(run: Run, computed: list[int], tmp_path: Path) -> None:
    bare, tuned = open_base(run), open_planner(run)
    assert bare.prompt.opening == tuned.prompt.opening == tuned.decoder.prefix.ids
    for one, other in zip(bare.decoder.prefix.layers, tuned.decoder.prefix.layers, strict=True):
        torch.testing.assert_close(one, other)
    assert computed == [len(tuned.prompt.opening)]
    kv_cache._LAST.clear()
    for planner in (replace(bare, folder=tmp_path), replace(tuned, folder=tmp_path)):  # also from the disk
        assert planner.decoder.prefix.ids == tuned.prompt.opening
        kv_cache._LAST.clear()
    assert len(computed) == len(list(tmp_path.iterdir())) + 1 == 2


def test_evaluation_before_and_after_computes_it_once(run: Run, computed: list[int]) -> None:
    report = evaluate(run, force=True).results
    assert len(computed) == 1
    assert report["variants"]["after"]["measures"]["exact"]["value"] == 1.0


def test_adapters_on_one_base_share_it(run: Run, computed: list[int]) -> None:
    adapter = run.folder("train") / "adapter"
    for served in open_served([f"one={adapter}", f"other={run.path}"], OpeningOptions(catalogue=run.catalogue)):
        served.activate()
        (answer,) = served.planner.plan([examples(2)[1].query], max_new_tokens=64)
        assert answer.plan == examples(2)[1].plan
    assert len(computed) == 1


def test_it_cannot_be_merged(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="acts only on what stands behind them") as refused:
        merge(run)
    assert "base and adapter" in str(refused.value) and 'prefix = "auto"' in str(refused.value)
    with pytest.raises(ModelError, match="no single model"):
        merge_weights(
            Path(run.recipe.base), run.folder("train") / "adapter", tmp_path, dtype="float32", max_shard_size="1GB"
        )
    with pytest.raises(RunError, match="platypus serve"):
        export(run)


def test_a_request_that_would_activate_it_elsewhere_is_refused(run: Run, tmp_path: Path) -> None:
    planner = open_planner(run)
    request = "Show 1\n\n### Input:\nunpaid bills"
    with pytest.raises(PromptError, match="'### Input:'"):
        list(planner.plan([request]))
    with pytest.raises(PromptError, match="has no tools"):
        planner.prompt.message_ids([Message("user", "Hello")])
    rows = [replace(examples(1)[0], query=request), *examples(2)]
    with pytest.raises(PromptError, match=r"(?s)1 of 3 rows.*tiny:1: it contains '### Input:'"):
        train(tiny_run(tmp_path / "a", base=run.recipe.base, rows=rows, recipe=RECIPE))


def test_a_base_that_cannot_is_refused(tmp_path: Path) -> None:
    from tests.support.tiny_bases import gpt2

    with pytest.raises(ModelError, match="gpt2 models are not verified"):
        train(tiny_run(tmp_path, base=gpt2(tmp_path / "base"), rows=examples(2), recipe=RECIPE))
    recipe = RECIPE.replace('"all-linear"', '["embed_tokens", "q_proj"]')
    with pytest.raises(ModelError, match=r"no activated LoRA for .*embed_tokens"):
        train(tiny_run(tmp_path / "a", base=tiny_llama(tmp_path / "llama"), rows=examples(2), recipe=recipe))


def test_the_card_says_from_which_tokens_it_acts(run: Run) -> None:
    planner = open_planner(run)
    text = planner.loaded.tokenizer.decode(card_of(run).invocation)
    assert text == "\n\n### Input:"
    record = json.loads((run.folder("train") / "stage.json").read_text())["results"]
    assert record["attention"] == "shared_prefix"
