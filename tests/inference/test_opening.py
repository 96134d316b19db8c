"""Which model a run has, and which prompt, tools and prefix its planner has."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.errors import ModelError
from platypus.inference.calibration import Calibration
from platypus.inference.opening import (
    CONFIDENCE,
    UNTRAINED,
    base_calibration,
    base_prompt,
    is_merged,
    open_base,
    open_planner,
    open_untrained,
    untrained,
)
from platypus.inference.planner import Planner
from platypus.model import adapters, loading
from platypus.model.adapters import ADAPTER_CARD, AdapterCard
from platypus.model.bases import base_fingerprint
from platypus.prompt.base_files import BASE_CARD
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import DecodeSettings, PromptSettings
from tests.inference.test_planner import CATALOGUE, FREE, Opened
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

TOOLS = '[{"name": "me"}, {"name": "list"}]'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A new run with the recipe's defaults; models are named but not loaded."""
    tokenizer = byte_bpe_tokenizer()
    for name in ("load_base", "load_merged"):
        monkeypatch.setattr(loading, name, lambda source, light: Opened(str(source), tokenizer))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: Opened(f"{source} on {base}", tokenizer))
    (tmp_path / "tools.json").write_text(TOOLS)
    (tmp_path / "recipe.toml").write_text(f'catalogue = "{tmp_path}/tools.json"\nbase = "some/base"\n')
    return Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")


def train(run: Run, *, catalogue: str | None = CATALOGUE.fingerprint, attempt: int = 0) -> None:
    def work(folder: Path) -> dict[str, Any]:
        (folder / "adapter").mkdir()
        card = AdapterCard("some/base", "0" * 16, catalogue, "calls", 777)
        (folder / "adapter" / ADAPTER_CARD).write_text(json.dumps(asdict(card)))
        return {}

    run.perform("train", inputs={}, settings={"attempt": attempt}, work=work)


def merge(run: Run) -> None:
    run.perform("merge", inputs={"train": run.fingerprint("train")}, settings={}, work=lambda folder: {})


def source(planner: Planner) -> str:
    return planner.loaded.source


def test_the_best_model_of_a_run_is_opened(run: Run) -> None:
    assert source(open_planner(run)) == source(open_base(run)) == "some/base"
    assert (open_planner(run).prompt.notation, open_planner(run).prompt.cutoff) == ("json", 4096)
    train(run)
    assert source(open_planner(run)) == f"{run.path}/train/adapter on some/base"
    merge(run)
    assert source(open_planner(run)) == str(run.path / "merge" / "model")
    assert source(open_base(run)) == "some/base"


def test_a_run_that_is_not_trained_decodes_as_suits_its_base(run: Run) -> None:
    said = DecodeSettings(max_steps=3, beams=2)
    assert untrained(said).model_dump() == UNTRAINED.model_copy(update={"max_steps": 3, "beams": 2}).model_dump()
    assert open_planner(run).settings == untrained(run.recipe.decode)
    train(run)
    assert open_planner(run).settings == run.recipe.decode


def test_a_merged_model_of_an_older_adapter_is_not_used(run: Run) -> None:
    train(run)
    merge(run)
    assert is_merged(run)
    train(run, attempt=1)
    assert not is_merged(run)
    assert source(open_planner(run)) == f"{run.path}/train/adapter on some/base"


def test_the_prompt_is_that_of_the_training(run: Run) -> None:
    train(run)
    for planner in (open_planner(run), open_base(run)):
        assert (planner.prompt.notation, planner.prompt.cutoff) == ("calls", 777)
        assert planner.prompt.catalogue == CATALOGUE


def test_a_model_trained_for_another_catalogue_is_refused(run: Run) -> None:
    train(run, catalogue="f" * 16)
    with pytest.raises(
        ModelError, match=f"for catalogue f+, the run now has {CATALOGUE.fingerprint}\n.*platypus train"
    ):
        open_planner(run)


def test_a_planner_may_have_other_tools_than_the_run(run: Run) -> None:
    other = catalogue_from_json([{"name": "fly"}])
    assert (
        open_planner(run, catalogue=other).prompt.catalogue == open_base(run, catalogue=other).prompt.catalogue == other
    )
    train(run)
    planner = open_planner(run, catalogue=other)
    assert (planner.prompt.catalogue, planner.prompt.notation) == (other, "calls")
    merge(run)
    assert open_planner(run, catalogue=other).prompt.catalogue == other


def test_the_prefix_is_stored_in_the_run_if_the_recipe_says_so(run: Run) -> None:
    storing_run = replace(run, recipe=run.recipe.model_copy(update={"decode": DecodeSettings(keep_prefix=True)}))
    assert open_planner(storing_run).folder == run.path / ".prefix" and open_planner(run).folder is None
    assert open_planner(run).settings.decoding == "grammar"
    assert open_planner(run.decoded("free")).settings == untrained(FREE)


def test_an_untrained_base_is_asked_with_the_prompt_of_its_own_training(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base", context=1024)
    recipe = Recipe(base=str(base), prompt=PromptSettings(notation="json", markers=False))
    assert base_prompt(recipe) == recipe.prompt
    (base / BASE_CARD).write_text(json.dumps({"prompt": {"notation": "calls", "markers": True, "cutoff": 99}}))
    assert base_prompt(recipe) == PromptSettings(notation="calls", markers=True, cutoff=99)
    planner = open_untrained(CATALOGUE, recipe)
    prompt = planner.prompt
    assert (prompt.notation, prompt.markers, prompt.cutoff) == ("calls", True, 1024)  # the context, not 99
    assert prompt.catalogue is CATALOGUE and planner.calibration == Calibration()


def test_a_base_has_the_calibration_beside_it_if_it_is_of_its_weights(tmp_path: Path, run: Run) -> None:
    base = str(tiny_llama(tmp_path / "other", context=1024))
    fitted = Calibration(weights={"logit": 0.5, "unused": -1.0}, bias=0.1)
    known: dict[str, Any] = {"base": base_fingerprint(base), "calibration": asdict(fitted)}
    file = Path(base) / CONFIDENCE
    file.write_text(json.dumps(known))
    assert base_calibration(base) == open_untrained(CATALOGUE, Recipe(base=base)).calibration == fitted
    assert open_base(replace(run, recipe=run.recipe.model_copy(update={"base": base}))).calibration == fitted
    file.write_text(json.dumps({**known, "base": "of others"}))
    assert base_calibration(base) == base_calibration("owner/name") == Calibration()


def test_the_embedded_base_has_the_calibration_of_its_weights() -> None:
    assert base_calibration("embedded").fitted, "fit it: python benchmarks/confidence.py fit"


def test_the_calibration_counts_only_for_the_model_that_was_evaluated(run: Run) -> None:
    fitted = Calibration(0.7, -0.2, 31)

    def evaluate(model: str) -> None:
        def work(folder: Path) -> dict[str, Any]:
            fitted.save(folder / CONFIDENCE)
            return {}

        run.perform("evaluate", inputs={model: run.fingerprint(model)}, settings={}, work=work)

    train(run)
    assert open_planner(run).calibration == Calibration()
    evaluate("train")
    assert open_planner(run).calibration == fitted
    assert open_base(run).calibration == Calibration()
    merge(run)
    assert open_planner(run).calibration == Calibration()  # the merged model was not scored yet
    evaluate("merge")
    assert open_planner(run).calibration == fitted
    train(run, attempt=1)
    assert open_planner(run).calibration == Calibration()
