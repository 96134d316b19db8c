"""How many cores there are, and work that several threads or processes do ahead of whoever uses it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def cores() -> int:
    """The number of cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(pool: Executor, work: Callable[[Item], Done], items: Iterable[Item], *, ahead: int) -> Iterator[Done]:
    """What `work` makes of each item, in the items' order; at most `ahead` of them wait or are worked on meanwhile."""
    waiting: deque[Future[Done]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
