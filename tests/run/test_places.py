"""Names in a recipe: beside it, in the working folder, above it; remembered, and found again after a move."""

import json
import os
import shutil
from pathlib import Path

import pytest

from platypus.errors import DatasetError, PlatypusError, RunError
from platypus.prompt.base_files import BASE_CARD, local_folder
from platypus.run.folder import Run
from platypus.run.places import Places, find, names, read_located_recipe
from platypus.run.recipe import Recipe, read_recipe


def file(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def recipe_of(folder: Path, text: str) -> tuple[Path, Recipe]:
    path = file(folder / "r.toml", text)
    return path, read_recipe(path)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: not that of the recipe."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_name_is_looked_for_beside_the_recipe_then_here_then_above(tmp_path: Path, elsewhere: Path) -> None:
    recipe = tmp_path / "p" / "recipes" / "r.toml"
    above, here, beside = (file(folder / "x.jsonl") for folder in (tmp_path, elsewhere, recipe.parent))
    assert find("x.jsonl", recipe) == str(beside)
    beside.unlink()
    assert find("x.jsonl", recipe) == "x.jsonl", "in the working folder, the name itself will do"
    here.unlink()
    assert find("x.jsonl", recipe) == str(above)
    above.unlink()
    assert find("x.jsonl", recipe) == "x.jsonl"


def test_a_name_that_may_be_on_the_hub_is_not_looked_for_above(tmp_path: Path) -> None:
    recipe = tmp_path / "p" / "recipes" / "r.toml"
    (tmp_path / "p" / "owner" / "name").mkdir(parents=True)
    file(tmp_path / "p" / "data" / "rows.jsonl")
    assert find("owner/name", recipe) == "owner/name"
    assert find("data/rows.jsonl", recipe) == str(tmp_path / "p" / "data" / "rows.jsonl")
    (recipe.parent / "owner" / "name").mkdir(parents=True)
    assert find("owner/name", recipe) == str(recipe.parent / "owner" / "name")


def test_every_key_that_names_a_file_gets_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    text = """
base = "b"
catalogue = "c.json"
[teacher]
model = "m"
style = "style.txt"
[refine]
data = ["1.jsonl", "owner/name", "f:part@train"]
test = ["2.csv"]
avoid = ["3.parquet"]
embedding = "e"
[decode]
max_tools = 3
encoder = "d"
[pretrain]
rows = ["4.jsonl"]
start = "embedded"
"""
    for name in ("style.txt", "1.jsonl", "2.csv", "3.parquet", "4.jsonl"):
        file(folder / name)
    for name in ("b", "e", "d", "f"):
        (folder / name).mkdir()
    file(folder / "b" / BASE_CARD, '{"suits": {"prompt": {"notation": "calls"}}}')
    path, recipe = recipe_of(folder, text)
    located = read_located_recipe(path)
    assert located.base == f"{folder}/b" and located.teacher.style == f"{folder}/style.txt"
    assert located.refine.data == [f"{folder}/1.jsonl", "owner/name", f"{folder}/f:part@train"]
    assert located.refine.test == [f"{folder}/2.csv"] and located.refine.avoid == [f"{folder}/3.parquet"]
    assert located.refine.embedding == f"{folder}/e" and located.decode.encoder == f"{folder}/d"
    assert located.pretrain.rows == [f"{folder}/4.jsonl"] and located.pretrain.start == "embedded"
    assert located.prompt == recipe.prompt  # what suits a base that exists is not that of one in the making
    assert Places.of(path, recipe).spelled(recipe)[f"{folder}/b"] == "b"


def test_every_key_of_a_recipe_that_may_name_a_file_is_known() -> None:
    """A key of which the documentation says that it takes a file or folder."""
    described = [
        (table, key)
        for table, settings in [("", Recipe), *((n, type(getattr(Recipe(), n))) for n in Recipe.model_fields)]
        if hasattr(settings, "model_fields")
        for key, info in settings.model_fields.items()
        if " folder" in (info.description or "") or " file" in (info.description or "").lower()
    ]
    known = names(
        Recipe.model_validate({"base": "base", "refine": {"data": ["data"], "test": ["test"], "avoid": ["avoid"]}})
    )
    assert {"base", "data", "test", "avoid"} <= set(known)
    assert {key for _, key in described} - {"catalogue", "keep_prefix", "loggers"} <= {
        *("base", "style", "data", "test", "embedding", "encoder", "rows", "start")
    }


def test_remembered_places_are_found_from_any_folder_and_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    file(project / "mine.jsonl")
    path, recipe = recipe_of(project / "recipes", 'base = "m/llama"\n[refine]\ndata = ["mine.jsonl"]\n')
    (project / "m" / "llama").mkdir(parents=True)
    run = project / "runs" / "x"
    monkeypatch.chdir(project)
    places = Places.of(path, recipe, run)
    assert places.locate("mine.jsonl") == "mine.jsonl"
    file(run / "places.json", json.dumps(places.to_json()))
    monkeypatch.chdir(tmp_path)
    assert Places.read(run).locate("m/llama") == f"{project}/m/llama"

    moved = shutil.move(run, tmp_path / "alone")
    assert Places.read(moved).locate("mine.jsonl") == f"{project}/mine.jsonl", "the run alone was moved"
    shutil.move(moved, run)
    whole = Path(shutil.move(project, tmp_path / "whole"))
    assert Places.read(whole / "runs" / "x").locate("mine.jsonl") == f"{whole}/mine.jsonl", "all of it was moved"


def test_what_is_gone_keeps_its_place_and_is_not_taken_for_a_name_on_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "m" / "llama").mkdir(parents=True)
    path, recipe = recipe_of(folder, 'base = "m/llama"\n[refine]\ndata = ["owner/name", "none.csv"]\n')
    places = Places.of(path, recipe, folder / "run")
    os.rmdir(folder / "m" / "llama")
    assert places.is_missing("m/llama") and places.locate("m/llama") == f"{folder}/m/llama"
    assert places.is_missing("none.csv") and not places.is_missing("owner/name") and not places.is_missing("embedded")
    with pytest.raises(DatasetError) as raised, places.explained({f"{folder}/m/llama": "m/llama"}):
        raise DatasetError("no such file", where=f"{folder}/m/llama", remedy="Look.")
    said = str(raised.value)
    assert "Look." in said and f"It was {folder}/m/llama" in said
    assert f"recipe's folder {folder}" in said and f"working folder {Path.cwd()}" in said and "--recipe" in said


def test_a_recipe_without_relative_names_has_no_places(tmp_path: Path) -> None:
    path, recipe = recipe_of(tmp_path, f'base = "embedded"\n[refine]\ndata = ["{tmp_path}/x.jsonl"]\n')
    assert Places.of(path, recipe, tmp_path) == Places()


@pytest.mark.parametrize("name", ["~no-such-user/base", "x" * 300])
def test_a_name_that_the_system_refuses_is_a_clear_error(name: str) -> None:
    for method in (Places().is_missing, local_folder):
        with pytest.raises(PlatypusError, match="cannot be looked up"):
            method(name)
    with pytest.raises(RunError, match="cannot be looked up"):
        Run.open(Path(name))
