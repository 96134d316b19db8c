"""Files: read a user's text file; write a file whole or not at all; bring it to the disk."""

import os
from pathlib import Path

from platypus.errors import PlatypusError


def read_text(
    path: Path, *, error: type[PlatypusError], remedy: str = "", resave: str = "Save the file as UTF-8."
) -> str:
    """The text of a user's file. Raises `error`: `remedy` where it cannot be read, `resave` where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as cause:
        raise error(f"cannot be read: {cause.strerror}", where=str(path), remedy=remedy) from cause
    except UnicodeDecodeError as cause:
        raise error("is not UTF-8 text", where=str(path), remedy=resave) from cause


def write_whole(path: Path, text: str) -> None:
    """Write a whole file or nothing, and leave it on the disk for good."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    sync(new)
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file or folder to the disk for good."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
