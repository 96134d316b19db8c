"""One process at a time works in a run's folder; a few commands are for several. Reading needs no lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platypus.errors import RunError

LOCK = ".lock"
SHARED = ("train", "base")  # commands that processes started by torchrun work on together


def check_processes(command: str | None) -> None:
    """Raise RunError if several processes were started for a command that is for one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1 and command not in SHARED:
        raise RunError(
            f"`{command}` is for one process, but {count} were started",
            remedy="Run it without torchrun. The stage for several processes is train, after generate and refine:"
            " torchrun --nproc-per-node=N -m platypus train RUN",
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the run for this process. The system releases the lock when the process ends, however it ends."""
    if not is_writable(folder):
        raise RunError(
            "the folder is read-only, so nothing can be done in it",
            where=str(folder),
            remedy="Copy it to another place, or change its permissions. What is done can be read as it is: show, plan,"
            " chat.",
        )
    with (folder / LOCK).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            process = file.read()  # empty if the other one has only just begun
            raise RunError(
                f"{f'process {process}' if process else 'another process'} is working on this run",
                where=str(folder),
                remedy="Wait for it, or stop it.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_writable(folder: Path) -> bool:
    """Whether this process may work in the folder."""
    lock = folder / LOCK
    return os.access(folder, os.W_OK) and (not lock.exists() or os.access(lock, os.W_OK))
