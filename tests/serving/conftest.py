"""A server with the embedded base and the tools of a work tracker, for all tests of the API."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient

from platypus.catalogue.reading import read_catalogue
from platypus.serving.api import make_app
from platypus.serving.limits import Limits
from platypus.serving.opening import OpeningOptions, open_served
from platypus.serving.planners import Planners, Served
from platypus.serving.server import Options, Server
from tests.support.command import ROOT

WORKTRACKER = ROOT / "examples" / "worktracker" / "catalogue.json"
LIMITS = Limits(body=1 << 20, seconds=60.0, queue=16, batch=8)


@pytest.fixture(scope="session")
def served() -> Served:
    """The embedded base with the tools of a work tracker, without beams."""
    return open_served([], OpeningOptions(read_catalogue(WORKTRACKER), beams=1))[0]


@pytest.fixture(scope="session")
def bare(served: Served) -> Served:
    """The same model without tools of its own."""
    planner = replace(served.planner, prompt=replace(served.planner.prompt, catalogue=None))
    return replace(served, name="bare", planner=planner)


@pytest.fixture(scope="session")
def planners(served: Served, bare: Served, tmp_path_factory: pytest.TempPathFactory) -> Planners:
    """Both, with a folder of their own for corrections."""
    corrections: Path = tmp_path_factory.mktemp("served") / "corrections.jsonl"
    return Planners([replace(one, corrections=corrections) for one in (served, bare)], room=LIMITS.cache)


@pytest.fixture(scope="session")
def client(planners: Planners) -> Iterator[TestClient]:
    """A client of a server with both, in this process."""
    server = Server(planners, Options(LIMITS, hosts=None, quiet=True))
    with TestClient(make_app(server), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def address(planners: Planners) -> Iterator[str]:
    """The address of a server with both on a port of this computer."""
    with listening(planners, Options(LIMITS, quiet=True)) as address:
        yield address


@contextmanager
def listening(planners: Planners, options: Options) -> Iterator[str]:
    """The address of a server on a port of this computer, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(make_app(Server(planners, options)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
