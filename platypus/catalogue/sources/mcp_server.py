"""A live MCP server, through the official SDK: a command that talks over stdin and stdout, or a URL.

    mcp:npx -y @modelcontextprotocol/server-filesystem ${HOME}/notes
    https://host/mcp            streamable HTTP
    https://host/sse            the older transport with server-sent events, where the path ends so

The command gets the whole environment, and runs in the working folder. The server is asked for its tools, page by page,
and then ended; none is called. A definition is taken as the server sends it, also if the SDK's own types refuse it.
Model Context Protocol 2024-11-05 to 2026-07-28: `initialize` is tried first, since servers that do not know
`server/discover` often leave it unanswered.
"""

import logging
import os
import shlex
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

from platypus.catalogue.sources.source import MCP, Source, SourceFormat, is_live, missing, shown, url_parts
from platypus.catalogue.sources.tool_lists import chosen_tools
from platypus.catalogue.sources.variables import Variables
from platypus.errors import CatalogueError

SECONDS = 60.0  # within which a server has to start and to list its tools
STDERR = 1500  # letters of the end of a server's stderr that a message shows
NEWER = (-32022, -32601, -32600, -32602)  # how `initialize` is refused where only `server/discover` is known


@dataclass(frozen=True)
class Server:
    """How one server is reached: by a command with its arguments, or at a URL. `where` is its name in messages."""

    where: str
    variables: Variables
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_sse: bool = False


def recognises(source: Source) -> bool:
    """Whether it is `mcp:COMMAND` or a URL."""
    return is_live(source.name)


def definitions(source: Source) -> list[Any]:
    """The server's tools. Raises CatalogueError if it cannot be reached, or refuses, or takes too long."""
    return chosen_tools(list_tools(server_of(source)), source)


def server_of(source: Source) -> Server:
    """How the server is reached that a source names. Raises CatalogueError for a name that is none."""
    variables = Variables(os.environ, source.where)
    if not source.name.startswith(MCP):
        url = variables.expand(source.name)
        if url_parts(url).path.endswith((".json", ".yaml", ".yml")):
            what, remedy = "is the URL of a document, not of an MCP server", "Download it, and name the file."
            raise CatalogueError(what, where=source.where, remedy=remedy)
        return Server(source.where, variables, url=url, is_sse=is_sse(url))
    try:
        command = tuple(variables.expand(word) for word in shlex.split(source.name.removeprefix(MCP)))
    except ValueError as error:
        raise CatalogueError(f"is not a command: {error}", where=source.where, remedy="Close the quotes.") from error
    if not command:
        raise CatalogueError("names no command", where=source.where, remedy="Write mcp:COMMAND with its arguments.")
    return Server(source.where, variables, command=command)


def is_sse(url: str) -> bool:
    """Whether the URL's path ends as that of the older transport does by custom."""
    return url_parts(url).path.rstrip("/").endswith("/sse")


def list_tools(server: Server, *, seconds: float = SECONDS) -> list[Any]:
    """All pages of the server's tools, as it sends them. Raises CatalogueError, with the end of its stderr."""
    try:
        import anyio
        import mcp  # noqa: F401
    except ImportError as error:
        raise missing("mcp", server.where) from error
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log, quiet():
        try:
            return anyio.run(_ask, server, cast(TextIO, log), seconds)
        except Exception as error:  # whatever fails in a server or on the way to it
            raise explained(error, server, cast(TextIO, log), seconds) from None


async def _ask(server: Server, log: TextIO, seconds: float) -> list[Any]:
    import anyio

    with anyio.fail_after(seconds):
        async with open_session(server, log) as opened:
            return await opened.tools()


@dataclass(frozen=True)
class Opened:
    """A session with a server, as the SDK has it, and what keeps the server's answers as they were sent."""

    session: Any
    dispatcher: Any

    async def tools(self) -> list[Any]:
        """The tools of all pages, as the server sends them. Nothing else may be asked meanwhile."""
        return await _pages(self.session, self.dispatcher)


@asynccontextmanager
async def open_session(server: Server, log: TextIO) -> AsyncIterator[Opened]:
    """A session with the server, which is started for it and ended with it; `log` gets what it writes to stderr."""
    from mcp import ClientSession
    from mcp.shared.exceptions import MCPError
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher

    class Keeping(JSONRPCDispatcher):
        """Keeps each answer as it was sent: the session refuses a page for one tool that its types do not allow."""

        answer: Mapping[str, Any] = {}

        async def send_raw_request(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            self.answer = await super().send_raw_request(*arguments, **options)
            return dict(self.answer)

    async with _connected(server, log) as (answers, messages):
        dispatcher: Any = Keeping(answers, messages)
        async with ClientSession(dispatcher=dispatcher) as session:
            try:
                await session.initialize()
            except MCPError as refused:
                if refused.code not in NEWER:
                    raise
                with _instead(refused):
                    await session.discover()
            yield Opened(session, dispatcher)


async def _pages(session: Any, dispatcher: Any) -> list[Any]:
    """The tools of all pages, as `dispatcher` keeps them. A server that never ends is stopped by the time limit."""
    from mcp import types
    from pydantic import ValidationError

    tools: list[Any] = []
    cursor = None
    while True:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        with suppress(ValidationError):
            await session.send_request(types.ListToolsRequest(params=params), types.ListToolsResult)
        page = dispatcher.answer.get("tools")
        if not isinstance(page, list):
            raise ValueError(f"it answers tools/list without `tools`: {str(dispatcher.answer)[:200]}")
        tools += page
        cursor = dispatcher.answer.get("nextCursor")
        if not cursor:
            return tools


@contextmanager
def _instead(error: Exception) -> Iterator[None]:
    """In the block, whatever fails is of no interest: the first error is what the server had to say."""
    try:
        yield
    except Exception:
        raise error from None


@asynccontextmanager
async def _connected(server: Server, log: TextIO) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of answers and messages of a server."""
    import httpx2
    from mcp import StdioServerParameters, stdio_client
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    async with AsyncExitStack() as stack:
        if server.command:
            parameters = StdioServerParameters(
                command=server.command[0],
                args=list(server.command[1:]),
                env={**os.environ, **server.environment},
                cwd=server.folder,
            )
            yield await stack.enter_async_context(stdio_client(parameters, errlog=log))
        elif server.is_sse:
            yield await stack.enter_async_context(sse_client(server.url, headers=dict(server.headers)))
        else:

            async def note(response: httpx2.Response) -> None:  # the SDK's errors leave the status out
                if response.status_code >= 400:
                    log.write(f"HTTP {response.status_code} {response.reason_phrase}\n")

            limits = httpx2.Timeout(SECONDS, read=None)  # how long an answer may take is the caller's business
            client = httpx2.AsyncClient(headers=dict(server.headers), timeout=limits, event_hooks={"response": [note]})
            await stack.enter_async_context(client)
            yield await stack.enter_async_context(streamable_http_client(server.url, http_client=client))


@contextmanager
def quiet() -> Iterator[None]:
    """In the block, the SDK logs nothing: what matters is in the error."""
    logger = logging.getLogger("mcp")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def first_error(error: BaseException) -> BaseException:
    """The first of the errors in a group."""
    return first_error(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def explained(error: BaseException, server: Server, log: TextIO, seconds: float) -> CatalogueError:
    """Why a server gives no tools, with the end of its stderr, and without secrets."""
    error = first_error(error)
    remedy = "Start the server by hand: a first start may have to download it." if server.command else ""
    if isinstance(error, TimeoutError):
        what = f"the MCP server has not listed its tools within {seconds:g} seconds"
    elif isinstance(error, OSError) and server.command:
        what = f"the MCP server cannot be started: {error.strerror}: {server.command[0]}"
        remedy = "Install it, or write its whole path."
    else:
        what = f"the MCP server gives no tools: {str(error) or type(error).__name__}"
        remedy = remedy or "Correct the URL. A key goes into a configuration file with `headers` (docs/catalogues.md)."
    log.seek(0)
    if end := log.read()[-STDERR:].strip():
        lines = dict.fromkeys(end.splitlines())  # servers repeat themselves
        what += ("\n  its stderr ends: " if server.command else ": ") + "\n  ".join(lines)
    if server.url:
        what = what.replace(server.url, shown(server.url))
    return CatalogueError(server.variables.hide(what), where=server.where, remedy=remedy)


FORMAT = SourceFormat(recognises, definitions)
