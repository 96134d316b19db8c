"""Branches of a run: runs in its folder with other settings, for stages that are to be compared."""

import os
from dataclasses import replace
from pathlib import Path

from platypus.run.folder import Run
from platypus.run.recipe import Recipe


def branch(run: Run, name: str, recipe: Recipe) -> Run:
    """A run in the folder `name` of the run's own, with this recipe; new or with the stages that are done."""
    path = run.path / name
    path.mkdir(parents=True, exist_ok=True)
    return replace(run, path=path, recipe=recipe)


def share(run: Run, stage: str, other: Run) -> None:
    """Let another run use a finished stage of this one, by a link that holds when both are moved together.

    Raises RunError if the stage is not finished.
    """
    folder, link = run.folder(stage).resolve(), other.path / stage
    if not link.is_symlink():
        link.symlink_to(Path(os.path.relpath(folder, other.path.resolve())), target_is_directory=True)
