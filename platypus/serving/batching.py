"""Batching: one thread computes all answers; requests over one catalogue are decoded together.

A request may join a batch at any time, and leaves it when it is answered. Where requests over several catalogues, or
searches for several plans, are open at once, each gets a pass of the model in turn. A request over its time is ended in
the shortest valid way, one whose client is gone at once. What a request means is not known here.
"""

import asyncio
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platypus.decoding.results import DecodingProgress
from platypus.serving.errors import ApiError
from platypus.serving.limits import Limits

if TYPE_CHECKING:
    from platypus.decoding.decoder import Decoder
    from platypus.decoding.state import Decoding

PREPARING = 0.02  # seconds of preparing requests between two passes of the model
GRACE = 2.0  # seconds in which a plan over its time is ended
RETRY = 1.0  # seconds after which a refused client may try again


@dataclass(frozen=True)
class Begun:
    """A request that is ready to be decoded: its decoder, what begins it, and what has to be set for its model first.

    `begin` gets the seconds that are left and a number, and may raise PlatypusError.
    """

    decoder: "Decoder"
    begin: Callable[[float, int], "Decoding"]
    activate: Callable[[], None]


@dataclass(eq=False)
class Job:
    """Something to be computed: a `call`, whose result is the last update; or, if that is `Begun`, its decoding.

    `report` hands an update to whoever waits; the last one is the decoding, the result or an exception. `begun` once
    its turn has come.
    """

    call: Callable[[], Any]
    deadline: float
    report: Callable[[Any, bool], None]
    watched: bool = False
    cancelled: bool = False
    begun: bool = False
    decoding: "Decoding | None" = None


@dataclass(eq=False)
class _Group:
    """The requests of one decoder: those that wait, those that are being decoded, and the passes of the model."""

    decoder: "Decoder"
    waiting: deque[tuple[Job, Begun]] = field(default_factory=deque)
    active: dict[int, Job] = field(default_factory=dict)
    passes: Iterator[list[DecodingProgress]] | None = None
    activate: Callable[[], None] = lambda: None


class Engine:
    """The thread that computes, and the jobs that wait for it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        self.passes = 0
        self.closing = False
        self._numbers = itertools.count()
        self._arrived: deque[Job] = deque()
        self._groups: dict[int, _Group] = {}
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ for those who wait

    async def compute(self, call: Callable[[], Any], *, deadline: float | None = None) -> Any:
        """The result of a call on the thread; of a request that is `Begun`, its decoding once it has ended.

        Raises what the call raises, and ApiError 429 or 503 if it is not accepted.
        """
        async for update in self.updates(call, deadline=deadline, watched=False):
            return update

    async def updates(
        self, call: Callable[[], Any], *, deadline: float | None = None, watched: bool = True
    ) -> AsyncGenerator[Any]:
        """The progress of a request after each pass, if `watched`, and at last its decoding. Closing cancels it."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[tuple[Any, bool]]()

        def report(update: Any, last: bool) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, (update, last))

        job = Job(call, math.inf if deadline is None else deadline, report, watched)
        self._accept(job)
        try:
            last = False
            while not last:
                update, last = await self._next_update(queue, job)
                if isinstance(update, BaseException):
                    raise update
                yield update
        finally:
            job.cancelled = True

    async def _next_update(self, queue: "asyncio.Queue[tuple[Any, bool]]", job: Job) -> tuple[Any, bool]:
        """The next update. Raises ApiError 503 well after its time, where the thread is busy for so long."""
        left = None if math.isinf(job.deadline) else max(0.0, job.deadline - time.monotonic()) + GRACE
        try:
            async with asyncio.timeout(left):
                return await queue.get()
        except TimeoutError as error:
            raise _late(job) from error

    def _accept(self, job: Job) -> None:
        with self._changed:
            if self.closing:
                raise ApiError(503, "the server is shutting down", code="shutting_down", wait=RETRY)
            if self.open >= self.limits.queue:
                what = f"{self.open} requests are open, and this server takes no more at a time"
                raise ApiError(429, what, code="queue_full", wait=RETRY)
            self.open += 1
            self._arrived.append(job)
            self._changed.notify_all()

    async def close(self) -> None:
        """Take nothing new, finish what was accepted, and end the thread."""
        with self._changed:
            self.closing = True
            self._changed.notify_all()
        while self.open:
            await asyncio.sleep(0.01)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join)

    # ------------------------------------------------------------ the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._arrived or self._groups or self._ended):
                    self._changed.wait()
                if self._ended:
                    return
            begun = time.monotonic()
            while self._arrived and time.monotonic() - begun < PREPARING:
                self._prepare(self._arrived.popleft())
            for group in list(self._groups.values()):
                self._pass(group)

    def _prepare(self, job: Job) -> None:
        """Make the call, and put a request that it began into the group of its decoder."""
        if job.cancelled:
            self._end(job, None)
        elif time.monotonic() > job.deadline:
            self._end(job, _late(job))
        else:
            job.begun = True
            try:
                result = job.call()
            except Exception as error:  # whatever a request brings about must not end the thread
                self._end(job, error)
                return
            if not isinstance(result, Begun):
                self._end(job, result)
                return
            group = self._groups.setdefault(id(result.decoder), _Group(result.decoder))
            group.activate = result.activate
            group.waiting.append((job, result))

    def _pass(self, group: _Group) -> None:
        """One pass of the model for the requests of a group."""
        for job in group.active.values():
            if job.cancelled and job.decoding is not None:
                for row in job.decoding.rows:
                    row.deadline = -math.inf
        if group.passes is None:
            group.passes = group.decoder.run(lambda: self._next(group), batch_size=self.limits.batch)
        try:
            group.activate()
            progresses = next(group.passes, None)
        except Exception as error:
            group.passes = None  # which gives the decoder's cache back
            del self._groups[id(group.decoder)]
            for job in [*group.active.values(), *(job for job, _ in group.waiting)]:
                self._end(job, error)
            return
        self.passes += 1
        for progress in progresses or ():
            job = group.active[progress.index]
            if progress.decoded is not None:
                self._end(group.active.pop(progress.index), job.decoding)
            elif job.watched:
                job.report(progress, False)
        if progresses is None:
            group.passes = None
            if not group.waiting:
                del self._groups[id(group.decoder)]

    def _next(self, group: _Group) -> "Decoding | None":
        """The next request of a group that can begin."""
        while group.waiting:
            job, begun = group.waiting.popleft()
            left = job.deadline - time.monotonic()
            if job.cancelled or left <= 0:
                self._end(job, None if job.cancelled else _late(job))
                continue
            number = next(self._numbers)
            try:
                job.decoding = begun.begin(left, number)
            except Exception as error:
                self._end(job, error)
                continue
            group.active[number] = job
            return job.decoding
        return None

    def _end(self, job: Job, result: Any) -> None:
        """Report the last update of a job."""
        with self._changed:
            self.open -= 1
        job.report(result, True)


def _late(job: Job) -> ApiError:
    waited = "the request waited for its turn until its time was over"
    what = "the time was over before the request was answered" if job.begun else waited
    return ApiError(503, what, code="timeout", wait=RETRY)
