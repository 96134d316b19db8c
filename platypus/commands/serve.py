"""serve: planners behind an HTTP API with a page, or as an MCP server on standard input and output.

Only this computer can reach the server, unless told otherwise; then keys are needed. A signal to end (SIGTERM, Ctrl-C)
lets it finish what it accepted.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from platypus.errors import RunError
from platypus.files import say
from platypus.parallel import cores
from platypus.serving.calls import References
from platypus.serving.limits import Limits
from platypus.serving.opening import OpeningOptions

if TYPE_CHECKING:
    from platypus.serving.server import Options, Server

MISSING = "Install what it needs: pip install 'platypus-llm[serve]'"


@dataclass(frozen=True)
class Reach:
    """Where a server listens, the names it answers to there, the keys of those who may ask, how they get calls that
    need earlier results, if they do not say it, and whether it runs plans."""

    host: str = "127.0.0.1"
    port: int = 8080
    allow_hosts: tuple[str, ...] = ()
    keys: Path | None = None
    no_keys: bool = False
    references: References = "keep"
    execute: bool = False


def use_threads(threads: int | None) -> None:
    """Compute with so many threads; None: with all cores but one, which is for connections and clients.

    Threads of one computation wait for each other, so it is slow where one of them has to share its core.
    """
    from platypus.model.loading import limit_threads

    limit_threads(max(1, cores() - 1), threads)


def serve(
    sources: Sequence[str], reach: Reach, opening: OpeningOptions, limits: Limits, *, log_requests: bool = False
) -> None:
    """Serve these planners over HTTP until a signal ends it. Raises RunError before it opens them, if it cannot."""
    options = _options(reach, limits, log_requests=log_requests)
    import uvicorn

    from platypus.serving.api import make_app

    listening = _listen(reach)  # whoever asks while the planners are opened waits
    server = _server(sources, opening, options)
    address = f"[{reach.host}]" if ":" in reach.host else reach.host
    port = listening.getsockname()[1]
    say(f"serving {', '.join(server.planners.served)} at http://{address}:{port} (the API: /openapi.json)")
    config = uvicorn.Config(make_app(server), access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


def serve_mcp(
    sources: Sequence[str], reach: Reach, opening: OpeningOptions, limits: Limits, *, log_requests: bool = False
) -> None:
    """Serve these planners as an MCP server on standard input and output, until the input ends."""
    options = _options(reach, limits, log_requests=log_requests)
    import anyio

    from platypus.serving.mcp_server import run_stdio

    anyio.run(run_stdio, lambda: _server(sources, opening, options))


def add_key(path: Path, name: str) -> None:
    """Add a key to the file, and print it."""
    from platypus.serving.keys import add_key

    print(add_key(path, name))
    say(f"added to {path} as a hash: keep the key, it cannot be shown again")


def _options(reach: Reach, limits: Limits, *, log_requests: bool) -> "Options":
    """The options of a server. Raises RunError if a package or a key is missing."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401

        from platypus.serving.server import LOOPBACK, Options
    except ImportError as error:
        raise RunError(f"a server needs the package {error.name}", remedy=MISSING) from error
    from platypus.serving.keys import Keys

    keys, local = Keys.read(reach.keys) if reach.keys else None, _is_local(reach.host)
    if not local and keys is None and not reach.no_keys:
        raise RunError(
            "others than this computer could ask without a key",
            where=f"--host {reach.host}",
            remedy="Give --keys FILE (--add-key NAME makes one), or --no-keys if that is wanted.",
        )
    hosts = (*LOOPBACK, reach.host, *reach.allow_hosts) if local or reach.allow_hosts else None
    return Options(limits, keys, hosts, log_requests, references=reach.references, execute=reach.execute)


def _server(sources: Sequence[str], opening: OpeningOptions, options: "Options") -> "Server":
    from platypus.serving.execution import check_execution
    from platypus.serving.opening import open_served
    from platypus.serving.planners import Planners
    from platypus.serving.server import Server

    planners = Planners(open_served(sources, opening), room=options.limits.cache)
    if options.execute:
        check_execution(planners.served.values())
    return Server(planners, options)


def _listen(reach: Reach) -> socket.socket:
    family = socket.AF_INET6 if ":" in reach.host else socket.AF_INET
    try:
        return socket.create_server((reach.host, reach.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{reach.host}, port {reach.port}"
        remedy = "Name another one: --port PORT (0: any that is free), or --host HOST"
        why = str(error.strerror).partition(" (while ")[0]  # Python repeats the address there
        raise RunError(f"cannot be listened at: {why}", where=where, remedy=remedy) from error


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
