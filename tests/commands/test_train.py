"""The train command: what it leaves, what it refuses, what stops it, and the forecast of a dry run."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from platypus.commands.train import dataset_of, train
from platypus.data.dataset import Instruction
from platypus.errors import DatasetError, ModelError, PromptError, RecipeError, RunError, TrainingError
from platypus.inference.opening import open_planner
from platypus.model import adapters
from platypus.model.adapters import read_card
from platypus.model.loading import load_base
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.training.shared_prefix.loss import accumulate, answer_length
from tests.support.command import here
from tests.support.tiny_models import (
    CATALOGUE,
    byte_bpe_tokenizer,
    examples,
    overfit_run,
    tiny_llama,
    tiny_run,
)
from tests.training.test_forecast import with_memory


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


# ---------------------------------------------------------------- the stage


def test_training_on_inputs_learns_all_but_the_first_token(base: Path, tmp_path: Path) -> None:
    loaded = load_base(str(base))
    counts = []
    for table in ("", "train_on_inputs = true"):
        run = tiny_run(tmp_path / table[:5], base=base, rows=examples(3), recipe=f"[train]\n{table}")
        counts.append([answer_length(example) for example in dataset_of(run, examples(3), loaded).examples])
    prompt = Prompt(loaded.tokenizer, CATALOGUE)
    whole = [prompt.encode(row) for row in examples(3)]
    assert counts[0] == [len(example.ids) - example.prompt_length for example in whole]
    assert counts[1] == [len(example.ids) - 1 for example in whole]


def test_eight_examples_are_learned_by_heart() -> None:
    run = overfit_run()
    rows = examples(8)
    answers = list(open_planner(run).plan([row.query for row in rows], max_new_tokens=40))
    assert [answer.plan for answer in answers] == [row.plan for row in rows]


def test_the_stage_leaves_adapter_metrics_and_results() -> None:
    run = overfit_run()
    folder, results = run.folder("train"), run.record("train")["results"]
    assert {path.name for path in folder.iterdir()} == {"adapter", "metrics.jsonl", "tensorboard", "stage.json"}
    assert list((folder / "tensorboard").glob("events.*"))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines if "loss" in line] == results["train_losses"]  # one step an epoch
    assert [line["valid_loss"] for line in lines if "valid_loss" in line] == results["valid_losses"]
    assert results["first_loss"] > 2 > 0.1 > results["train_losses"][-1]
    assert results["valid_losses"][-1] < 0.1
    prompt = Prompt(byte_bpe_tokenizer(), CATALOGUE, notation="calls")
    encoded = [prompt.encode(row) for row in examples(8)]
    assert (results["steps"], results["epochs"], results["examples"]) == (60, 60, 8)
    assert results["tokens"] == 60 * sum(len(example.ids) for example in encoded)
    assert results["answer_tokens"] == 60 * sum(map(answer_length, encoded))
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert results["trainable_parameters"] == sum(weight.numel() for weight in adapter.values())
    card = read_card(folder / "adapter")
    assert card.base_fingerprint == load_base(run.recipe.base).fingerprint
    assert (card.catalogue, card.notation, card.cutoff) == (CATALOGUE.fingerprint, "calls", 4096)


def test_a_finished_training_is_skipped_and_the_same_again_when_forced(base: Path, tmp_path: Path) -> None:
    recipe = "[train]\nepochs = 2\nbatch_size = 2\nrank = 2\ndropout = 0.3\n"
    run = tiny_run(tmp_path, base=base, rows=examples(3), recipe=recipe)
    first = train(run)
    weights = load_file(first.folder / "adapter" / "adapter_model.safetensors")
    assert train(run).skipped
    again = train(run, force=True)
    assert not again.skipped
    torch.testing.assert_close(load_file(again.folder / "adapter" / "adapter_model.safetensors"), weights)
    assert first.results["train_losses"] == again.results["train_losses"]
    assert first.results["valid_losses"] == []


def test_alpaca_rows_are_learned_without_a_catalogue(base: Path, tmp_path: Path) -> None:
    rows = [Instruction("Say hello", "", "hello", {}), Instruction("Repeat", "abc", "abc", {})]
    recipe = (
        "[train]\nepochs = 30\nbatch_size = 2\nlearning_rate = 1e-2\ntarget_modules = 'all-linear'\ndropout = 0.0\n"
    )
    run = tiny_run(tmp_path, base=base, rows=rows, recipe=recipe)
    train(run)
    said = open_planner(run).respond(rows, max_new_tokens=10)
    assert [completion.text for completion in said] == ["hello", "abc"]
    assert read_card(run.folder("train") / "adapter").catalogue is None


# ---------------------------------------------------------------- what stops it


def spoil(run: Run, monkeypatch: pytest.MonkeyPatch, *, step: int) -> None:
    """Make the loss of this step NaN."""
    real, count = accumulate, 0

    def spoilt(*arguments: object, **options: object) -> torch.Tensor:
        nonlocal count
        count += 1
        return real(*arguments, **options) * (math.nan if count == step else 1)  # type: ignore[arg-type]

    monkeypatch.setattr("platypus.training.loop.accumulate", spoilt)


def test_a_loss_of_nan_stops_the_training_and_the_last_checkpoint_stays(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "[train]\nepochs = 5\nbatch_size = 2\nrank = 2\ncheckpoint_minutes = 0\n"
    run = tiny_run(tmp_path, base=base, rows=examples(4), recipe=recipe)
    spoil(run, monkeypatch, step=6)
    with pytest.raises(TrainingError, match="the loss of step 6 is nan") as raised:
        train(run)
    assert not run.is_done("train")
    kept = sorted(run.path.glob(".train.*/checkpoints/*"))
    assert [path.name for path in kept] == ["step-000004", "step-000005"]
    assert str(kept[-1]) in raised.value.remedy
    spoil(run, monkeypatch, step=0)
    assert train(run).results["steps"] == 10
    adapters.check_adapter(run.folder("train") / "adapter")
    assert not list(run.path.glob(".train.*"))


def test_an_adapter_that_was_saved_empty_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a process without a shard saves a sharded model."""
    run = tiny_run(tmp_path, base=base, rows=examples(2))
    monkeypatch.setattr("peft.get_peft_model_state_dict", lambda *_, **__: {"x.lora_A": torch.empty(0)})
    with pytest.raises(ModelError, match="empty or not finite"):
        train(run)
    assert not run.is_done("train")


def test_settings_and_rows_that_cannot_be_trained_are_refused_before_the_first_step(base: Path, tmp_path: Path) -> None:
    def refused(name: str, recipe: str, *, where: Path | str = base) -> Run:
        return tiny_run(tmp_path / name, base=where, rows=examples(4), recipe=recipe)

    with pytest.raises(RecipeError, match="a warm-up of 100 steps, but the whole run has only 1"):
        train(refused("warmup", "[train]\nwarmup_steps = 100\n"))
    with pytest.raises(PromptError, match="4 of 4 rows are longer than the cutoff of 100 tokens"):
        train(refused("cutoff", "[prompt]\ncutoff = 100\n"))
    short = tiny_llama(tmp_path / "short", context=64)
    with pytest.raises(PromptError, match="but the context of the base is 64") as raised:
        train(refused("context", "", where=short))
    assert "tiny:" in raised.value.what
    with pytest.raises(ModelError, match="there is no such folder"):
        train(refused("base", "", where="no/such/base"))


def test_invalid_and_missing_rows_are_refused(base: Path, tmp_path: Path) -> None:
    run = tiny_run(tmp_path, base=base, rows=examples(2))
    with (run.folder("refine") / "train.jsonl").open("a") as file:
        file.write('{"query": "x", "plan": [{"tool_name": "nope", "arguments": []}]}\n')
    with pytest.raises(DatasetError, match=r"1 rows are not valid.*train\.jsonl:3"):
        train(run)
    bare = Run.open(tmp_path / "bare", recipe=tmp_path / "recipe.toml")
    with pytest.raises(RunError, match="refine"):
        train(bare)


# ---------------------------------------------------------------- a dry run


def test_a_dry_run_prints_the_forecast_and_changes_nothing(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run(tmp_path, base=base, rows=examples(8), recipe="[train]\nbatch_size = 4\nepochs = 3")
    before = sorted(run.path.rglob("*"))
    told = here(capsys, "train", run.path, "--dry-run", "--json")
    found: dict[str, Any] = json.loads(told.out)
    assert told.code == 0 and (found["steps"], found["cut"]) == (6, {"micro_batch_size": 4, "checkpointing": False})
    assert found["memory"]["total"] > found["memory"]["activations"] > 0 and found["seconds"] > 0
    assert found["tokens"] > found["computed_tokens"] > 0
    shown = here(capsys, "train", run.path, "--dry-run")
    assert shown.code == 0
    for name in ("optimizer steps", "tokens", "activations", "flash attention", "a whole step", "free", "time"):
        assert name in shown.out
    assert sorted(run.path.rglob("*")) == before


def test_a_dry_run_of_what_cannot_fit_is_one_message(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tmp_path, base=base, rows=examples(8))
    with_memory(monkeypatch, 1000)
    refused = here(capsys, "train", run.path, "--dry-run")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("platypus: train: the largest step needs at least 1")
    assert "a smaller base" in refused.err and "Traceback" not in refused.err
