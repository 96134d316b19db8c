"""Fingerprints of sources of rows: equal as long as the content is, whatever its name."""

import hashlib
from pathlib import Path

from platypus.data.locations import Address, parse_address, say_on_hub
from platypus.errors import DatasetError
from platypus.files import expanded

TIMEOUT = 10.0  # seconds for the hub's answer


def source_fingerprint(source: str) -> str | None:
    """Return 16 hex digits for a file or folder: of a folder, all files count with their names, but hidden ones.

    For a data set on the hub, the commit of its revision: the present one, else that of the copy on this machine.
    None if nothing is known of the content, as there is no such file or folder, or no connection.
    """
    path = expanded(source, error=DatasetError)
    if path.is_file():
        return _digest(path)[:16]
    address = parse_address(source)
    folder = expanded(address.name, error=DatasetError)
    if not address.on_hub and folder.is_dir():
        return _folder_fingerprint(folder)
    if not address.may_be_on_hub:
        return None
    say_on_hub(source, "asking the hub for its revision")
    return _hub_revision(address)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()}\0{_digest(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _hub_revision(address: Address) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    revision = address.revision or "main"
    try:
        return HfApi().dataset_info(address.name, revision=revision, timeout=TIMEOUT).sha
    except Exception:  # no connection, no such data set, no access: reading it says which
        folder = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=address.name, repo_type="dataset")
        known = folder / "refs" / revision
        return known.read_text(encoding="utf-8").strip() if known.is_file() else None
