"""Branches: other settings, the same finished stages; moved together."""

import shutil
from pathlib import Path

import pytest

from platypus.errors import RunError
from platypus.run.branches import branch, share
from platypus.run.folder import Run
from platypus.run.recipe import changed_recipe


def test_a_branch_shares_stages_and_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base = "base"\n')
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    other = branch(run, "sweep/a", changed_recipe(run.recipe, {"train.rank": 3, "seed": 2}, where="x"))
    assert (other.recipe.train.rank, other.recipe.seed) == (3, 2) != (run.recipe.train.rank, run.recipe.seed)
    with pytest.raises(RunError, match="'refine' has not been finished"):
        share(run, "refine", other)
    run.perform("refine", inputs={}, settings={}, work=lambda folder: {"rows": 7})
    share(run, "refine", other)
    share(run, "refine", other)
    assert other.record("refine")["results"] == {"rows": 7} and other.fingerprint("refine") == run.fingerprint("refine")
    other.perform("train", inputs={}, settings={}, work=lambda folder: {})
    assert other.is_done("train") and not run.is_done("train")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert branch(Run.open(tmp_path / "moved"), "sweep/a", other.recipe).is_done("refine")
