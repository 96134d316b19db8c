"""A live MCP server as a back end, through the official SDK.

One task holds the session, since the SDK's scopes are bound to the task that opened them; calls come from any task,
many at a time. A server that has died is started again for the next call. Results are taken as they come: what flows
into an argument is checked there.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from typing import Any, TextIO, cast

from platypus.catalogue.sources.mcp_server import Opened, Server, explained, first_error, open_session, quiet
from platypus.catalogue.sources.source import missing
from platypus.errors import PlatypusError
from platypus.execution.back_ends.back_end import CallFailed, without_words
from platypus.execution.results import MISSING, ToolResult

CLOSED = -32000  # the SDK's code for a connection that has ended
SHOWN = 300  # letters of a server's error


class McpBackEnd:
    """One server. `start_timeout`: seconds within which it has to start and to list its tools."""

    def __init__(self, server: Server, name: str, *, prefix: str = "", start_timeout: float = 60.0) -> None:
        self.server, self.name, self.prefix, self.start_timeout = server, name, prefix, start_timeout
        self._opened: Opened | None = None
        self._listed: dict[str, Any] = {}
        self._judged: Mapping[str, Any] = {}
        self._holding: asyncio.Task[None] | None = None
        self._end = asyncio.Event()
        self._lock = asyncio.Lock()

    def may_have(self, tool: str) -> bool:
        """Whether the tool's name begins as those of this server do."""
        return tool.startswith(self.prefix)

    async def open(self) -> None:
        """Start the server and list its tools. Raises CatalogueError with the end of its stderr."""
        await self._start()
        self._judged = self._listed

    async def _start(self) -> None:
        try:
            import mcp  # noqa: F401
        except ImportError as error:
            raise missing("mcp", self.server.where) from error
        async with self._lock:
            if self._opened is None:
                self._end, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
                self._holding = asyncio.create_task(self._hold(ready, self._end))
                await ready

    async def _hold(self, ready: "asyncio.Future[None]", end: asyncio.Event) -> None:
        """Keep the session until the end of the server or of its use."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file, quiet():
            log = cast(TextIO, file)
            try:
                async with asyncio.timeout(self.start_timeout) as limit, open_session(self.server, log) as opened:
                    self._listed = {
                        tool["name"]: tool for tool in await opened.tools() if isinstance(tool, dict) and "name" in tool
                    }
                    limit.reschedule(None)
                    self._opened = opened
                    ready.set_result(None)
                    await end.wait()
            except Exception as error:  # whatever fails in a server or on the way to it
                if not ready.done():
                    told = explained(error, self.server, log, self.start_timeout)
                    if isinstance(first_error(error), TimeoutError):
                        told.remedy = f"{told.remedy} Or give it more time: `start_timeout` under [execute].".strip()
                    ready.set_exception(told)
            finally:
                self._opened = None
                if not ready.done():
                    ready.cancel()

    def definitions(self) -> Mapping[str, Any]:
        """The tools as the server listed them when it was opened."""
        return self._listed

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """The result of a call; the server is started again if it has died. Raises CallFailed."""
        from mcp import types
        from mcp.shared.exceptions import MCPError
        from pydantic import ValidationError

        opened = await self._ready()
        is_new = self._listed is not self._judged  # it was started again
        if is_new and without_words(self._listed.get(tool)) != without_words(self._judged.get(tool)):
            what = f"the server was started again, and its {tool!r} is no longer as it was judged"
            raise CallFailed("unsent", f"{what}: --resume judges it anew")
        parameters = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        try:
            result = await opened.session.send_request(types.CallToolRequest(params=parameters), types.CallToolResult)
        except MCPError as error:
            what = self.server.variables.hide(str(error))[:SHOWN]
            if error.code == CLOSED:
                await self._leave(opened)
                raise CallFailed("lost", f"the server has ended: {what}", may_help=True) from error
            raise CallFailed("refused", f"the server refuses the call: {what}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            what = f"the server answers with what is no result of a tool ({place}: {first['msg']})"
            raise CallFailed("garbage", what) from error
        except Exception as error:  # the transports let errors of HTTP and of streams through
            await self._leave(opened)
            what = self.server.variables.hide(f"{type(first_error(error)).__name__}: {first_error(error)}")[:SHOWN]
            raise CallFailed("lost", f"the server cannot be reached: {what}", may_help=True) from error
        return _read(result)

    async def _ready(self) -> Opened:
        try:
            await self._start()
        except PlatypusError as error:
            raise CallFailed("unsent", f"the server does not start again: {error}", may_help=True) from error
        opened = self._opened
        if opened is None:
            raise CallFailed("unsent", "the server has ended", may_help=True)
        return opened

    async def _leave(self, failed: Opened) -> None:
        """End the session that failed, unless another call did so: the next one may be under way already."""
        if self._opened is failed:
            await self.close()

    async def close(self) -> None:
        """End the session, and the server if it was started for it; one that is still starting is not awaited."""
        holding, opened, self._holding, self._opened = self._holding, self._opened, None, None
        if holding is not None:
            self._end.set()
            if opened is None:
                holding.cancel()
            await asyncio.wait([holding])


def _read(result: Any) -> ToolResult:
    """The SDK's result as plain data; text in resources counts as text."""
    texts, others = [], []
    for block in result.content:
        text = getattr(getattr(block, "resource", block), "text", None)
        if isinstance(text, str):
            texts.append(text)
        else:
            others.append(block.type)
    structured = result.structured_content if "structured_content" in result.model_fields_set else MISSING
    if structured is None and texts:  # servers write null for none; if it is the result, the text says so too
        structured = MISSING
    if structured is MISSING and not result.content:  # nothing at all is null, not an empty text
        structured = None
    return ToolResult(structured, "\n".join(texts), result.is_error, tuple(others))
