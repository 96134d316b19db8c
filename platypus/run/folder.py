"""Run: the folder with the results of the stages of one recipe, and a record of each.

    runs/NAME/ recipe.toml catalogue.json generate/ refine/ train/ merge/ evaluate/

A stage works in a partial folder beside these, which is renamed into place when the stage is finished. `stage.json` is
written last; a folder without it counts as absent. Whenever the program is killed, finished stages survive, and the
same work continues in its partial folder. Does not know which stages there are.
"""

import errno
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from platypus import __version__
from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.errors import PlatypusError, RunError
from platypus.files import expanded, say, sync, write_whole
from platypus.run.definition import CATALOGUE, RECIPE, keep_definition
from platypus.run.lock import is_writable, locked
from platypus.run.places import Places
from platypus.run.recipe import Recipe, changed_recipe, read_recipe, suited
from platypus.run.settings import Decoding

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
    """An open run folder with its recipe and its catalogue (None for instructions, or rows with their own tools).

    The recipe's names of files and folders are their places now; keys of stages contain them as the recipe spells them.
    """

    path: Path
    recipe: Recipe
    catalogue: Catalogue | None
    places: Places = field(default_factory=Places)
    spelled: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, *, recipe: Path | None = None) -> "Run":
        """The run in this folder. A new run needs a recipe; in an existing run, a new recipe replaces the old one.

        The run keeps copies of the recipe and of its catalogue, and remembers where the files are that the recipe
        names. Raises RecipeError, CatalogueError, RunError.
        """
        path = expanded(str(path), error=RunError)
        places = Places.read(path) if recipe is None else keep_definition(path, recipe)
        if not (path / RECIPE).exists():
            raise RunError(
                "is not a run yet",
                where=str(path),
                remedy=f"Make it: platypus all {path} --recipe FILE; the folder recipes/ holds some.",
            )
        written = read_recipe(path / RECIPE)
        if written.catalogue is not None and not (path / CATALOGUE).exists():
            raise RunError(
                f"holds a recipe, but not its catalogue ({CATALOGUE})",
                where=str(path),
                remedy=f"Make it whole: platypus all {path} --recipe FILE; with the same recipe, what is done stays.",
            )
        catalogue = None if written.catalogue is None else read_catalogue(path / CATALOGUE)
        run = cls(path, suited(places.located(written)), catalogue, places, places.spelled(written))
        run._recover()
        return run

    def changed(self, changes: Mapping[str, Any], *, where: str) -> Recipe:
        """The recipe with other values of some keys, such as `train.rank`, and what suits its base then.

        Raises RecipeError, naming wrong keys.
        """
        written = self.places.located(read_recipe(self.path / RECIPE))
        return suited(changed_recipe(written, changes, where=where))

    def reread(self) -> "Run":
        """The same run with its recipe as it is written now. Raises RecipeError."""
        return replace(self, recipe=self.changed({}, where=str(self.path)))

    def decoded(
        self, decoding: Decoding | None = None, *, seconds: float | None = None, today: str | None = None
    ) -> "Run":
        """The same run with another kind of decoding, time limit or day of today; None keeps the recipe's own."""
        return replace(self, recipe=self.recipe.decoded(decoding, seconds=seconds, today=today))

    def merged_of(self, sources: Sequence[str]) -> "Run":
        """The same run with other sources under [merge], named as in the working folder; none keeps the recipe's."""
        return replace(self, recipe=self.recipe.merged_of(sources))

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

    def source_fingerprint(
        self,
        stage: str,
        source: str,
        fingerprint: Callable[[str], str | None],
        *,
        name: str | None = None,
        force: bool = False,
    ) -> str:
        """The fingerprint of a source; if it is gone, what the finished stage recorded of it.

        So a stage that is done needs no sources. `name` is that of the input in the record, if not the source's own.
        Without a record, a source whose fingerprint is None goes by its name. `force` uses no record.
        """
        spelled = self.spelled.get(source, source)
        known = self.record(stage)["inputs"].get(name or spelled) if self.is_done(stage) and not force else None
        gone = self.places.is_missing(spelled)
        try:
            with self.explained():
                found = fingerprint(source)
        except PlatypusError:
            if known is None:
                raise
            found, gone = None, True
        if found is None and known is not None and gone:
            say(f"{source}: is not there, so it is taken to be what the stage {stage} was made from")
        return found or known or source

    def check_sources(self) -> None:
        """Raise RunError if a stage that is not done yet will need a file or folder that is not there."""
        recipe = self.recipe
        needed = {
            "generate": [recipe.teacher.style] if recipe.teacher.style else [],
            "refine": [*recipe.refine.data, *recipe.refine.test, *recipe.refine.avoid],
            "train": [] if recipe.merge.of else [recipe.base],
            "merge": [recipe.base, *recipe.merge.of] if recipe.train.prefix != "frozen" else [],
        }
        for stage, sources in needed.items():
            for source in sources:
                name = self.spelled.get(source, source)
                if not self.is_done(stage) and self.places.is_missing(name):
                    raise RunError(
                        f"there is no such file or folder, and the stage {stage} needs it",
                        where=source,
                        remedy=self.places.explanation(name),
                    )

    def explained(self) -> AbstractContextManager[None]:
        """In the block, an error about a file or folder that the recipe names says where it was looked for."""
        return self.places.explained(self.spelled)

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
        inputs, settings = _renamed(inputs, self.spelled), _renamed(settings, self.spelled)
        key = _hash([stage, inputs, settings, self.recipe.seed])
        if not force and not is_writable(self.path) and self.is_done(stage) and self.record(stage)["key"] == key:
            return self.outcome(stage, skipped=True)
        with locked(self.path), self.explained():
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
            record |= {"seed": self.recipe.seed, "versions": versions(), "commit": commit()}
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
        unfinished = any(self.path.glob(".*.old")) or any(self.path.glob(f".*.partial/{RECORD}"))
        if unfinished and is_writable(self.path):
            with suppress(RunError), locked(self.path):
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


def _renamed(data: Any, names: Mapping[str, str]) -> Any:
    """JSON data with each text that is in `names` replaced, as a key or a value."""
    match data:
        case str():
            return names.get(data, data)
        case Mapping():
            return {names.get(key, key): _renamed(value, names) for key, value in data.items()}
        case list() | tuple():
            return [_renamed(value, names) for value in data]
        case _:
            return data


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


def versions() -> dict[str, str | None]:
    """The versions of the program, Python and the packages that compute; None for one that is not installed."""
    found: dict[str, str | None] = {"platypus": __version__, "python": python_version()}
    for package in ("torch", "transformers", "peft"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def commit() -> str | None:
    """The commit of the running sources, with `-dirty` if files differ from it; None outside a git checkout."""
    source = Path(__file__).parents[2]
    git = shutil.which("git")
    if git is None or not (source / ".git").exists():
        return None
    command = [git, "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None
