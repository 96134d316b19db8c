"""Training: the loss is what it says, cutting a batch changes nothing, no row is missed, and it stops when it must."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from platypus import model
from platypus.errors import DatasetError, ModelError, PromptError, RecipeError, RunError, TrainingError
from platypus.example import Instruction
from platypus.loss import accumulate, answer_length, mean_loss
from platypus.model import AdapterCard, load_base, read_card
from platypus.planner import open_planner
from platypus.prompt import Prompt
from platypus.recipe import TrainTable
from platypus.run import Run
from platypus.stages import train as stage
from platypus.stages.train import adapt, batches, compute_step, encode, fit, train, warmup_steps
from tests.tiny import (
    CATALOGUE,
    EXACT,
    adapted,
    byte_bpe_tokenizer,
    examples,
    gradients,
    overfit_run,
    some_examples,
    tiny_llama,
    tiny_run,
)

CARD = AdapterCard(base="b", base_fingerprint="f", catalogue=None, notation="calls", cutoff=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


# ---------------------------------------------------------------- loss and gradients


def test_sixteen_micro_batches_of_one_train_as_one_of_sixteen(base: Path, tmp_path: Path) -> None:
    """Equal gradients of a step, and equal adapters after ten steps over two epochs with a smaller last batch."""
    rows = some_examples(72)
    runs = []
    for size in (1, 16):
        settings = EXACT.model_copy(update={"micro_batch_size": size, "epochs": 2, "warmup_steps": 2})
        loaded = adapted(base, settings)
        compute_step(loaded, rows[:16], settings=settings, accelerator=Accelerator())
        step = gradients(loaded)
        folder = tmp_path / str(size)
        folder.mkdir()
        learned = fit(loaded, rows, rows[:5], settings=settings, seed=3, folder=folder, card=CARD)
        runs.append((step, load_file(learned.adapter / "adapter_model.safetensors"), learned))
    torch.testing.assert_close(runs[0][0], runs[1][0], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(runs[0][1], runs[1][1], rtol=1e-3, atol=1e-4)
    assert [[step.tokens for step in epoch] for epoch in runs[0][2].epochs] == [
        [step.tokens for step in epoch] for epoch in runs[1][2].epochs
    ]
    assert runs[0][2].valid_losses == pytest.approx(runs[1][2].valid_losses, rel=1e-4)


def test_two_devices_get_the_gradients_of_one(base: Path, tmp_path: Path) -> None:
    """Two gloo processes, of which one has a row more; the batch's answer tokens are unevenly spread."""
    (tmp_path / "rank.py").write_text(
        "import sys, torch\nfrom pathlib import Path\nfrom accelerate import Accelerator\n"
        "from platypus.stages.train import compute_step\n"
        "from tests.tiny import EXACT, adapted, gradients, some_examples\n"
        "accelerator = Accelerator(cpu=True)\nassert accelerator.num_processes == 2\n"
        "loaded = adapted(Path(sys.argv[1]))\n"
        "step = compute_step(loaded, some_examples(5), settings=EXACT, accelerator=accelerator)\n"
        "torch.save((step.loss, step.norm, gradients(loaded)), f'{sys.argv[2]}/{accelerator.process_index}.pt')\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*launch, str(tmp_path / "rank.py"), str(base), str(tmp_path)],
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ".", "CUDA_VISIBLE_DEVICES": ""},
    )
    alone = adapted(base)
    step = compute_step(alone, some_examples(5), settings=EXACT, accelerator=Accelerator())
    for rank in (0, 1):
        loss, norm, found = torch.load(tmp_path / f"{rank}.pt")
        assert (loss, norm) == pytest.approx((step.loss, step.norm), rel=1e-5)
        torch.testing.assert_close(found, gradients(alone), rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped_to_the_norm_and_the_true_norm_is_reported(base: Path) -> None:
    loaded = adapted(base)
    rows = some_examples(4)
    free = compute_step(
        loaded, rows, settings=EXACT.model_copy(update={"max_grad_norm": 1e9}), accelerator=Accelerator()
    )
    full = gradients(loaded)
    tight = EXACT.model_copy(update={"max_grad_norm": free.norm / 4})
    assert compute_step(loaded, rows, settings=tight, accelerator=Accelerator()).norm == pytest.approx(free.norm)
    torch.testing.assert_close(gradients(loaded), {name: g / 4 for name, g in full.items()}, rtol=1e-3, atol=1e-7)


def test_a_step_has_dropout_even_after_a_validation(base: Path) -> None:
    settings = TrainTable(dropout=0.5, rank=4)
    loaded = adapted(base, settings)
    mean_loss(loaded, some_examples(2), micro_batch_size=2)
    steps = [compute_step(loaded, some_examples(2), settings=settings, accelerator=Accelerator()) for _ in range(3)]
    assert len({step.loss for step in steps}) == 3


def test_training_on_inputs_learns_all_but_the_first_token(base: Path, tmp_path: Path) -> None:
    loaded = load_base(str(base))
    counts = []
    for table in ("", "train_on_inputs = true"):
        run = tiny_run(tmp_path / table[:5], base=base, rows=examples(3), recipe=f"[train]\n{table}")
        counts.append([answer_length(example) for example in encode(run, examples(3), loaded)])
    prompt = Prompt(loaded.tokenizer, CATALOGUE)
    whole = [prompt.encode(row) for row in examples(3)]
    assert counts[0] == [len(example.ids) - example.prompt_length for example in whole]
    assert counts[1] == [len(example.ids) - 1 for example in whole]


# ---------------------------------------------------------------- the order of the rows


@given(
    count=st.integers(1, 300),
    batch_size=st.integers(1, 40),
    grouped=st.booleans(),
    seed=st.integers(0, 9),
    epoch=st.integers(1, 3),
)
def test_an_epoch_has_every_row_once_and_only_its_last_batch_may_be_smaller(
    count: int, batch_size: int, grouped: bool, seed: int, epoch: int
) -> None:
    settings = TrainTable(batch_size=batch_size, group_by_length=grouped)
    lengths = [number % 7 for number in range(count)]
    cut = batches(lengths, settings=settings, seed=seed, epoch=epoch)
    assert sorted(index for batch in cut for index in batch) == list(range(count))
    assert len(cut) == math.ceil(count / batch_size)
    assert Counter(map(len, cut))[batch_size] >= len(cut) - 1
    assert cut == batches(lengths, settings=settings, seed=seed, epoch=epoch)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [batches([1] * 50, settings=TrainTable(), seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert all(orders.count(order) == 1 for order in orders)


def test_group_by_length_puts_like_lengths_together_in_a_drawn_order() -> None:
    lengths = [number * 37 % 500 for number in range(500)]
    cut = batches(lengths, settings=TrainTable(group_by_length=True), seed=0, epoch=1)
    spreads = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in cut]
    assert sum(spreads) / len(spreads) < 40
    assert [lengths[batch[0]] for batch in cut] != sorted(lengths[batch[0]] for batch in cut)


# ---------------------------------------------------------------- warm-up and schedule


@pytest.mark.parametrize(
    ("table", "steps", "expected"),
    [
        (TrainTable(), 1, 0),
        (TrainTable(warmup_steps=100), 101, 100),
        (TrainTable(warmup_ratio=0.1), 63, 6),
        (TrainTable(warmup_ratio=0.9), 1, 0),
    ],
)
def test_warmup_is_steps_or_a_share_of_the_run(table: TrainTable, steps: int, expected: int) -> None:
    assert warmup_steps(table, steps=steps) == expected


@pytest.mark.parametrize("steps", [63, 100])
def test_a_warmup_as_long_as_the_run_is_refused_with_the_remedy(steps: int) -> None:
    with pytest.raises(RecipeError) as raised:
        warmup_steps(TrainTable(warmup_steps=100), steps=steps)
    assert "100 steps" in raised.value.what
    assert str(steps) in raised.value.what
    assert f"warmup_steps = {steps // 10}" in raised.value.remedy


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0, 5e-3, 1e-2, 1e-2, 1e-2, 1e-2]),
        ("linear", [0, 5e-3, 1e-2, 7.5e-3, 5e-3, 2.5e-3]),
        ("cosine", [0, 5e-3, *(1e-2 * (1 + math.cos(math.pi * part)) / 2 for part in (0, 0.25, 0.5, 0.75))]),
    ],
)
def test_the_learning_rate_follows_the_schedule_by_optimizer_step(
    base: Path, tmp_path: Path, schedule: str, expected: list[float]
) -> None:
    update = {"schedule": schedule, "warmup_steps": 2, "batch_size": 2, "epochs": 2}
    settings = EXACT.model_copy(update=update)
    fit(adapted(base), some_examples(5), [], settings=settings, seed=0, folder=tmp_path, card=CARD)
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["learning_rate"] for line in metrics] == pytest.approx(expected)
    assert [(line["step"], line["epoch"]) for line in metrics] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]


# ---------------------------------------------------------------- the adapter


@pytest.mark.parametrize(
    ("target", "layers"),
    [
        ("mlp", {"gate_proj", "up_proj", "down_proj"}),
        ("attention", {"q_proj", "k_proj", "v_proj", "o_proj"}),
        ("all-linear", {"gate_proj", "up_proj", "down_proj", "q_proj", "k_proj", "v_proj", "o_proj"}),
        (["v_proj"], {"v_proj"}),
    ],
)
def test_the_adapter_sits_on_the_named_layers_and_changes_nothing_yet(
    base: Path, target: str | list[str], layers: set[str]
) -> None:
    settings = TrainTable(rank=3, alpha=6, target_modules=target, dropout=0.0)
    loaded = adapted(base, settings, moved=False)
    learned = {name: p for name, p in loaded.model.named_parameters() if p.requires_grad}
    assert {name.split(".")[-4] for name in learned} == layers
    assert all(3 in p.shape and p.dtype == torch.float32 for p in learned.values())
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(loaded.model(ids).logits, load_base(str(base)).model(ids).logits)


def test_layers_that_the_base_lacks_are_named_beside_those_it_has(base: Path) -> None:
    with pytest.raises(ModelError, match="c_attn") as raised:
        adapt(load_base(str(base)), TrainTable(target_modules=["c_attn"]), seed=0)
    assert "'gate_proj'" in raised.value.remedy


# ---------------------------------------------------------------- the stage


def test_eight_examples_are_learned_to_the_letter() -> None:
    run = overfit_run()
    rows = examples(8)
    answers = list(open_planner(run).plan([row.query for row in rows], max_new_tokens=40))
    assert [answer.plan for answer in answers] == [row.plan for row in rows]


def test_the_stage_leaves_adapter_metrics_and_figures() -> None:
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
    """The loss of this step is NaN."""
    real, count = accumulate, 0

    def spoilt(*arguments: object, **options: object) -> torch.Tensor:
        nonlocal count
        count += 1
        return real(*arguments, **options) * (math.nan if count == step else 1)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "accumulate", spoilt)


def test_a_loss_that_is_no_number_stops_it_and_keeps_the_last_epoch(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "[train]\nepochs = 5\nbatch_size = 2\nrank = 2\n"
    run = tiny_run(tmp_path, base=base, rows=examples(4), recipe=recipe)
    spoil(run, monkeypatch, step=6)
    with pytest.raises(TrainingError, match="the loss of step 6 is nan") as raised:
        train(run)
    assert not run.is_done("train")
    (kept,) = run.path.glob(".train.*/checkpoints/*")
    assert kept.name == "epoch-2"
    assert str(kept) in raised.value.remedy
    model.check_adapter(kept)
    assert model.load_adapted(kept).fingerprint == model.base_fingerprint(str(base))
    spoil(run, monkeypatch, step=0)
    assert train(run).results["steps"] == 10
    assert not list(run.path.glob(".train.*"))


def test_an_adapter_that_was_saved_empty_is_no_result(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a sharded model is saved by a process that holds no shard."""
    run = tiny_run(tmp_path, base=base, rows=examples(2))
    monkeypatch.setattr("platypus.model.get_peft_model_state_dict", lambda *_, **__: {"x.lora_A": torch.empty(0)})
    with pytest.raises(ModelError, match="empty or not finite"):
        train(run)
    assert not run.is_done("train")


def test_infinite_gradients_stop_it_too(base: Path, tmp_path: Path) -> None:
    loaded = adapted(base)
    next(p for p in loaded.model.parameters() if p.requires_grad).data.fill_(1e30)
    with pytest.raises(TrainingError, match="No epoch had ended"):
        fit(loaded, some_examples(4), [], settings=EXACT, seed=0, folder=tmp_path, card=CARD)


def test_a_batch_without_answers_stops_it_and_is_named(base: Path, tmp_path: Path) -> None:
    rows = [replace(row, prompt_length=len(row.ids)) for row in some_examples(2)]
    with pytest.raises(TrainingError, match="no answer token") as raised:
        fit(adapted(base), rows, [], settings=EXACT, seed=0, folder=tmp_path, card=CARD)
    assert "row 0" in raised.value.where


def test_a_masked_row_among_others_takes_no_part(base: Path) -> None:
    rows = some_examples(3)
    masked = replace(rows[0], prompt_length=len(rows[0].ids))
    results = []
    for part in ([masked, *rows[1:]], rows[1:]):
        loaded = adapted(base)
        step = compute_step(loaded, part, settings=EXACT, accelerator=Accelerator())
        results.append((step.loss, step.norm, step.answer_tokens))
    assert results[0] == pytest.approx(results[1])


def test_what_cannot_be_trained_on_is_refused_before_the_first_step(base: Path, tmp_path: Path) -> None:
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


def test_rows_spoilt_since_refining_and_missing_ones_are_refused(base: Path, tmp_path: Path) -> None:
    run = tiny_run(tmp_path, base=base, rows=examples(2))
    with (run.folder("refine") / "train.jsonl").open("a") as file:
        file.write('{"query": "x", "plan": [{"tool_name": "nope", "arguments": []}]}\n')
    with pytest.raises(DatasetError, match=r"1 rows are not valid.*train\.jsonl:3"):
        train(run)
    bare = Run.open(tmp_path / "bare", recipe=tmp_path / "recipe.toml")
    with pytest.raises(RunError, match="refine"):
        train(bare)
