"""What only the package `datasets` knows: data sets on the hub, cards that declare splits, saved folders.

Files of rows are found and downloaded here, but not read: `load_dataset` would guess one type for each column by the
first rows, and turn later values into it. Only data sets in formats that `platypus.data.sources` does not read are
loaded. If the hub cannot be reached, an earlier download is used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platypus.errors import DatasetError
from platypus.files import say

CARD_SPLITS = re.compile(r"^configs\s*:", re.MULTILINE)
CARDS = ("README.md", ".huggingface.yaml")

Splits = Mapping[str, Sequence[str]]  # paths or addresses of files


def hub_splits(name: str, subset: str | None, revision: str | None, *, source: str) -> Splits | Path:
    """The splits of a data set on the hub; the local folder with an earlier download if the hub cannot be reached.

    No splits are given for a data set that is not made of files. Raises DatasetError if there is no such data set.
    """
    with _datasets(source):
        from datasets import config, load_dataset_builder
    folder = _earlier_download(name, revision)
    if folder is not None and config.HF_HUB_OFFLINE:
        return _offline(folder, source)
    try:
        return _files(load_dataset_builder(name, subset, revision=revision))
    except ValueError as error:
        raise _unknown_subset(name, subset, source, revision) or _not_loaded(source, error) from error
    except Exception as error:  # any error of the network, the hub or the data set's files
        if folder is None or isinstance(error, FileNotFoundError):  # the latter is what the hub has answered
            raise _not_loaded(source, error) from error
        return _offline(folder, source)


def card_splits(folder: Path, subset: str | None, *, source: str) -> Splits | None:
    """The splits that the card of a local folder declares; None if it declares none."""
    cards = [folder / name for name in CARDS if (folder / name).is_file()]
    if not any(CARD_SPLITS.search(card.read_text(encoding="utf-8", errors="replace")) for card in cards):
        return None
    with _datasets(source):
        from datasets import load_dataset_builder
    try:
        return _files(load_dataset_builder(str(folder.resolve()), subset))
    except ValueError as error:
        raise _unknown_subset(str(folder.resolve()), subset, source) or _bad_card(source, error) from error
    except Exception as error:  # whatever a card can hold
        raise _bad_card(source, error) from error


def download(addresses: Sequence[str], *, source: str) -> list[Path]:
    """Local copies of files on the hub."""
    with _datasets(source):
        from datasets import DownloadManager
    try:
        return [Path(path) for path in DownloadManager(record_checksums=False).download(list(addresses))]
    except Exception as error:  # any error of the network or the hub
        raise _not_loaded(source, error) from error


def load(name: str, subset: str | None, split: str, revision: str | None, *, source: str) -> Any:
    """The `datasets.Dataset` of a data set on the hub that is not made of files of rows."""
    with _datasets(source):
        from datasets import load_dataset
    try:
        return load_dataset(name, subset, split=split, revision=revision)
    except Exception as error:  # any error of the network, the hub or the data set's files
        raise _not_loaded(source, error) from error


def load_saved(folder: Path, *, source: str) -> Any:
    """The `datasets.Dataset` that `save_to_disk` has saved in a folder."""
    with _datasets(source):
        from datasets import load_from_disk
    try:
        return load_from_disk(str(folder))
    except Exception as error:  # whatever is wrong with the files
        what = f"was saved by `save_to_disk`, but cannot be read: {_reason(error)}"
        raise DatasetError(what, where=source, remedy="Save it again, or give JSON Lines.") from error


@contextmanager
def _datasets(source: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DatasetError(
            "a folder saved by `datasets`, a card with splits, or a data set on the hub needs the package `datasets`",
            where=source,
            remedy="pip install 'platypus-llm[train]', or give a file.",
        ) from error


def _files(builder: Any) -> Splits:
    return {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}


def _offline(folder: Path, source: str) -> Path:
    say(f"{source}: the hub cannot be reached; reading the copy in {folder}")
    return folder


def _earlier_download(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
    except (OSError, HFValidationError):
        return None


def _unknown_subset(name: str, subset: str | None, source: str, revision: str | None = None) -> DatasetError | None:
    """The error that names the subsets of a data set, if one must be named or there is no such one."""
    from datasets import get_dataset_config_names

    try:
        names = list(get_dataset_config_names(name, revision=revision))
    except Exception:  # the caller has an error to raise already
        return None
    if subset in names or (subset is None and len(names) < 2):
        return None
    plain = re.split("[:@#]", source)[0]
    return DatasetError(
        f"{f'has no subset {subset!r}' if subset else 'has several subsets'}: {', '.join(names)}",
        where=source,
        remedy=f'Name one: "{plain}:{names[0]}".',
    )


def _bad_card(source: str, error: Exception) -> DatasetError:
    what = f"its card (README.md) declares files that cannot be found: {_reason(error)}"
    return DatasetError(what, where=source, remedy="Correct the card, or give the files themselves.")


def _not_loaded(source: str, error: Exception) -> DatasetError:
    return DatasetError(
        f"is no file or folder in {Path.cwd()}, and cannot be loaded from the hub: "
        f"{type(error).__name__}: {_reason(error)}",
        where=source,
        remedy="For a local source, check the path. For the hub, check the name and the connection, "
        "or download the file and give its path.",
    )


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
