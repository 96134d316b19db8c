"""The files of a run that go to the hub, and what its base is called there. Raises if the run is not complete.

Names of this machine's folders are taken out of the small files. Knows no hub.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platypus.data.locations import HUB_NAME
from platypus.errors import ModelError, RunError
from platypus.files import expanded
from platypus.inference.opening import is_merged
from platypus.run.definition import CATALOGUE
from platypus.run.folder import Run
from platypus.run.provenance import PROVENANCE, header_of

What = Literal["merged", "adapter", "both"]
BESIDE = "adapter/"  # where the adapter is, beside a merged model


@dataclass(frozen=True)
class Content:
    """The files by their names in the repository: paths, or the bytes of those that are changed.

    `base` is what others call the base: a hub name, "embedded", or the last part of a folder's name. `local_names` are
    names of folders on this machine that stand in the header of weights.
    """

    what: What
    base: str
    files: Mapping[str, Path | bytes]
    local_names: tuple[str, ...] = ()

    @property
    def base_on_hub(self) -> str | None:
        """The base's name on the hub, if it has one."""
        return self.base if HUB_NAME.fullmatch(self.base) else None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.stat().st_size if isinstance(part, Path) else len(part) for part in self.files.values())


def content_of(run: Run, *, what: What, base: str | None = None) -> Content:
    """What `what` means for this run. `base` is what its base is called on the hub, if the recipe names a folder.

    Raises RunError if a stage is missing, or was made from an older state of another one.
    """
    _check_complete(run, what)
    name = _base_name(run, base, what)
    files: dict[str, Path | bytes] = {}
    if what != "adapter":
        files |= _files(run.folder("merge") / "model", "", name)
    if what != "merged":
        files |= _files(run.folder("train") / "adapter", BESIDE if what == "both" else "", name)
    if run.catalogue is not None:
        files[CATALOGUE] = run.path / CATALOGUE
    return Content(what, name, files, tuple(sorted({local for path in files.values() for local in _local_names(path)})))


def is_frozen(run: Run) -> bool:
    """Whether the run's adapter acts only behind its tools, so that it has no merge."""
    return run.is_done("train") and run.record("train")["settings"]["train"].get("prefix") == "frozen"


def _check_complete(run: Run, what: What) -> None:
    if what != "adapter":
        if is_frozen(run) and not run.is_done("merge"):
            raise RunError(
                'its adapter has prefix = "frozen" and cannot be merged',
                where=str(run.path),
                remedy="Push the adapter alone: --what adapter",
            )
        run.folder("merge")
        if not is_merged(run):
            raise _stale(run, "merge", "train")
    if what != "merged" and not run.is_done("train") and run.is_done("merge"):
        raise RunError(
            "it is merged from others, and has no adapter of its own",
            where=str(run.path),
            remedy="Push the merged model: --what merged",
        )
    if what != "merged":
        run.folder("train")
    if run.is_done("train"):
        _check_inputs(run, "train", ("refine",))
    model = "merge" if is_merged(run) else "train"
    _check_inputs(run, "evaluate", ("refine", model))


def _check_inputs(run: Run, stage: str, inputs: tuple[str, ...]) -> None:
    """Raises RunError if a stage was made from an older state of these, or of others, or is not done."""
    known = run.record(stage)["inputs"]
    for name in inputs:
        if known.get(name) != run.fingerprint(name):
            raise _stale(run, stage, name)


def _stale(run: Run, stage: str, other: str) -> RunError:
    return RunError(
        f"the stage {stage!r} was not made from what {other!r} holds now, so a card would say what is not so",
        where=str(run.path),
        remedy=f"Run first: platypus {stage} {run.path}",
    )


def _base_name(run: Run, given: str | None, what: What) -> str:
    spelled = given or run.spelled.get(run.recipe.base, run.recipe.base)
    if given is not None and not HUB_NAME.fullmatch(given):
        raise RunError("is not the name of a model on the hub", where=f"--base {given}", remedy="Say OWNER/NAME.")
    if given or spelled == "embedded":
        return spelled
    is_folder = spelled in run.places.found or expanded(run.recipe.base, error=ModelError).exists()
    if HUB_NAME.fullmatch(spelled) and not is_folder:
        return spelled
    if what == "merged":
        return Path(spelled).name
    raise RunError(
        f"the base of its adapter is a folder, {spelled}, which others don't have",
        where=str(run.path),
        remedy="Say what it is called on the hub: --base OWNER/NAME; or push the merged model: --what merged",
    )


def _files(folder: Path, prefix: str, base: str) -> Iterator[tuple[str, Path | bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            rename = RENAMED.get(path.name)
            yield prefix + path.relative_to(folder).as_posix(), rename(path, base) if rename else path


def _with_base(key: str) -> Callable[[Path, str], bytes]:
    return lambda path, base: _json(json.loads(path.read_text(encoding="utf-8")) | {key: base})


def _provenance(path: Path, base: str) -> bytes:
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["base"]["source"] = base
    for source in facts["sources"]:
        if Path(source["source"]).is_absolute():
            source["source"] = Path(source["source"]).name
    return _json(facts)


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


RENAMED: Mapping[str, Callable[[Path, str], bytes]] = {
    "adapter_config.json": _with_base("base_model_name_or_path"),
    "platypus.json": _with_base("base"),
    PROVENANCE: _provenance,
}


def _local_names(path: Path | bytes) -> Iterator[str]:
    if isinstance(path, Path) and path.suffix == ".safetensors" and (facts := header_of(path)):
        named = [facts["base"]["source"], *(source["source"] for source in facts["sources"])]
        yield from (name for name in named if Path(name).is_absolute())
