"""The run folder: killed at any moment, a finished stage is never lost."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.run.folder import Run
from tests.run.test_folder import CRM, do, names, write_recipe, written


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))


def killed_before(number: int, action: Callable[[], object]) -> bool:
    """Run `action` in a child that dies without clean-up before its nth access to the disk; returns whether it died."""
    touches = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
    seen = 0

    def hook(event: str, arguments: object) -> None:
        nonlocal seen
        seen += event in touches
        if seen == number:
            os._exit(9)

    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_killed_at_any_moment_a_finished_stage_is_never_lost(tmp_path: Path, run: Run) -> None:
    do(run, "old")
    do(run, "upstream", stage="generate")
    before = tmp_path / "before"
    shutil.copytree(run.path, before)
    touch, ended = 0, {"old": 0, "new": 0}
    while True:
        touch += 1
        shutil.rmtree(run.path)
        shutil.copytree(before, run.path)
        if not killed_before(touch, lambda: do(Run.open(run.path), "new", changed=True)):
            break
        assert not run.is_done("refine") or written(run) in ended, "what is seen before the recovery is complete"
        opened = Run.open(run.path)
        assert written(opened, "generate") == "upstream"
        text = written(opened)
        assert opened.record("refine")["results"] == {"length": 3}
        assert opened.record("refine")["settings"] == ({} if text == "old" else {"changed": True})
        ended[text] += 1
        again = do(opened, "new", changed=True)
        assert again.skipped == (text == "new")
        assert written(opened) == "new"
        assert names(opened) == {"recipe.toml", "catalogue.json", "refine", "generate"}
    assert ended["old"] > 10 and ended["new"] > 3, ended


def test_killed_at_any_moment_of_its_recovery_a_finished_stage_is_never_lost(tmp_path: Path, run: Run) -> None:
    """The worst moment: the old folder has been moved away and the new one is not yet in place."""
    do(run, "old")
    (run.path / "refine").rename(run.path / ".refine.old")
    do(run, "new", changed=True)
    (run.path / "refine").rename(run.path / f".refine.{run.record('refine')['key']}.partial")
    broken = tmp_path / "broken"
    shutil.copytree(run.path, broken)
    assert do(run, "new", changed=True).skipped, "a run that is already open recovers too"
    touch = 0
    while True:
        touch += 1
        shutil.rmtree(run.path)
        shutil.copytree(broken, run.path)
        died = killed_before(touch, lambda: Run.open(run.path))
        assert written(Run.open(run.path)) == "new"
        assert names(run) == {"recipe.toml", "catalogue.json", "refine"}
        if not died:
            break
    assert touch > 5


def test_killed_at_any_moment_of_opening_a_recipe_never_stands_beside_another_catalogue(tmp_path: Path) -> None:
    one_tool = tmp_path / "one.json"
    one_tool.write_text(json.dumps(read_catalogue(CRM).to_json()[:1]))
    old = write_recipe(tmp_path, catalogue=CRM, name="old.toml")
    new = write_recipe(tmp_path, catalogue=one_tool, name="new.toml")
    right = {str(path): read_catalogue(path) for path in (CRM, one_tool)}
    touch, whole = 0, 0
    while True:
        touch += 1
        path = tmp_path / f"run{touch}"
        Run.open(path, recipe=old)
        died = killed_before(touch, lambda path=path: Run.open(path, recipe=new))  # type: ignore[misc]
        if (path / "recipe.toml").exists():
            run = Run.open(path)
            assert run.catalogue == right[str(run.recipe.catalogue)]
            whole += 1
        assert Run.open(path, recipe=new).catalogue == right[str(one_tool)]
        if not died:
            break
    assert 0 < whole < touch
