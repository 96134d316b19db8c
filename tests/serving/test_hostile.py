"""Hostile requests over real connections: none is answered with a 500, none hangs, and the server goes on."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from tests.support.hostile import KINDS, hostile_requests, send

LISTED = {"400", "404", "405", "406", "408", "413", "415", "421", "422"}


def test_hostile_requests_are_refused_or_answered(address: str) -> None:
    """A few of each kind; `benchmarks/hostile.py` sends thousands."""
    requests = list(hostile_requests(3, 5 * len(KINDS)))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: (one.kind, send(address, one, patience=120)[0]), requests))
    allowed = LISTED | {"200", "201", "429", "503", "left"}
    assert not [one for one in found if one[1] not in allowed]
    assert {status for kind, status in found if kind == "large body"} == {"413"}
    with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
        assert json.load(answer) == {"status": "ok"}


def test_the_same_seed_gives_the_same_requests() -> None:
    one, other = (list(hostile_requests(5, 40, slow=1)) for _ in range(2))
    assert one == other and {request.kind for request in one} == {*KINDS, "slow body"}
    assert one != list(hostile_requests(6, 40, slow=1))
