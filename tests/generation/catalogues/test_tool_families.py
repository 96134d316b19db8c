"""The families of tools: each gives a valid tool about its entities, in any style."""

from collections.abc import Callable
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue, Tool
from platypus.catalogue.words import words
from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Entity
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.catalogues.tool_families import FAMILIES, filtered_list

ENTITIES = [Entity("power plant", "PLT"), Entity("order", ""), Entity("wombat", "WOM")]
Family = Callable[[CatalogueStyle, list[Entity]], Tool]


def drawn(family: Family, *, typed: str = "formats", general: bool = False) -> list[Tool]:
    """Sixty tools of a family, all with descriptions."""
    styles = [
        CatalogueStyle(Random(seed), ("snake", "camel")[seed % 2], typed, 1.0, "the given", seed % 3 > 0, general)
        for seed in range(60)
    ]
    return [family(style, ENTITIES) for style in styles]


def text(tool: Tool) -> str:
    """All words of a tool: name, description, arguments."""
    parts = [tool.name, tool.description]
    parts += [f"{argument.name} {argument.description}" for argument in tool.arguments]
    return " ".join(words(" ".join(parts)))


@pytest.mark.parametrize("family", dict.fromkeys(FAMILIES), ids=lambda family: family.__name__.strip("_"))
def test_every_family_gives_valid_tools_about_its_entities(family: Family) -> None:
    for typed in ("formats", "types", "prose"):
        for tool in drawn(family, typed=typed):
            read = catalogue_from_json(Catalogue((tool,)).to_json())
            assert read.fingerprint == Catalogue((tool,)).fingerprint
            about = [entity.noun for entity in ENTITIES if entity.noun in text(tool)]
            general = "object" in words(tool.name) or words(tool.name) == ["translate", "text"]
            assert about or general, tool
            assert "{" not in text(tool)


@pytest.mark.parametrize("family", dict.fromkeys(FAMILIES), ids=lambda family: family.__name__.strip("_"))
def test_equal_seeds_give_equal_tools(family: Family) -> None:
    assert drawn(family) == drawn(family)


def test_only_the_list_has_nothing_but_filters() -> None:
    for family in dict.fromkeys(FAMILIES):
        for tool in drawn(family):
            optional = bool(tool.arguments) and not any(argument.required for argument in tool.arguments)
            assert optional == (family is filtered_list) or family.__name__ == "_fact", tool
    for tool in drawn(filtered_list):
        assert tool.output["type"] == "array"


def test_tools_for_lists_take_any_objects_in_general_catalogues() -> None:
    (rank,) = (family for family in FAMILIES if family.__name__ == "_rank")
    names = {tool.arguments[0].name for tool in drawn(rank, typed="types", general=True)}
    assert names == {"objects", "items"}
    own = {tool.arguments[0].name.lower() for tool in drawn(rank, typed="types", general=False)}
    assert not own & names and "wombat" in " ".join(own)


def test_descriptions_often_have_another_verb_than_the_name() -> None:
    own = told = 0
    for seed in range(60):
        for tool in random_catalogue(Random(seed), tools=12):
            first = words(tool.name)[0]
            if tool.description and first in ("create", "sort", "rank", "prioritize", "add", "assign", "summarize"):
                told += 1
                own += first[:4] not in tool.description.lower()
    assert 0.2 < own / told < 0.7
