"""Requests that no tool answers: three kinds, and near misses need a tool that really does not exist."""

from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.lexicon import word_lists
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import Phraser
from platypus.generation.requests.refusals import KINDS, Refusals
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def drawn(catalogue: Catalogue, count: int = 300) -> dict[str, list[str]]:
    refusals, rng = Refusals(Sampler(catalogue), Phraser(catalogue)), Random(0)
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for _ in range(count):
        request, kind = refusals.request(rng)
        if request:
            found[kind].append(request)
    return found


def test_all_kinds_occur(worktracker: Catalogue) -> None:
    found = drawn(worktracker)
    assert all(len(requests) > 30 for requests in found.values())
    assert len(set(found["near-miss"])) > 80


def test_near_misses_are_about_the_catalogue_s_things(worktracker: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.generation.requests.refusals.ELSEWHERE", 0)
    requests = drawn(worktracker)["near-miss"]
    about = ("work item", "task", "ticket", "issue", "sprint", "user")
    assert all(any(word in request.lower() for word in about) for request in requests)


def test_an_action_that_a_tool_does_is_not_a_near_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.generation.requests.refusals.ELSEWHERE", 0)
    made = {"type": "array", "items": {"type": "string", "format": "order"}}
    takes = {"type": "object", "properties": {"orders": made}, "required": ["orders"]}
    catalogue = catalogue_from_json(
        [
            {"name": "list_orders", "description": "Lists orders", "outputSchema": made},
            {"name": "archive", "description": "Archives orders", "inputSchema": takes},
            {"name": "print", "description": "Prints orders", "inputSchema": takes},
        ]
    )
    assert "archive" in word_lists()["lacking"]["kept"]
    requests = " ".join(drawn(catalogue)["near-miss"]).lower()
    assert "orders" in requests and "archive" not in requests and "print" not in requests


def test_requests_with_missing_information_have_no_value(worktracker: Catalogue) -> None:
    requests = drawn(worktracker)["missing"]
    assert all("resemble" in request for request in requests)  # without naming the work item
    assert not any(char.isdigit() for request in requests for char in request)


def test_of_verbs_that_an_argument_chooses_one_is_said() -> None:
    chosen = {"action": {"enum": ["archive", "unarchive"]}, "id": {"type": "string"}}
    inputs = {"type": "object", "properties": chosen, "required": [*chosen]}
    tool = {"name": "page_status", "description": "Archive or unarchive a page by its ID", "inputSchema": inputs}
    requests = drawn(catalogue_from_json([tool]))["missing"]
    assert requests and not any(" or " in request for request in requests)


def test_off_topic_requests_share_no_word_with_the_catalogue() -> None:
    pizzas = catalogue_from_json([{"name": "find_pizza", "description": "Finds a pizza in the kitchen"}])
    said = " ".join(drawn(pizzas, 1000)["off-topic"]).lower()
    assert "pizza" not in said and "kitchen" not in said and "joke" in said
    forms = word_lists()["refusals"]["requests"]
    assert any("pizza" in form for form in forms) and any("kitchen" in form for form in forms)


def test_near_misses_of_other_domains_are_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.generation.requests.refusals.ELSEWHERE", 1)
    flights = catalogue_from_json([{"name": "pay_invoice", "description": "Pays an invoice for a flight"}])
    requests = [request.lower() for request in drawn(flights, 1000)["near-miss"]]
    assert not any("invoice" in request or "flight" in request for request in requests)
    assert any("parcel" in request for request in requests) and not any("{" in request for request in requests)


def test_what_is_only_read_is_not_deleted_or_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platypus.generation.requests.refusals.ELSEWHERE", 0)
    gains = {"type": "array", "items": {"type": "object"}}
    catalogue = catalogue_from_json([{"name": "get_gains", "description": "Gets the gains", "outputSchema": gains}])
    requests = " ".join(drawn(catalogue)["near-miss"]).lower()
    assert "gains" in requests and not any(verb in requests for verb in ("delete", "rename", "archive"))
