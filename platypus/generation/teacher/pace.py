"""When the next question may be sent to an endpoint."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass
class Pace:
    """When the next question may be sent: at most `per_minute`, and none during a pause that the server asked for."""

    per_minute: float | None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    free: float = -math.inf

    async def turn(self) -> None:
        """Wait until a question may be sent."""
        now = self.clock()
        start = max(now, self.free)
        self.free = start + (60 / self.per_minute if self.per_minute else 0)
        if start > now:
            await self.sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Send no question for `seconds`."""
        self.free = max(self.free, self.clock() + seconds)
