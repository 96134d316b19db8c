"""Processes with torch already imported (a fork server), so that commands or several ranks start within a second.

What runs in them must be a function at the top of a module, with picklable arguments and results.
"""

import gc
import multiprocessing
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from platypus.cli import main
from tests.support import tiny_models  # noqa: F401  # so that it is already imported in each child
from tests.support.command import Ran

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__, "platypus.commands.train", "tests.training.test_distributed"])
SECONDS = 300  # time limit of each process, for a machine with much else to do


def command(
    log: Path, *words: object, out: Path | None = None, before: Callable[[], None] | None = None
) -> ForkServerProcess:
    """Start the command in a process of its own; `before` runs in it first.

    Its output goes to `log`, or only its standard error if there is `out` for its standard output.
    """
    process = _SERVER.Process(target=_main, args=(log, out or log, [str(word) for word in words], before))
    process.start()
    return process


def exit_code(process: ForkServerProcess) -> int | None:
    """Wait for the process to end. Fails after SECONDS."""
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"the process did not end within {SECONDS} s")
    return process.exitcode


def command_together(folder: Path, *words: object, ranks: int) -> list[Ran]:
    """What the command did in several processes, by rank: joined as by torchrun, and ended once one has failed."""
    port, files = _free_port(), [(folder / f"out-{rank}", folder / f"err-{rank}") for rank in range(ranks)]
    processes = [
        command(err, *words, out=out, before=partial(_join, rank, ranks, port)) for rank, (out, err) in enumerate(files)
    ]
    try:
        any(exit_code(process) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.join()
    ended = zip(processes, files, strict=True)
    return [Ran(process.exitcode or 0, out.read_text(), err.read_text()) for process, (out, err) in ended]


def together(work: Callable[..., Any], *arguments: Any, ranks: int) -> list[Any]:
    """The results of `work`, by rank, in several processes that are joined by torch.distributed with gloo."""
    port = _free_port()
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


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _join(rank: int, ranks: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _main(log: Path, out: Path, words: list[str], before: Callable[[], None] | None) -> None:
    _quiet(out, log)
    if before:
        before()
    main(words)


def _rank(rank: int, ranks: int, port: int, result: Any, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _quiet(Path(os.devnull), Path(os.devnull))
    _join(rank, ranks, port)
    try:
        done = work(*arguments)
        if torch.distributed.is_initialized():  # unless the work has left the group itself
            torch.distributed.barrier()
        result.send_bytes(pickle.dumps((False, done)))  # send() would share tensors, whose owner ends here
    except Exception:
        result.send_bytes(pickle.dumps((True, f"rank {rank}: {traceback.format_exc()}")))


def _quiet(out: Path, err: Path) -> None:
    gc.freeze()  # the imported modules: a collection would look at all, and so copy the memory that the processes share
    torch.set_num_threads(1)
    for number, path in ((1, out), (2, err)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
