"""Retrieval finds the tools that a request is about."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from platypus.catalogue.reading import catalogue_from_json
from platypus.inference.retrieval import Retriever, sentence

TOOLS = catalogue_from_json(
    [
        {"name": "who_am_i", "description": "Returns the ID of the current user"},
        {"name": "listTickets", "description": "Lists tickets that match the filters"},
        {"name": "summarize_objects", "description": "Summarizes a list of objects"},
        {"name": "book_flight", "description": "Books a flight to a city"},
    ]
)


def nearest(retriever: Retriever, request: str, count: int) -> list[str]:
    """The names of the tools most similar to the request, in catalogue order."""
    return [tool.name for tool in retriever.catalogue.subset(retriever.ranked(request)[:count])]


def test_tools_are_found_by_words_and_by_parts_of_words() -> None:
    retriever = Retriever(TOOLS)
    assert nearest(retriever, "Summarise my ticket list", 2) == ["listTickets", "summarize_objects"]
    assert nearest(retriever, "I want to fly: flights to Lisbon", 1) == ["book_flight"]
    assert nearest(retriever, "anything", 4) == [tool.name for tool in TOOLS]


def test_an_encoder_finds_tools_that_are_named_in_other_words() -> None:
    def encode(texts: Sequence[str]) -> NDArray[np.float64]:
        """Travel is one direction, everything else the other."""
        travels = [any(word in text.lower() for word in ("flight", "plane", "travel")) for text in texts]
        return np.array([[1.0, 0.0] if travel else [0.0, 1.0] for travel in travels])

    request = "On which plane does this user travel to Oslo tomorrow morning?"
    assert nearest(Retriever(TOOLS), request, 1) == ["who_am_i"]
    assert nearest(Retriever(TOOLS, encode), request, 1) == ["book_flight"]
    assert Retriever(TOOLS, encode).likeness(request).argmax() == 3
    assert sentence(TOOLS.tools[1]) == "list tickets: Lists tickets that match the filters"


def test_most_tools_of_real_plans_are_found_among_a_thousand(shared_data: Path) -> None:
    """Recall over plans whose tools are among those of a whole bank."""
    lines = (shared_data / "nested" / "seal_tools_dev.jsonl").open(encoding="utf-8")
    rows = [json.loads(line) for line in lines][:60]
    bank = [json.loads(line) for line in (shared_data / "nested" / "tool_bank.jsonl").open(encoding="utf-8")]
    entries = {tool["name"]: tool for tool in [*bank[:800], *(tool for row in rows for tool in row["tools"])]}
    retriever = Retriever(catalogue_from_json(list(entries.values())))
    assert len(retriever.catalogue) > 900
    wanted = retrieved = 0
    for row in rows:
        gold = {step["tool_name"] for step in row["plan"]} & entries.keys()
        wanted += len(gold)
        retrieved += len(gold & set(nearest(retriever, row["query"], 10)))
    assert retrieved / wanted > 0.8, f"{retrieved} of {wanted}"


def test_tools_whose_names_are_no_words_are_found_by_their_letters() -> None:
    assert Retriever(catalogue_from_json([{"name": "f"}, {"name": "g"}])).ranked("do g") == ["g", "f"]
