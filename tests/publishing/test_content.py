"""Which files of a run are published, that they name no folder of this machine, and which runs are not complete."""

import json
from pathlib import Path

import pytest

from platypus.errors import RunError
from platypus.publishing.content import content_of
from platypus.run.folder import Run
from tests.support.publishing import evaluated_run, redone


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return evaluated_run(tmp_path)


def test_the_files_of_each_kind(run: Run) -> None:
    merged = {"config.json", "model.safetensors", "platypus.json", "provenance.json", "catalogue.json"}
    adapter = {"adapter_config.json", "adapter_model.safetensors", "platypus.json"}
    assert {*content_of(run, what="merged").files} == merged
    assert {*content_of(run, what="adapter", base="someone/base").files} == adapter | {"catalogue.json"}
    both = content_of(run, what="both", base="someone/base")
    assert {*both.files} == merged | {f"adapter/{name}" for name in adapter}
    assert both.size > 0


def test_small_files_name_the_base_as_others_find_it(run: Run, tmp_path: Path) -> None:
    files = content_of(run, what="both", base="someone/base").files
    for name, key in (("adapter/adapter_config.json", "base_model_name_or_path"), ("platypus.json", "base")):
        content = files[name]
        assert isinstance(content, bytes) and json.loads(content)[key] == "someone/base"
    provenance = files["provenance.json"]
    assert isinstance(provenance, bytes)
    facts = json.loads(provenance)
    assert facts["base"]["source"] == "someone/base" and facts["sources"][0]["source"] == "adapter"
    assert not any(str(tmp_path).encode() in content for content in files.values() if isinstance(content, bytes))


def test_a_folder_in_the_header_of_weights_is_told(run: Run, tmp_path: Path) -> None:
    assert content_of(run, what="merged").local_names == (f"{tmp_path}/base",)
    assert content_of(run, what="adapter", base="someone/base").local_names == ()


def test_an_adapter_whose_base_nobody_has_is_refused(run: Run) -> None:
    assert content_of(run, what="merged").base == "base"
    assert content_of(run, what="merged").base_on_hub is None
    with pytest.raises(RunError, match="the base of its adapter is a folder"):
        content_of(run, what="adapter")
    with pytest.raises(RunError, match="is not the name of a model on the hub"):
        content_of(run, what="adapter", base="base")


def test_a_folder_that_is_gone_is_not_taken_for_a_name_on_the_hub(run: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text((run.path / "recipe.toml").read_text().replace(f"{tmp_path}/base", "m/base"))
    (tmp_path / "m" / "base").mkdir(parents=True)
    Run.open(run.path, recipe=recipe)
    (tmp_path / "m" / "base").rmdir()
    again = Run.open(run.path)
    assert (again.spelled[again.recipe.base], content_of(again, what="merged").base) == ("m/base", "base")
    with pytest.raises(RunError, match="the base of its adapter is a folder, m/base"):
        content_of(again, what="adapter")


@pytest.mark.parametrize(
    ("stage", "inputs", "what", "said"),
    [
        ("refine", {}, "merged", "'train' was not made from what 'refine'"),
        ("train", {"refine": "refine"}, "merged", "'merge' was not made from what 'train'"),
        ("merge", {"train": "train"}, "merged", "'evaluate' was not made from what 'merge'"),
        ("evaluate", {"refine": "refine", "train": "train"}, "merged", "'evaluate' was not made from what 'merge'"),
    ],
)
def test_a_run_of_several_makes_is_not_complete(
    run: Run, stage: str, inputs: dict[str, str], what: str, said: str
) -> None:
    redone(run, stage, {name: run.fingerprint(other) for name, other in inputs.items()})
    with pytest.raises(RunError, match=said) as raised:
        content_of(run, what="merged")
    assert "Run first: platypus" in raised.value.remedy


@pytest.mark.parametrize("stage", ["merge", "evaluate"])
def test_a_stage_that_is_missing_is_named(run: Run, stage: str) -> None:
    (run.path / stage / "stage.json").unlink()
    with pytest.raises(RunError, match=f"the stage '{stage}' has not been finished"):
        content_of(run, what="merged")


def test_an_adapter_without_a_merge_goes_alone(run: Run) -> None:
    """Its training left the tools to the base, so that there is no merged model, and none is evaluated."""
    redone(run, "train", {"refine": run.fingerprint("refine")}, {"train": {"prefix": "frozen"}})
    (run.path / "merge" / "stage.json").unlink()
    redone(run, "evaluate", {"refine": run.fingerprint("refine"), "train": run.fingerprint("train")})
    with pytest.raises(RunError, match="cannot be merged") as raised:
        content_of(run, what="merged")
    assert "--what adapter" in raised.value.remedy
    assert "adapter_model.safetensors" in content_of(run, what="adapter", base="someone/base").files
