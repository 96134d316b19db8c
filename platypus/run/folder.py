"""Run: the folder with the results of the stages of one recipe, and a record of each.

    runs/NAME/ recipe.toml catalogue.json generate/ refine/ train/ merge/ evaluate/

A stage works in a partial folder beside these, which is renamed into place when the stage is finished. `stage.json` is
written last; a folder without it counts as absent. Whenever the program is killed, finished stages survive, and the
same work continues in its partial folder. Does not know which stages there are.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from platypus import __version__
from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import RunError
from platypus.files import sync, write_whole
from platypus.run.recipe import Recipe, read_recipe
from platypus.run.settings import Decoding

RECIPE = "recipe.toml"
CATALOGUE = "catalogue.json"
RECORD = "stage.json"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a stage, which was run now or skipped. `seconds` is how long its work took when it was run."""

    stage: str
    folder: Path
    skipped: bool
    seconds: float
    results: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON object."""
        return {
            "stage": self.stage,
            "folder": str(self.folder),
            "skipped": self.skipped,
            "seconds": self.seconds,
            "results": dict(self.results),
        }


@dataclass(frozen=True)
class Run:
    """An open run folder with its recipe and its catalogue (None for instructions, or rows with their own tools)."""

    path: Path
    recipe: Recipe
    catalogue: Catalogue | None

    @classmethod
    def open(cls, path: Path, *, recipe: Path | None = None) -> "Run":
        """The run in this folder. A new run needs a recipe; in an existing run, a new recipe replaces the old one.

        The run keeps copies of the recipe and of its catalogue. Raises RecipeError, CatalogueError, RunError.
        """
        if recipe is not None:
            _keep_definition(path, recipe)
        if not (path / RECIPE).exists():
            raise RunError(
                "is not a run yet", where=str(path), remedy="Give --recipe FILE; the folder recipes/ holds some."
            )
        current = read_recipe(path / RECIPE)
        run = cls(path, current, None if current.catalogue is None else read_catalogue(path / CATALOGUE))
        run._recover()
        return run

    def decoded(self, decoding: Decoding | None = None, *, seconds: float | None = None) -> "Run":
        """The same run with another kind of decoding or another time limit; None keeps the recipe's own."""
        return replace(self, recipe=self.recipe.decoded(decoding, seconds=seconds))

    def is_done(self, stage: str) -> bool:
        """Whether the stage has been finished, whatever its inputs were."""
        return (self.path / stage / RECORD).exists()

    def folder(self, stage: str) -> Path:
        """The folder of a finished stage. Raises RunError that names the command to run first."""
        if not self.is_done(stage):
            raise RunError(
                f"the stage {stage!r} has not been finished",
                where=str(self.path),
                remedy=f"Run first: platypus {stage} {self.path}",
            )
        return self.path / stage

    def record(self, stage: str) -> Mapping[str, Any]:
        """`stage.json` of a finished stage: key, inputs, settings, seed, versions, commit, results, seconds, files."""
        record: dict[str, Any] = json.loads((self.folder(stage) / RECORD).read_text(encoding="utf-8"))
        return record

    def outcome(self, stage: str, *, skipped: bool) -> Outcome:
        """The outcome of a finished stage, for a process that shared its work with others."""
        return _outcome(self.folder(stage), self.record(stage), skipped=skipped)

    def fingerprint(self, stage: str) -> str:
        """16 hex digits over the key of a finished stage and the present content of its files.

        So a file that was edited by hand is a new input. Only files whose size or time has changed are read again.
        """
        record = self.record(stage)
        files = _digests(self.folder(stage), known=record["files"])
        return _hash([record["key"], {name: file["digest"] for name, file in files.items()}])

    def perform(
        self,
        stage: str,
        *,
        inputs: Mapping[str, str],
        settings: Mapping[str, Any],
        work: Callable[[Path], Mapping[str, Any]],
        force: bool = False,
    ) -> Outcome:
        """Do `work` in an empty folder, unless it was done with the same inputs, settings and seed.

        `work` returns its results (JSON). If the same work was interrupted, it gets its old folder and is finished,
        even if the stage is done; `force` starts from the beginning. Raises RunError while another process works here.
        """
        key = _hash([stage, inputs, settings, self.recipe.seed])
        with _locked(self.path):
            self._restore()
            partial = self.path / f".{stage}.{key}.partial"
            if self.is_done(stage) and not force and not partial.exists():
                record = self.record(stage)
                if record["key"] == key:
                    return _outcome(self.folder(stage), record, skipped=True)
            for other in self.path.glob(f".{stage}.*.partial"):
                if force or other != partial:
                    shutil.rmtree(other)
            partial.mkdir(exist_ok=True)
            record = {"stage": stage, "key": key, "inputs": dict(inputs), "settings": dict(settings)}
            record |= {"seed": self.recipe.seed, "versions": _versions(), "commit": _commit()}
            start = time.monotonic()
            with _room_on_disk(partial):
                record["results"] = dict(work(partial))
                record["seconds"] = round(time.monotonic() - start, 3)
                record["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
                _seal(partial, record)
            self._publish(partial)
            return _outcome(self.folder(stage), record, skipped=False)

    def _recover(self) -> None:
        """Complete what a killed process left undone, unless another process works here, which does it itself."""
        if any(self.path.glob(".*.old")) or any(self.path.glob(f".*.partial/{RECORD}")):
            with suppress(RunError), _locked(self.path):
                self._restore()

    def _restore(self) -> None:
        """Complete an interrupted publication, so that each stage is either the old one or the new one."""
        for old in self.path.glob(".*.old"):
            final = self.path / old.name.split(".")[1]
            if (final / RECORD).exists():
                shutil.rmtree(old)
            else:
                old.rename(final)
        for record in self.path.glob(f".*.partial/{RECORD}"):
            self._publish(record.parent)

    def _publish(self, partial: Path) -> None:
        """Rename a finished folder into place; the old stage is removed afterwards."""
        stage = partial.name.split(".")[1]
        final, old = self.path / stage, self.path / f".{stage}.old"
        if final.exists():
            final.rename(old)
        partial.rename(final)
        sync(self.path)
        if old.exists():
            shutil.rmtree(old)


def _keep_definition(folder: Path, recipe: Path) -> None:
    """Copy the recipe and its catalogue into the run.

    The old recipe is removed first and the new one written last, so that no recipe is ever beside the wrong catalogue.
    """
    name = read_recipe(recipe).catalogue
    text = recipe.read_text(encoding="utf-8")
    tools = None if name is None else json.dumps(read_catalogue(Path(name)).to_json(), indent=2, ensure_ascii=False)
    if _text(folder / RECIPE) == text and _text(folder / CATALOGUE) == tools:
        return
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RunError(
            "several processes cannot give a run a new recipe",
            where=str(folder),
            remedy=f"Do it first with one process: platypus refine {folder} --recipe {recipe}",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot be created: {error.strerror}", where=str(folder), remedy="Name another one.") from error
    with _locked(folder):
        (folder / RECIPE).unlink(missing_ok=True)
        (folder / CATALOGUE).unlink(missing_ok=True)
        if tools is not None:
            write_whole(folder / CATALOGUE, tools)
        write_whole(folder / RECIPE, text)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the run for this process. The system releases the lock when the process ends, however it ends."""
    with (folder / ".lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RunError(
                f"process {file.read()} is working on this run", where=str(folder), remedy="Wait for it, or stop it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _room_on_disk(folder: Path) -> Iterator[None]:
    """Raise RunError if the disk is full, whatever the stage was writing."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise RunError(
            f"the stage could not be written: {error.strerror}",
            where=str(folder),
            remedy="Make room there, then run the same command again; finished stages are safe.",
        ) from error


def _outcome(folder: Path, record: Mapping[str, Any], *, skipped: bool) -> Outcome:
    return Outcome(record["stage"], folder, skipped, record["seconds"], record["results"])


def _seal(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `stage.json`, the mark of a finished stage, after everything else has been flushed to disk."""
    for path in folder.rglob("*"):
        sync(path)
    write_whole(folder / RECORD, json.dumps({**record, "files": _digests(folder, known={})}, indent=2))


def _digests(folder: Path, *, known: Mapping[str, Any]) -> dict[str, Any]:
    """Size, time and SHA-256 of every file but the record; unchanged files are taken from `known`."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith(RECORD):
            continue
        facts = {"size": path.stat().st_size, "time": path.stat().st_mtime_ns}
        before = known.get(name, {})
        if facts.items() <= before.items():
            digests[name] = before
            continue
        with path.open("rb") as file:
            digests[name] = {**facts, "digest": hashlib.file_digest(file, "sha256").hexdigest()}
    return digests


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"platypus": __version__, "python": python_version()}
    for package in ("torch", "transformers", "peft"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def _commit() -> str | None:
    """The commit of the running sources, with `-dirty` if files differ from it; None outside a git checkout."""
    source = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (source / ".git").exists():
        return None
    command = [git, "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
