"""Server: the planners of a process, the thread that computes, and what all endpoints share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from platypus.errors import PlatypusError
from platypus.serving.asking import Asking, Question
from platypus.serving.batching import RETRY, Engine
from platypus.serving.calls import References
from platypus.serving.errors import ApiError
from platypus.serving.keys import Keys
from platypus.serving.limits import Limits
from platypus.serving.metrics import Metrics, log
from platypus.serving.planners import Planners, Served

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Options:
    """How a server is reached and what it tells.

    `hosts` are the names it answers to (None: any); `references` holds for clients that do not say how they want calls
    that need earlier results. `execute`: it runs plans as well.
    """

    limits: Limits = field(default_factory=Limits)
    keys: Keys | None = None
    hosts: tuple[str, ...] | None = LOOPBACK
    log_requests: bool = False
    quiet: bool = False
    references: References = "keep"
    execute: bool = False


class Server:
    """The planners of this process, and what their endpoints share."""

    def __init__(self, planners: Planners, options: Options) -> None:
        self.planners, self.options, self.limits = planners, options, options.limits
        self.engine = Engine(options.limits)
        self.asking = Asking(planners, self.engine)
        self.metrics = Metrics(planners, self.engine)
        self.warm = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Warm up beside the first requests; at the end, finish what was accepted."""
        warming = asyncio.create_task(self._warm())
        try:
            yield
        finally:
            await self.engine.close()
            warming.cancel()

    async def _warm(self) -> None:
        """Warm up, again where it was only not its turn."""
        while True:
            try:
                await self.asking.warm()
                self.warm = True
                return
            except (ApiError, PlatypusError) as error:
                log("not ready", error=str(error))
                if self.engine.closing or not (isinstance(error, ApiError) and error.status in (429, 503)):
                    return
            await asyncio.sleep(RETRY)

    async def ask(self, body: Any, question: Callable[[Any, Limits], Question]) -> tuple[Served, Question]:
        """The planner and the question of a request to an OpenAI endpoint."""
        served = self.planners.named(body.model)
        asked = await anyio.to_thread.run_sync(question, body, self.limits)
        if self.options.log_requests:
            log("question", model=served.name, request=asked.request)
        return served, replace(asked, references=asked.references or self.options.references)
