"""Where the rows of a source lie: in a file, in the files of a folder, in a folder saved by `datasets`, or on the hub.

    rows.jsonl                          a file
    folder, folder@test                 a split of a folder, `train` unless another is named
    folder:subset@split                 the same of a subset that the folder's card (README.md) declares
    owner/name:subset@split#revision    a data set on the hub, if there is no such file or folder

The files of a folder belong to splits by their names, or those of their folders, as for `datasets`; without such names
all are `train`. What the files hold is not looked at.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from platypus.data.hub import Splits, card_splits, download, hub_splits, load, load_saved
from platypus.errors import DatasetError
from platypus.files import expanded, say

SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
ADDRESS = re.compile(r"(?P<name>.+?)(?::(?P<subset>[^:@#/]+))?(?:@(?P<split>[^:@#/]+))?(?:#(?P<revision>[^:@#]+))?")
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")
HUB_PREFIX = re.compile(r"hf:/+datasets/|https?:/+huggingface\.co/datasets/")  # a Path keeps one slash of two
WORDS = {"train": "train|training", "validation": "validation|valid|dev|val", "test": "test|testing|eval|evaluation"}
SPLIT_WORDS = {split: re.compile(rf"(?:^|[-._ 0-9])(?:{words})(?:$|[-._ 0-9])") for split, words in WORDS.items()}
SHARD = re.compile(r"(?P<name>.*)-(?P<number>\d{5})-of-(?P<of>\d{5})\..*")
NO_ROWS = {"config.json", "dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json", "stage.json"}


class Address(NamedTuple):
    """The parts of a source's name: a path or the name on the hub, and what it asks for there.

    `on_hub` says that the name is one on the hub, as its address is written out.
    """

    name: str
    subset: str | None = None
    split: str | None = None
    revision: str | None = None
    on_hub: bool = False

    @property
    def may_be_on_hub(self) -> bool:
        """Whether it is looked up on the hub if there is no such file or folder: `owner/name`, if `owner` is none."""
        path = _path(self.name)
        is_path = path.suffix in (*SUFFIXES, *COMPRESSED) or path.exists() or path.parent.is_dir()
        return bool(self.on_hub or (HUB_NAME.fullmatch(self.name) and not is_path))


class SourceFile(NamedTuple):
    """A file of rows, and what it is called in messages."""

    path: Path
    name: str


@dataclass(frozen=True)
class Location:
    """The files of a source in order, or the `datasets.Dataset` with its rows.

    `numbered` means that rows go by their number in the source, not by file and line.
    """

    files: tuple[SourceFile, ...] = ()
    table: Any = None
    numbered: bool = False


def parse_address(source: str) -> Address:
    """The parts of a source's name. What exists as a file or folder has none, whatever letters are in its name."""
    if _path(source).exists():
        return Address(source)
    prefix = HUB_PREFIX.match(source)
    match = ADDRESS.fullmatch(source[prefix.end() :] if prefix else source)
    return Address(**match.groupdict(), on_hub=prefix is not None) if match else Address(source)


def locate(source: str) -> Location:
    """Where the rows of a source are; files on the hub are downloaded. Raises DatasetError if they cannot be found."""
    path = _path(source)
    if path.is_file():
        return Location((SourceFile(path, source),))
    address = parse_address(source)
    folder = _path(address.name)
    if folder.is_dir() and not address.on_hub:
        return _in_folder(folder, address, source)
    if not address.may_be_on_hub:
        raise _missing(address, source)
    say_on_hub(source, "looking it up on the hub")
    return _on_hub(address, source)


def _path(name: str) -> Path:
    return expanded(name, error=DatasetError, remedy="Give a file, a folder, or a name on the hub.")


def say_on_hub(source: str, doing: str) -> None:
    """Say that a source is taken for a name on the hub."""
    say(f"{source}: no such file or folder here; {doing}")


def _missing(address: Address, source: str) -> DatasetError:
    path = _path(address.name)
    if path.is_file():
        remedy = f'Write "{address.name}".'
        return DatasetError("is a file, which has no splits, subsets or revisions", where=source, remedy=remedy)
    within = "" if path.is_absolute() else f" in {Path.cwd()}"
    on_hub = f' For the hub write "hf://datasets/{address.name}".' if HUB_NAME.fullmatch(address.name) else ""
    return DatasetError(
        f"no such file or folder{within}",
        where=source,
        remedy=f'Give a file ({", ".join(SUFFIXES)}), a folder, or a name on the hub, "owner/name".{on_hub}',
    )


# ---------------------------------------------------------------- the hub


def _on_hub(address: Address, source: str) -> Location:
    splits = hub_splits(address.name, address.subset, address.revision, source=source)
    if isinstance(splits, Path):
        found = _in_folder(splits, address, source)
        return Location(tuple(SourceFile(path, f"{source}/{path.name}") for path, _ in found.files), numbered=True)
    if splits:
        chosen = splits[_split(splits, address, source)]
        if all(_holds_rows(PurePosixPath(name).name) for name in chosen):
            _check_shards(chosen, source)
            paths = download(chosen, source=source)
            names = [f"{source}/{PurePosixPath(name).name}" for name in chosen]
            return Location(tuple(map(SourceFile, paths, names)), numbered=True)
    split = address.split or "train"
    return Location(table=load(address.name, address.subset, split, address.revision, source=source), numbered=True)


# ---------------------------------------------------------------- folders


def _in_folder(folder: Path, address: Address, source: str) -> Location:
    """The files of one split of a folder."""
    if (folder / "dataset_dict.json").is_file():
        saved = _said(folder / "dataset_dict.json", "splits", source)
        folder /= _split(dict.fromkeys(saved or (), ()), address, source)
        address = address._replace(split=None)
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        return _saved(folder, address, source)
    declared = card_splits(folder, address.subset, source=source)
    if declared is None and address.subset:
        raise DatasetError(
            "has no subsets: it has no card (README.md) that declares any",
            where=source,
            remedy="Give the path of the folder with the subset's files.",
        )
    splits = declared or _splits_by_name(folder, source)
    chosen = splits[_split(splits, address, source)]
    _check_shards(chosen, source)
    root = folder.resolve()
    paths = [Path(name) for name in chosen]
    shown = [str(folder / path.relative_to(root)) if path.is_relative_to(root) else str(path) for path in paths]
    return Location(tuple(map(SourceFile, paths, shown)))


def _saved(folder: Path, address: Address, source: str) -> Location:
    """What `save_to_disk` has left in a folder."""
    split = _said(folder / "state.json", "_split", source)
    if address.split not in (None, split) or address.subset:
        what = "was saved by `save_to_disk` as one data set without splits or subsets"
        raise DatasetError(what, where=source, remedy=f'Write "{address.name}".')
    files = tuple(SourceFile(path, path.name) for path in sorted(folder.glob("*.arrow")))
    return Location(files, table=load_saved(folder, source=source), numbered=True)


def _said(file: Path, key: str, source: str) -> Any:
    """What a JSON file of `save_to_disk` says under a key."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))[key]
    except (ValueError, LookupError, TypeError) as error:
        what = f"is not what `save_to_disk` writes: {file.name} has no {key!r}"
        raise DatasetError(what, where=source, remedy="Save it again.") from error


def _splits_by_name(folder: Path, source: str) -> Splits:
    """The files with rows below a folder, by the splits that they are named after."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [name for name in names if not any(part.startswith((".", "_")) for part in name.parts)]
    rows = [name for name in names if _holds_rows(name.name)]
    if not rows:
        holds = ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
        raise DatasetError(
            f"holds no file with rows ({', '.join(SUFFIXES)}); it holds {holds or 'nothing'}",
            where=source,
            remedy="Give a folder with such files, or one saved by `save_to_disk`.",
        )
    splits = _sharded(rows) or _by_words(rows, folders=True) or _by_words(rows, folders=False) or {"train": rows}
    unread = {*rows} - {name for some in splits.values() for name in some}
    if unread:
        say(f"{source}: not read, as other files are named after splits: {', '.join(sorted(map(str, unread)))}")
    return {split: [str(folder / name) for name in some] for split, some in splits.items()}


def _sharded(names: Iterable[Path]) -> dict[str, list[Path]]:
    """The files `data/SPLIT-00000-of-00002.parquet`, by split."""
    splits: dict[str, list[Path]] = {}
    for name in names:
        shard = SHARD.fullmatch(name.name)
        if shard and name.parent == Path("data"):
            splits.setdefault(shard["name"], []).append(name)
    return splits


def _by_words(names: Iterable[Path], *, folders: bool) -> dict[str, list[Path]]:
    """The files by the split that one of their folders, or the file, is named after: `test/a.csv`, `my-test.csv`."""
    splits: dict[str, list[Path]] = {}
    for name in names:
        parts = name.parts[:-1] if folders else name.parts[-1:]
        named = [split for split, words in SPLIT_WORDS.items() if any(map(words.search, parts))]
        if named:
            splits.setdefault(named[0], []).append(name)
    return splits


def _holds_rows(name: str) -> bool:
    """Whether a file's name says that it holds rows: `a.jsonl`, `a.json.gz`."""
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return name.endswith(SUFFIXES) and name not in NO_ROWS


def _split(splits: Mapping[str, Sequence[str]], address: Address, source: str) -> str:
    """The split that is asked for, or `train`. Raises DatasetError that names the splits if there is no such split."""
    split = address.split or "train"
    if split in splits:
        return split
    plain = f"{address.name}:{address.subset}" if address.subset else address.name
    raise DatasetError(
        f"has no split {split!r}; its splits are {', '.join(splits)}",
        where=source,
        remedy=f'Name one: "{plain}@{next(iter(splits))}".',
    )


def _check_shards(names: Iterable[str], source: str) -> None:
    """Raises DatasetError if one of the files `NAME-00000-of-00003.SUFFIX` is missing."""
    found: dict[tuple[str, int], set[int]] = {}
    for name in names:
        shard = SHARD.fullmatch(PurePosixPath(name).name)
        if shard:
            found.setdefault((shard["name"], int(shard["of"])), set()).add(int(shard["number"]))
    for (name, of), numbers in found.items():
        missing = sorted({*range(of)} - numbers)
        if missing:
            what = f"{name}-{missing[0]:05}-of-{of:05} is missing: {len(numbers)} of {of} files are there"
            raise DatasetError(what, where=source, remedy="Copy or download the missing files.")
