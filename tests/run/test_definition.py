"""A run keeps its recipe, its catalogue, and the places of what the recipe names."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from platypus.errors import CatalogueError, RunError
from platypus.run.definition import keep_definition
from platypus.run.folder import Run
from tests.support.command import CRM


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose recipe names its files relatively to the recipe, opened from another folder."""
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    shutil.copy(CRM, folder / "tools.json")
    (folder / "mine.jsonl").write_text("{}\n")
    text = 'catalogue = "../tools.json"\n[refine]\ndata = ["../mine.jsonl"]\n'
    (folder / "recipes" / "r.toml").write_text(text)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def test_names_relative_to_the_recipe_are_found_from_any_folder(project: Path) -> None:
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert run.catalogue is not None
    assert [Path(name).resolve() for name in run.recipe.refine.data] == [project / "mine.jsonl"]
    assert Run.open(project / "run") == run
    assert (project / "run" / "recipe.toml").read_text() == (project / "recipes" / "r.toml").read_text()


def test_names_relative_to_the_working_folder_are_found_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `platypus all runs/demo --recipe recipes/demo.toml` in the project's folder needs it."""
    (project / "recipes" / "r.toml").write_text('catalogue = "tools.json"\n[refine]\ndata = ["mine.jsonl"]\n')
    monkeypatch.chdir(project)
    run = Run.open(Path("run"), recipe=Path("recipes/r.toml"))
    assert run.recipe.refine.data == ["mine.jsonl"], "as it is written"
    monkeypatch.chdir("/")
    assert Run.open(project / "run").recipe.refine.data == [f"{project}/mine.jsonl"]


def test_names_with_two_dots_stay_as_they_are_written_where_they_hold(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project / "recipes")
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert run.recipe.refine.data == ["../mine.jsonl"]
    assert "mine.jsonl" not in capsys.readouterr().err  # the base does not suggest it


def test_a_base_suggests_no_places(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    said = capsys.readouterr().err
    assert "the base suggests: prompt.notation" in said and "mine.jsonl" not in said


def test_of_two_files_of_one_name_that_beside_the_recipe_is_taken_and_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "recipes" / "r.toml").write_text('[refine]\ndata = ["mine.jsonl"]\n')
    for folder in (project / "recipes", Path.cwd()):
        (folder / "mine.jsonl").write_text("{}\n")
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert run.recipe.refine.data == [f"{project}/recipes/mine.jsonl"]
    said = capsys.readouterr().err
    assert f"mine.jsonl: taken from {project}/recipes/mine.jsonl" in said and "working folder" in said


def test_the_same_recipe_again_keeps_what_was_found_and_is_not_there_now(project: Path) -> None:
    recipe = project / "recipes" / "r.toml"
    first = Run.open(project / "run", recipe=recipe)
    (project / "mine.jsonl").unlink()
    (project / "tools.json").unlink()
    again = Run.open(project / "run", recipe=recipe)
    assert again.recipe == first.recipe and again.catalogue == first.catalogue


def test_a_new_place_is_remembered(project: Path) -> None:
    recipe = project / "recipes" / "r.toml"
    Run.open(project / "run", recipe=recipe)
    moved = Path(shutil.move(project, project.with_name("moved")))
    keep_definition(moved / "run", moved / "recipes" / "r.toml")
    assert json.loads((moved / "run" / "places.json").read_text())["recipe_folder"] == f"{moved}/recipes"


def test_a_missing_catalogue_says_where_it_was_looked_for(project: Path) -> None:
    (project / "tools.json").unlink()
    with pytest.raises(CatalogueError) as raised:
        Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert f"{project}/recipes" in str(raised.value) and str(Path.cwd()) in str(raised.value)


def test_a_run_that_can_only_be_read_takes_the_same_recipe_and_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = project / "recipes" / "r.toml"
    run = Run.open(project / "run", recipe=recipe)
    run.perform("refine", inputs={}, settings={}, work=lambda folder: {"rows": 3})
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    again = Run.open(project / "run", recipe=recipe)
    assert again.perform("refine", inputs={}, settings={}, work=lambda folder: {}).skipped
    for changed in ({"settings": {"a": 1}}, {"settings": {}, "force": True}):
        with pytest.raises(RunError, match="read-only"):
            again.perform("refine", inputs={}, work=lambda folder: {}, **changed)
    recipe.write_text(recipe.read_text() + "# new\n")
    with pytest.raises(RunError, match="read-only"):
        Run.open(project / "run", recipe=recipe)
    assert Run.open(project / "run").is_done("refine")


# ---------------------------------------------------------------- sources of stages that are done


def refine(run: Run, *, force: bool = False) -> bool:
    def content(source: str) -> str | None:
        return Path(source).read_text() if Path(source).exists() else None

    (source,) = run.recipe.refine.data
    inputs = {source: run.source_fingerprint("refine", source, content, force=force)}
    settings = {"data": run.recipe.refine.data}
    return run.perform("refine", inputs=inputs, settings=settings, work=lambda folder: {}, force=force).skipped


def test_a_stage_that_is_done_needs_no_sources(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert not refine(run)
    assert run.record("refine")["settings"] == {"data": ["../mine.jsonl"]}, "as the recipe spells it"
    assert list(run.record("refine")["inputs"]) == ["../mine.jsonl"]
    (project / "mine.jsonl").unlink()
    assert refine(Run.open(project / "run"))
    assert "mine.jsonl: is not there" in capsys.readouterr().err
    assert not refine(Run.open(project / "run"), force=True)


def test_a_source_that_has_changed_is_noticed_wherever_it_is(project: Path) -> None:
    refine(Run.open(project / "run", recipe=project / "recipes" / "r.toml"))
    moved = Path(shutil.move(project, project.with_name("moved")))
    assert refine(Run.open(moved / "run"))
    (moved / "mine.jsonl").write_text("other\n")
    assert not refine(Run.open(moved / "run"))


def test_sources_of_stages_to_come_are_checked_at_once(project: Path) -> None:
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    run.check_sources()
    (project / "mine.jsonl").unlink()
    with pytest.raises(RunError, match="the stage refine needs it"):
        run.check_sources()
    run.perform("refine", inputs={}, settings={}, work=lambda folder: {})
    run.check_sources()


@pytest.mark.parametrize(
    ("stages", "table", "gone"),
    [((), 'of = ["./a"]', "recipes/a"), ((), 'of = ["./a"]', "base"), (("refine", "train"), "", "base")],
)
def test_a_merge_needs_the_base_and_others_but_no_training_of_its_own(
    project: Path, stages: tuple[str, ...], table: str, gone: str
) -> None:
    (project / "base").mkdir()
    (project / "recipes" / "a").mkdir()
    (project / "recipes" / "r.toml").write_text(f'base = "../base"\n[merge]\n{table}\n')
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    for stage in stages:
        run.perform(stage, inputs={}, settings={}, work=lambda folder: {})
    run.check_sources()
    (project / gone).rmdir()
    with pytest.raises(RunError, match="the stage merge needs it"):
        run.check_sources()
    run.perform("merge", inputs={}, settings={}, work=lambda folder: {})
    run.check_sources()


SERVER = """
import json, pathlib, sys
answers = {"initialize": {"protocolVersion": "2025-06-18", "capabilities": {}}}
answers["initialize"]["serverInfo"] = {"name": "a", "version": "1"}
answers["tools/list"] = {"tools": json.loads(pathlib.Path(sys.argv[1]).read_text())}
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] in answers:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answers[asked["method"]]}), flush=True)
"""


def test_a_server_is_asked_once_and_a_run_needs_it_no_more(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tools are the run's own copy; without it the server is asked again, and a new recipe asks it too."""
    recipe, kept, listed = project / "recipes" / "r.toml", project / "run" / "catalogue.json", project / "listed.json"
    (project / "server.py").write_text(SERVER)
    listed.write_text(json.dumps([{"name": "sail"}, {"name": "moor"}]))
    source = f"mcp:{sys.executable} {project}/server.py {listed}"
    recipe.write_text(f'catalogue = "{source}"\nonly = ["sail"]\n')
    first = Run.open(project / "run", recipe=recipe)
    assert first.catalogue is not None and [tool.name for tool in first.catalogue] == ["sail"]
    listed.unlink()
    assert Run.open(project / "run", recipe=recipe) == first == Run.open(project / "run")
    assert f"{source}: is not asked again (to ask it, remove {kept})" in capsys.readouterr().err
    recipe.write_text(f'catalogue = "{source}"\nonly = ["moor"]\n')
    with pytest.raises(CatalogueError, match="gives no tools"):
        Run.open(project / "run", recipe=recipe)
    assert Run.open(project / "run") == first
    listed.write_text(json.dumps([{"name": "moor"}]))
    again = Run.open(project / "run", recipe=recipe).catalogue
    assert again is not None and [tool.name for tool in again] == ["moor"]


def test_python_functions_are_found_beside_the_recipe(project: Path) -> None:
    (project / "recipes" / "boats.py").write_text("def sail(to: str): ...\ndef moor(): ...\n")
    recipe = project / "recipes" / "r.toml"
    recipe.write_text('catalogue = "boats.py:sail"\n')
    first = Run.open(project / "run", recipe=recipe)
    assert first.catalogue is not None and [tool.name for tool in first.catalogue] == ["sail"]
    (project / "recipes" / "boats.py").unlink()
    assert Run.open(project / "run", recipe=recipe) == first
    recipe.write_text('catalogue = "python:boats.py"\n')
    with pytest.raises(CatalogueError, match="cannot be read") as caught:
        Run.open(project / "run", recipe=recipe)
    assert f"{project}/recipes" in caught.value.remedy


def test_bad_tools_of_a_catalogue_are_left_out_or_stop_the_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = json.loads((project / "tools.json").read_text())
    (project / "tools.json").write_text(json.dumps([*tools, {"name": "two words"}]))
    run = Run.open(project / "run", recipe=project / "recipes" / "r.toml")
    assert run.catalogue is not None and len(run.catalogue) == len(tools)
    said = capsys.readouterr().err
    assert f"1 of {len(tools) + 1} tools cannot be used and are left out: two words" in said
    assert "platypus check" in said
    Run.open(project / "run")
    assert not capsys.readouterr().err
    recipe = 'catalogue = "../tools.json"\nbad_tools = "refuse"\n'
    (project / "recipes" / "strict.toml").write_text(recipe)
    with pytest.raises(CatalogueError, match=r"tool \d+ has no usable name"):
        Run.open(project / "strict", recipe=project / "recipes" / "strict.toml")
