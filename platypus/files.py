"""Read a user's text file; write a file completely or not at all; flush files to disk; the folder for state; say what
else is to be known."""

import os
import sys
from functools import lru_cache
from pathlib import Path

from platypus.errors import PlatypusError

SHOWN = 80  # characters of a name that cannot be looked up


def read_text(
    path: Path, *, error: type[PlatypusError], remedy: str = "", resave: str = "Save the file as UTF-8."
) -> str:
    """The text of a user's file, without a BOM.

    Raises `error`, with `remedy` if it cannot be read, `resave` if it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise error(f"cannot be read: {cause.strerror}", where=str(path), remedy=remedy) from cause
    except UnicodeDecodeError as cause:
        raise error("is not UTF-8 text", where=str(path), remedy=resave) from cause


def expanded(name: str, *, error: type[PlatypusError], remedy: str = "Name another file or folder.") -> Path:
    """The path that a user names, with the home folder for `~`. Raises `error` for a name that the system refuses."""
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError) as cause:  # a name that is too long, or of no user
        why = cause.strerror if isinstance(cause, OSError) else str(cause).removesuffix(".")
        shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}…"
        raise error(f"cannot be looked up: {why}", where=shown, remedy=remedy) from cause
    return path


def write_whole(path: Path, text: str) -> None:
    """Write the file completely or not at all, and flush it to disk."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    sync(new)
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or folder to disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def state_folder() -> Path:
    """The user's folder for what belongs to no run, as the XDG Base Directory Specification names it."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "platypus"


def say(text: str) -> None:
    """Tell the user, on standard error. Of several processes, only the first one speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)


@lru_cache
def say_hub(name: str) -> None:
    """Tell the user, once, that a name is looked up on the hub since there is no file or folder of this name."""
    say(f"{name}: there is no such file or folder, so it is looked up on the hub")
