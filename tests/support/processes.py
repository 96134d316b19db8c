"""Processes with torch already imported (a fork server), so that commands or several ranks start within a second.

What runs in them must be a function at the top of a module, with picklable arguments and results.
"""

import multiprocessing
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from platypus.cli import main
from tests.support import tiny_models  # noqa: F401  # so that it is already imported in each child

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__, "platypus.commands.train", "tests.training.test_distributed"])
SECONDS = 60  # time limit of each process


def command(log: Path, *words: object, before: Callable[[], None] | None = None) -> ForkServerProcess:
    """Start the command in a process of its own. Its output goes to `log`; `before` runs in it first."""
    process = _SERVER.Process(target=_main, args=(log, [str(word) for word in words], before))
    process.start()
    return process


def exit_code(process: ForkServerProcess) -> int | None:
    """Wait for the process to end. Fails after SECONDS."""
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"the process did not end within {SECONDS} s")
    return process.exitcode


def together(work: Callable[..., Any], *arguments: Any, ranks: int) -> list[Any]:
    """The results of `work`, by rank, in several processes that are joined by torch.distributed with gloo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pipes, processes = [], []
    for rank in range(ranks):
        ours, theirs = _SERVER.Pipe(duplex=False)
        pipes.append(ours)
        processes.append(_SERVER.Process(target=_rank, args=(rank, ranks, port, theirs, work, arguments)))
        processes[-1].start()
        theirs.close()
    try:
        results = []
        for pipe in pipes:
            assert pipe.poll(SECONDS), "a process hangs"
            failed, result = pickle.loads(pipe.recv_bytes())
            assert not failed, result
            results.append(result)
        return results
    finally:
        for process in processes:
            process.kill()
            process.join()


def _main(log: Path, words: list[str], before: Callable[[], None] | None) -> None:
    _quiet(log)
    if before:
        before()
    main(words)


def _rank(rank: int, ranks: int, port: int, result: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _quiet(Path(os.devnull))
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        done = work(*arguments)
        if torch.distributed.is_initialized():  # unless the work has left the group itself
            torch.distributed.barrier()
        result.send_bytes(pickle.dumps((False, done)))  # send() would share tensors, whose owner ends here
    except Exception:
        result.send_bytes(pickle.dumps((True, f"rank {rank}: {traceback.format_exc()}")))


def _quiet(log: Path) -> None:
    torch.set_num_threads(1)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
