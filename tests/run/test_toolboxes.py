"""What runs a run's tools: what is said on the command line, in the recipe, or the catalogue."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platypus.errors import CatalogueError, ExecutionError
from platypus.execution.back_ends.python_functions import PythonBackEnd
from platypus.execution.toolbox import Toolbox
from platypus.run.folder import Run
from platypus.run.toolboxes import dry_toolbox, mock_toolbox, new_trace, run_toolbox
from tests.support.command import CRM

BOATS = '"""Boats."""\n\ndef moor(boat: str) -> str:\n    """Moor it."""\n    return boat\n'


def opened(folder: Path, recipe: str) -> Run:
    (folder / "recipes").mkdir()
    (folder / "recipes" / "boats.py").write_text(BOATS)
    (folder / "recipes" / "r.toml").write_text(recipe)
    return Run.open(folder / "run", recipe=folder / "recipes" / "r.toml")


def test_the_catalogue_itself(tmp_path: Path) -> None:
    run = opened(tmp_path, 'catalogue = "boats.py"\n[execute]\nallow = ["*"]\n')
    (back_end,) = run_toolbox(run).back_ends
    assert isinstance(back_end, PythonBackEnd) and back_end.may_have("moor")


@pytest.mark.parametrize(
    ("recipe", "toolbox"),
    [
        ('catalogue = "boats.py"\n', run_toolbox),
        (f'catalogue = "{CRM}"\n[execute]\nsources = ["boats.py:moor"]\n', run_toolbox),
        (f'catalogue = "{CRM}"\n[evaluate]\nmock = ["boats.py:moor"]\n', mock_toolbox),
    ],
)
def test_the_files_of_the_recipe_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, toolbox: Callable[[Run], Toolbox]
) -> None:
    run = opened(tmp_path, recipe)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert toolbox(Run.open(run.path)).back_ends[0].may_have("moor")
    assert run_toolbox(run, [str(tmp_path / "recipes" / "boats.py")]).back_ends[0].may_have("moor")


def test_a_source_that_is_gone_says_where_it_was_looked_for(tmp_path: Path) -> None:
    run = opened(tmp_path, 'catalogue = "boats.py"\n')
    (tmp_path / "recipes" / "boats.py").unlink()
    with pytest.raises(CatalogueError, match=r"boats\.py: .*No such file.*\n.*The recipe names it 'boats\.py'"):
        run_toolbox(run)


def test_definitions_run_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="but not where they run"):
        run_toolbox(opened(tmp_path, f'catalogue = "{CRM}"\n'))


def test_headers_that_nothing_would_get(tmp_path: Path) -> None:
    run = opened(tmp_path, 'catalogue = "boats.py"\n[execute]\nheaders = {Authorization = "Bearer abc"}\n')
    with pytest.raises(ExecutionError, match=r"recipe\.toml: `headers` and `base_url` .* are for OpenAPI documents"):
        run_toolbox(run)
    assert run_toolbox(run, [str(tmp_path / "recipes" / "boats.py")]).back_ends  # these of the recipe are for others


def test_a_dry_run_needs_nothing_that_runs_the_tools(tmp_path: Path) -> None:
    run = opened(tmp_path, f'catalogue = "{CRM}"\n')
    assert dry_toolbox(lambda: run_toolbox(run)).back_ends == ()
    assert dry_toolbox(lambda: run_toolbox(run, [str(tmp_path / "recipes" / "boats.py")])).back_ends[0].may_have("moor")


def test_a_run_without_a_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="the run has no catalogue"):
        run_toolbox(opened(tmp_path, 'base = "embedded"\n'))


def test_traces_lie_in_the_run_or_in_the_users_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert new_trace(None) != new_trace(None)
    assert new_trace(None).parent == tmp_path / "state" / "platypus" / "traces"
    run = opened(tmp_path, 'catalogue = "boats.py"\n')
    assert new_trace(run).parent == run.path / "traces"
    new_trace(run).parent.rmdir()
    (run.path / "traces").touch()
    with pytest.raises(ExecutionError, match="no trace can be written there"):
        new_trace(run)
