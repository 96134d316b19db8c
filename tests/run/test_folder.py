"""The run folder: skipping, forcing, locking, fingerprints, interrupted work."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.errors import CatalogueError, RecipeError, RunError
from platypus.run.folder import Outcome, Run

CRM = Path(__file__).parents[2] / "examples" / "crm" / "catalogue.json"
WORKTRACKER = CRM.parents[1] / "worktracker" / "catalogue.json"
FILES = ("a", "b", "c", "d", "deep/text")


def write_recipe(folder: Path, *, catalogue: Path | None = CRM, seed: int = 0, name: str = "mine.toml") -> Path:
    path = folder / name
    named = "" if catalogue is None else f'catalogue = "{catalogue}"\n'
    path.write_text(f"# mine\n{named}seed = {seed}\n", encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))


def writer(text: str) -> Callable[[Path], Mapping[str, Any]]:
    """Work that writes the text into several files, one of them deep in its folder."""

    def work(folder: Path) -> Mapping[str, Any]:
        (folder / "deep").mkdir(exist_ok=True)
        for name in FILES:
            (folder / name).write_text(text, encoding="utf-8")
        return {"length": len(text)}

    return work


def do(run: Run, text: str = "first", *, stage: str = "refine", force: bool = False, **settings: Any) -> Outcome:
    return run.perform(stage, inputs={"data": "0"}, settings=settings, work=writer(text), force=force)


def written(run: Run, stage: str = "refine") -> str:
    """The content of all files of a finished stage."""
    (text,) = {(run.folder(stage) / name).read_text(encoding="utf-8") for name in FILES}
    return text


def names(run: Run) -> set[str]:
    return {path.name for path in run.path.iterdir()} - {".lock"}


# --- opening


def test_a_run_keeps_its_recipe_and_its_catalogue(tmp_path: Path) -> None:
    recipe, source = write_recipe(tmp_path, catalogue=tmp_path / "tools.json", seed=5), tmp_path / "tools.json"
    shutil.copy(CRM, source)
    run = Run.open(tmp_path / "deep" / "run", recipe=recipe)
    assert (run.path / "recipe.toml").read_text() == recipe.read_text()
    assert run.recipe.seed == 5
    source.unlink()
    recipe.unlink()
    again = Run.open(run.path)
    assert again == run
    assert again.catalogue == read_catalogue(CRM)
    assert again.catalogue.fingerprint == read_catalogue(CRM).fingerprint


def test_a_new_recipe_replaces_the_old_one_and_keeps_the_stages(tmp_path: Path, run: Run) -> None:
    do(run)
    other = Run.open(run.path, recipe=write_recipe(tmp_path, catalogue=WORKTRACKER, seed=1))
    assert other.catalogue == read_catalogue(WORKTRACKER) and other.recipe.seed == 1
    assert other.is_done("refine")
    plain = Run.open(run.path, recipe=write_recipe(tmp_path, catalogue=None))
    assert plain.catalogue is None
    assert names(plain) == {"recipe.toml", "refine"}


def test_a_new_run_needs_a_recipe_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run yet"):
        Run.open(tmp_path / "run")
    with pytest.raises(RecipeError):
        Run.open(tmp_path / "run", recipe=tmp_path / "none.toml")
    with pytest.raises(CatalogueError):
        Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, catalogue=tmp_path / "none.json"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(RunError, match="cannot be created"):
        Run.open(CRM, recipe=write_recipe(tmp_path))


def test_a_run_that_lost_its_catalogue_says_how_to_make_it_whole(run: Run) -> None:
    (run.path / "catalogue.json").unlink()
    with pytest.raises(RunError, match=r"holds a recipe, but not its catalogue") as raised:
        Run.open(run.path)
    assert f"platypus all {run.path} --recipe FILE" in str(raised.value)


def test_several_processes_cannot_give_a_run_a_new_recipe(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    old = (run.path / "recipe.toml").read_text()
    assert Run.open(run.path, recipe=write_recipe(tmp_path)).recipe == run.recipe  # the same one
    with pytest.raises(RunError, match="several processes") as raised:
        Run.open(run.path, recipe=write_recipe(tmp_path, seed=5, name="other.toml"))
    assert "platypus refine" in raised.value.remedy
    assert (run.path / "recipe.toml").read_text() == old


def test_a_bad_new_recipe_changes_nothing(tmp_path: Path, run: Run) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[train]\nrank = 0\n")
    with pytest.raises(RecipeError):
        Run.open(run.path, recipe=bad)
    assert Run.open(run.path) == run


# --- doing and skipping


def test_the_same_work_is_skipped_and_changed_work_is_done(run: Run) -> None:
    first = do(run, "first", fraction=0.1)
    assert (first.skipped, first.results, first.folder) == (False, {"length": 5}, run.path / "refine")
    second = do(run, "changed code, same key", fraction=0.1)
    assert second == Outcome("refine", first.folder, True, first.seconds, first.results)
    assert written(run) == "first"
    assert not do(run, "third", fraction=0.2).skipped
    assert written(run) == "third"
    assert names(run) == {"recipe.toml", "catalogue.json", "refine"}


@pytest.mark.parametrize("change", ["inputs", "settings", "seed"])
def test_a_change_of_inputs_settings_or_seed_does_the_work_again(tmp_path: Path, run: Run, change: str) -> None:
    def perform(of: Run, *, inputs: str, settings: int) -> Outcome:
        return of.perform("train", inputs={"refine": inputs}, settings={"rank": settings}, work=writer("x"))

    perform(run, inputs="a", settings=1)
    assert perform(run, inputs="a", settings=1).skipped
    seeded = Run.open(run.path, recipe=write_recipe(tmp_path, seed=9)) if change == "seed" else run
    outcome = perform(seeded, inputs="b" if change == "inputs" else "a", settings=2 if change == "settings" else 1)
    assert not outcome.skipped


def test_force_does_it_again_in_an_empty_folder(run: Run) -> None:
    do(run, "first")
    assert not do(run, "second", force=True).skipped
    assert written(run) == "second"
    with pytest.raises(ZeroDivisionError):
        run.perform("refine", inputs={"data": "0"}, settings={}, work=interrupted, force=True)
    (partial,) = run.path.glob(".refine.*")
    assert (partial / "half").exists()
    do(run, "third", force=True)
    assert {path.name for path in run.folder("refine").iterdir()} == {"a", "b", "c", "d", "deep", "stage.json"}


def interrupted(folder: Path) -> Mapping[str, Any]:
    (folder / "half").touch()
    raise ZeroDivisionError


def test_a_stage_that_is_not_done_names_the_command(run: Run) -> None:
    assert not run.is_done("train")
    for ask in (run.folder, run.record, run.fingerprint):
        with pytest.raises(RunError, match=f"platypus train {run.path}"):
            ask("train")


def test_a_folder_without_its_record_does_not_exist(run: Run) -> None:
    do(run)
    (run.path / "refine" / "stage.json").unlink()
    assert not run.is_done("refine")
    assert not do(run, "anew").skipped
    assert written(run) == "anew"


def test_the_record_holds_inputs_settings_seed_and_versions(run: Run) -> None:
    outcome = do(run, fraction=0.5)
    record = run.record("refine")
    assert record["inputs"] == {"data": "0"} and record["settings"] == {"fraction": 0.5} and record["seed"] == 0
    assert record["results"] == {"length": 5} and record["seconds"] == outcome.seconds
    assert record["versions"].keys() == {"platypus", "python", "torch", "transformers", "peft"}
    assert record["versions"]["python"] == sys.version.split()[0]
    assert record["files"].keys() == set(FILES)
    json.dumps(outcome.to_json())


# --- fingerprints


def test_a_fingerprint_depends_on_content_and_key_only(tmp_path: Path, run: Run) -> None:
    do(run, "text")
    first = run.fingerprint("refine")
    copy = shutil.copytree(run.path, tmp_path / "copy", copy_function=shutil.copyfile)
    assert Run.open(copy).fingerprint("refine") == first, "the same content at another time and place"
    do(run, "text", force=True)
    assert run.fingerprint("refine") == first
    do(run, "other", force=True)
    assert run.fingerprint("refine") != first
    do(run, "text", fraction=0.3)
    assert run.fingerprint("refine") != first


def test_a_file_edited_added_or_removed_by_hand_changes_the_fingerprint(run: Run) -> None:
    do(run, "text")
    file = run.folder("refine") / "deep" / "text"
    seen = {run.fingerprint("refine")}
    file.write_text("next")
    seen.add(run.fingerprint("refine"))
    (file.parent / "more").touch()
    seen.add(run.fingerprint("refine"))
    (file.parent / "more").unlink()
    file.unlink()
    seen.add(run.fingerprint("refine"))
    assert len(seen) == 4


def test_a_stage_is_done_again_if_its_input_was(run: Run) -> None:
    def train() -> Outcome:
        inputs = {"refine": run.fingerprint("refine")}
        return run.perform("train", inputs=inputs, settings={}, work=writer("adapter"))

    do(run, "rows")
    train()
    assert train().skipped
    do(run, "other rows", force=True)
    assert not train().skipped


# --- one process at a time


def test_a_second_process_gets_one_clear_error(tmp_path: Path, run: Run) -> None:
    do(run)
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom platypus.run.folder import Run\n"
        "def work(folder):\n    print('at work', flush=True)\n    time.sleep(60)\n"
        f"Run.open(Path({str(run.path)!r})).perform('train', inputs={{}}, settings={{}}, work=work)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "at work\n"
        with pytest.raises(RunError, match=f"process {other.pid} is working on this run"):
            do(run, stage="merge")
        with pytest.raises(RunError, match=f"process {other.pid}"):
            Run.open(run.path, recipe=write_recipe(tmp_path, seed=3))
        assert Run.open(run.path).is_done("refine"), "reading needs no lock"
    finally:
        other.kill()
        other.communicate()
    assert not do(run, stage="merge").skipped, "the lock of a dead process is released"


def test_interrupted_work_is_continued_only_by_the_same_work(run: Run) -> None:
    def seen_by(rank: int) -> list[str]:
        seen = []

        def work(folder: Path) -> Mapping[str, Any]:
            seen.extend(path.name for path in folder.iterdir())
            (folder / "checkpoint").touch()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run.perform("train", inputs={}, settings={"rank": rank}, work=work)
        assert not run.is_done("train")
        return seen

    assert seen_by(8) == []
    assert seen_by(8) == ["checkpoint"]
    assert seen_by(4) == []
    assert seen_by(8) == [], "other work has deleted it"
    assert len(list(run.path.glob(".train.*"))) == 1


def test_an_interrupted_repetition_is_finished_before_the_stage_is_skipped(run: Run) -> None:
    do(run, "old")
    with pytest.raises(ZeroDivisionError):
        run.perform("refine", inputs={"data": "0"}, settings={}, work=interrupted, force=True)
    assert written(run) == "old", "the old result stays until the new one is finished"
    assert not do(run, "new").skipped
    assert written(run) == "new"
    assert do(run, "new").skipped


def test_a_full_disk_is_one_clear_error_and_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full while the stage writes, or while its record is written. Other errors of the system are passed on."""
    do(run, "old")

    def refuse(code: int) -> Callable[..., Any]:
        def write(*_: Any) -> Any:
            raise OSError(code, os.strerror(code))

        return write

    with pytest.raises(RunError, match="No space left on device"):
        run.perform("refine", inputs={"data": "1"}, settings={}, work=refuse(errno.ENOSPC))
    with pytest.raises(PermissionError):
        run.perform("refine", inputs={"data": "1"}, settings={}, work=refuse(errno.EACCES))
    monkeypatch.setattr("platypus.run.folder._seal", refuse(errno.ENOSPC))
    with pytest.raises(RunError, match="No space left on device") as raised:
        do(run, "new", changed=True)
    assert "Make room there" in raised.value.remedy
    assert written(run) == "old"
    monkeypatch.undo()
    do(run, "new", changed=True)
    assert written(run) == "new"


def test_the_lock_is_free_after_work_that_failed(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        run.perform("train", inputs={}, settings={}, work=interrupted)
    with (run.path / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_seconds_are_the_duration_of_the_work(run: Run) -> None:
    def work(folder: Path) -> Mapping[str, Any]:
        time.sleep(0.05)
        return {}

    assert 0.05 <= run.perform("train", inputs={}, settings={}, work=work).seconds < 5
