"""Pretraining: sharing a catalogue changes no gradient, runs can be repeated and resumed, and the base loads."""

import io
import json
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from safetensors.torch import load_file

from platypus.commands.base import base as train_base
from platypus.generation.tasks import random_task, read_real_tasks
from platypus.model.completion import Completion, complete
from platypus.model.loading import Loaded, load_base
from platypus.pretraining import loop as stage
from platypus.pretraining.initial_weights import new_model
from platypus.pretraining.loop import PretrainingBatches
from platypus.pretraining.tokenizer import train_tokenizer
from platypus.prompt.prompt import EncodedExample, Prompt
from platypus.run.recipe import Recipe
from platypus.training.shared_prefix.loss import accumulate
from platypus.training.shared_prefix.prefix import FLASH, common_prefix
from tests.support.processes import together

SMALL = Recipe.model_validate(
    {
        "prompt": {"notation": "calls"},
        "pretrain": {
            **{"hidden_size": 32, "layers": 2, "heads": 2, "intermediate_size": 64, "vocabulary": 400, "steps": 3},
            **{"requests_per_catalogue": 3, "catalogues_per_step": 1, "max_tools": 4, "evaluate_every": 3},
        },
    }
)


def short(loaded: Loaded, ids: list[list[int]], **options: Any) -> list[Completion]:
    return complete(loaded, ids, **options | {"max_new_tokens": 8})


def base(recipe: Recipe, out: Path, **options: Any) -> dict[str, Any]:
    """The command, with a tokenizer of few tasks, and examined on few catalogues with short answers."""
    with (
        patch.object(stage, "complete", short),
        patch.object(stage, "train_tokenizer", partial(train_tokenizer, tasks=8)),
        patch.object(stage, "unseen_accuracy", partial(stage.unseen_accuracy, catalogues=3)),
    ):
        return train_base(recipe, out, **options)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that others start from."""
    folder = tmp_path_factory.mktemp("begun") / "base"
    base(SMALL, folder)
    return folder


def changed(**table: object) -> Recipe:
    return SMALL.model_copy(update={"pretrain": SMALL.pretrain.model_copy(update=table)})


def test_a_task_has_the_loss_and_gradients_of_its_rows() -> None:
    """Here all weights have gradients, not only an adapter's."""
    tokenizer = train_tokenizer(SMALL, tasks=8)
    model = new_model(SMALL.pretrain, tokenizer, seed=0).double()
    model.set_attn_implementation(FLASH)
    drawn = random_task("packing", tools=5, requests=4)
    rows = Prompt(tokenizer, drawn.catalogue, "calls").encode_all(drawn.examples)
    assert common_prefix(rows) > sum(len(row.ids) for row in rows) / 8
    student = Loaded(model=model, tokenizer=tokenizer, source="new", fingerprint="")
    loss = accumulate(student, rows, answer_tokens=1, micro_batch_size=2)
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    separate = torch.zeros((), dtype=torch.float64)
    for row in rows:
        logits = model(input_ids=torch.tensor([row.ids])).logits[0, :-1]
        one = F.cross_entropy(logits, torch.tensor(row.labels[1:]), ignore_index=-100, reduction="sum")
        one.backward()
        separate += one.detach()
    assert loss.item() == pytest.approx(separate.item(), rel=1e-6)
    for shared_gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(shared_gradient, parameter.grad, rtol=1e-4, atol=1e-5)


def test_catalogues_grow_over_the_first_half_of_a_new_base() -> None:
    tokenizer = train_tokenizer(SMALL, tasks=8)

    def tokens(steps: range, **table: object) -> int:
        batches = PretrainingBatches(changed(steps=300, max_tools=20, **table), tokenizer)
        return sum(len(row.ids) for step in steps for rows in batches[step] for row in rows)

    assert tokens(range(200, 205)) > 1.5 * tokens(range(5))
    assert tokens(range(5), start="a base") > 1.5 * tokens(range(5))


def test_a_run_gives_the_same_base_twice_and_it_opens(tmp_path: Path) -> None:
    results = base(SMALL, tmp_path / "a")
    again = base(SMALL, tmp_path / "b")
    assert results["fingerprint"] == again["fingerprint"]
    card = json.loads((tmp_path / "a" / "base.json").read_text())
    assert [point["step"] for point in card["history"]] == [3]
    loaded = load_base(str(tmp_path / "a"))
    assert loaded.context == SMALL.pretrain.context
    assert loaded.tokenizer.pad_token != loaded.tokenizer.eos_token


def test_an_interrupted_training_continues_as_if_it_had_not_stopped(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "REPORT_EVERY", 2)
    recipe = changed(start=str(begun), steps=5)
    whole = base(recipe, tmp_path / "whole")
    draw = PretrainingBatches.__getitem__

    def breaks_off(batches: PretrainingBatches, step: int) -> list[list[EncodedExample]]:
        if step == 3:
            raise KeyboardInterrupt
        return draw(batches, step)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(PretrainingBatches, "__getitem__", breaks_off)
        base(recipe, tmp_path / "broken")
    said = io.StringIO()
    again = base(recipe, tmp_path / "broken", console=Console(file=said))
    assert "continuing after step 2" in said.getvalue()
    assert (again["fingerprint"], again["history"]) == (whole["fingerprint"], whole["history"])
    card = json.loads((tmp_path / "broken" / "base.json").read_text())
    assert card["recipe"]["steps"] == 5 and "layers" not in card["recipe"]  # the shape is that of the start
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("catalogues", [1, 3])
def test_two_processes_train_the_base_of_one(catalogues: int, begun: Path, tmp_path: Path) -> None:
    """Also if one of them has no catalogue."""
    recipe = changed(start=str(begun), catalogues_per_step=catalogues)
    alone = base(recipe, tmp_path / "one")
    first, second = together(base, recipe, tmp_path / "two", ranks=2)
    assert first == second
    assert (first["tokens"], len(first["history"])) == (alone["tokens"], 1)
    assert first["history"][0]["loss"] == pytest.approx(alone["history"][0]["loss"], rel=1e-3)
    one, two = (load_file(tmp_path / folder / "model.safetensors") for folder in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=2**-6, msg=name)  # bfloat16 rounds either way
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_base_trained_further_may_have_a_longer_context(begun: Path, tmp_path: Path) -> None:
    base(changed(start=str(begun), context=3 * SMALL.pretrain.context, steps=1), tmp_path / "longer")
    longer = load_base(str(tmp_path / "longer"))
    assert longer.model.config.max_position_embeddings == 3 * SMALL.pretrain.context
    assert longer.tokenizer.model_max_length == 3 * SMALL.pretrain.context
    assert "is_local" not in (tmp_path / "longer" / "tokenizer_config.json").read_text()


def test_real_rows_are_used_and_the_ones_left_out_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [tool.to_json() for tool in random_task("real", tools=3, requests=1).catalogue]
    rows = tmp_path / "real.jsonl"
    row = {"query": "Thanks, that is all for today.", "plan": [], "tools": tools}
    rows.write_text(
        "".join(json.dumps(one) + "\n" for one in (row, {**row, "plan": "?"}, {**row, "query": "a " * 9999}))
    )
    recipe = changed(rows=[str(rows)], rows_share=0.9, catalogues_per_step=4, steps=1, evaluate_every=1)
    seen: list[str] = []
    draw = PretrainingBatches.__getitem__

    def watched(batches: PretrainingBatches, step: int) -> list[list[EncodedExample]]:
        drawn = draw(batches, step)
        seen.extend(batches.tokenizer.decode(rows[0].ids) for rows in drawn)
        return drawn

    monkeypatch.setattr(PretrainingBatches, "__getitem__", watched)
    said = io.StringIO()
    base(recipe, tmp_path / "base", console=Console(file=said, width=500))
    assert sum("Thanks, that is all for today." in text for text in seen) > len(seen) / 2
    assert f"{rows}:2: " in said.getvalue() and f"{rows}:3: longer than 3072 tokens" in said.getvalue()
    assert "1 real requests to learn from, 2 rows left out" in said.getvalue()


@pytest.mark.parametrize("many", [3, 2], ids=["thread", "process"])
def test_tasks_drawn_ahead_equal_those_of_their_steps(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "cores", lambda: 2)
    monkeypatch.setattr(stage, "MANY_CORES", many)  # so that one other process is enough
    monkeypatch.setattr(stage, "get_context", lambda _: get_context("forkserver"))  # starts sooner
    batches = PretrainingBatches(SMALL, train_tokenizer(SMALL, tasks=8))
    assert list(stage._ahead(batches, 1)) == [batches[1], batches[2]]


def test_rows_of_a_step_stand_beside_its_catalogues_and_are_shared_by_the_processes(tmp_path: Path) -> None:
    tools = [{"name": name, "description": "Look. Then leap."} for name in ("look", "leap", "rest")]
    plan = [{"tool_name": "leap", "arguments": []}]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"query": f"leap {i}", "plan": plan, "tools": tools}) + "\n" for i in range(9)))
    real = read_real_tasks([str(rows)])
    recipe = changed(rows_per_step=4, rows_share=0.0, catalogues_per_step=2)
    tokenizer = train_tokenizer(SMALL, tasks=8)
    *tasks, alone = PretrainingBatches(recipe, tokenizer, real)[0]
    assert len(tasks) == 2 and len(alone) == 4 and len({row.catalogue for row in alone}) <= 4
    assert all("leap" in tokenizer.decode(row.ids) and row.name.startswith(str(rows)) for row in alone)
    halves = [PretrainingBatches(recipe, tokenizer, real, rank, 2)[0][-1] for rank in (0, 1)]
    assert sorted(row.ids for half in halves for row in half) == sorted(row.ids for row in alone)


def test_some_catalogues_are_shown_in_brief() -> None:
    tokenizer = train_tokenizer(SMALL, tasks=8)
    full, brief = (PretrainingBatches(changed(brief_share=share), tokenizer)[0] for share in (0.0, 1.0))
    assert [row.name for rows in full for row in rows] == [row.name for rows in brief for row in rows]
    assert sum(len(row.ids) for rows in brief for row in rows) < sum(len(row.ids) for rows in full for row in rows)
