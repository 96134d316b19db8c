"""What is named to be served: runs, adapters that share a base, folders with models, names."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from platypus.commands.merge import merge
from platypus.data.dataset import Instruction
from platypus.errors import RecipeError, RunError
from platypus.inference.opening import open_planner
from platypus.serving.opening import OpeningOptions, open_served
from tests.support.tiny_models import CATALOGUE, THINGS, examples, overfit_run, tiny_llama, tiny_run

ASK = f"Sum up 1 {THINGS[1]}"


def test_a_run_is_served_with_its_tools_and_by_its_name() -> None:
    run = overfit_run()
    (one,) = open_served([str(run.path)], OpeningOptions())
    assert one.name == "run" and one.catalogue == CATALOGUE and one.corrections.parent == run.path
    (wanted,), (found,) = open_planner(run).plan([ASK]), one.planner.plan([ASK])
    assert found.plan == wanted.plan and len(found.plan.to_json()) == 2  # type: ignore[union-attr]


def test_beams_and_the_day_of_today_override_those_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    options, path = OpeningOptions(beams=2, today="2026-11-30"), str(overfit_run().path)
    (one,) = open_served([path], options)
    assert (one.planner.settings.beams, one.planner.dated("go tomorrow")) == (2, "go on 2026-12-01")
    monkeypatch.setitem(sys.modules, "dateparser", None)
    with pytest.raises(RecipeError, match="needs the package `dateparser`"):
        open_served([path], options)


def test_adapters_share_the_weights_of_their_base_and_answer_as_alone(tmp_path: Path) -> None:
    run = overfit_run()
    adapter = run.folder("train") / "adapter"
    options = OpeningOptions(CATALOGUE)
    first, second = open_served([f"a={run.path}", f"b={adapter}"], options)
    assert (first.name, second.name) == ("a", "b") and first.planner.loaded.model is second.planner.loaded.model
    (wanted,) = open_planner(run).plan([ASK])
    for one in (first, second, first):
        one.activate()
        (found,) = one.planner.plan([ASK])
        assert found.plan == wanted.plan


def test_two_of_one_name_are_refused() -> None:
    path = str(overfit_run().path)
    with pytest.raises(RunError, match="would both be called 'run'"):
        open_served([path, path], OpeningOptions())


def test_of_many_clashes_the_first_is_named() -> None:
    with pytest.raises(RunError, match="x and y would both be called 'n0'"):
        open_served([f"n{number}={source}" for number in range(40) for source in "xy"], OpeningOptions())


def test_a_run_that_answers_in_text_is_refused(tmp_path: Path) -> None:
    rows = [Instruction("Say hello", "", "Hello", {})]
    run = tiny_run(tmp_path, base=tmp_path / "base", rows=rows)
    with pytest.raises(RunError, match="answers in text"):
        open_served([str(run.path)], OpeningOptions())


def test_a_run_that_is_not_trained_is_served_with_its_base_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run(tmp_path, base=tiny_llama(tmp_path / "base"), rows=examples(2))
    (one,) = open_served([str(run.path)], OpeningOptions())
    assert one.planner.loaded.source == run.recipe.base
    assert f"{run.path}: is not trained yet" in capsys.readouterr().err


@pytest.mark.parametrize("on_hub", [False, True])
def test_a_merged_model_knows_how_its_prompts_look(monkeypatch: pytest.MonkeyPatch, on_hub: bool) -> None:
    run = overfit_run()
    merge(run)
    model = run.folder("merge") / "model"
    monkeypatch.setattr("platypus.model.bases._download", lambda name: model)
    (one,) = open_served([f"merged={'owner/name' if on_hub else model}"], OpeningOptions(CATALOGUE, beams=1))
    (of_run,) = open_served([str(run.path)], OpeningOptions(beams=1))
    assert one.planner.prompt.notation == "calls" and one.run is None
    assert one.planner.prompt.ids(ASK) == of_run.planner.prompt.ids(ASK)
    adapted = replace(of_run, planner=open_planner(run)).planner
    assert next(one.planner.plan([ASK])).plan == next(adapted.plan([ASK])).plan
