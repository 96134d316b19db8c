"""The filters of random list tools: how many, of which types, and under which names."""

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from platypus.catalogue.schema import allowed_values
from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Entity
from platypus.generation.catalogues.list_filters import ListFilters, alias
from platypus.generation.catalogues.random_catalogue import random_catalogue

ENTITIES = [Entity("power plant", "PLT"), Entity("order", "ORD"), Entity("user", "USER")]


def style(seed: int) -> CatalogueStyle:
    return CatalogueStyle(Random(seed), "snake", "formats", 1.0, "the given", True, False)


def test_an_alias_is_the_noun_a_part_of_it_or_a_general_word() -> None:
    drawn = style(0)
    assert {alias(drawn, ENTITIES[0]) for _ in range(100)} == {"power plant", "power", "plant"}
    assert {alias(drawn, ENTITIES[1]) for _ in range(100)} == {"order", "record", "item", "entry", "object"}


@given(seed=st.integers(0, 500), count=st.integers(1, 12))
def test_filters_are_optional_of_one_form_and_as_many_as_wanted(seed: int, count: int) -> None:
    filters = ListFilters(style(seed), ENTITIES[1], ENTITIES)
    drawn = list(filters.some(count))
    assert len(drawn) == count + bool(filters.kinds and count > 2)
    for name, (schema, required) in drawn:
        assert not required
        assert "." not in name.removesuffix(".name") or filters.dotted
        assert "order" not in schema.get("items", schema).get("format", "")  # never narrowed by its own kind
        if schema["type"] == "array":
            assert filters.many and schema["uniqueItems"]
        else:
            assert not filters.many or schema["type"] in ("integer", "boolean") or schema.get("format") == "date"


def test_no_list_is_filtered_by_the_listed_entity_nor_twice_by_another() -> None:
    links = r"(?:associated with|belonging to|related to|for) (?:any of [\w ]+? |one of the )([\w ]+)$"
    found = 0
    for seed in range(120):
        for tool in random_catalogue(Random(seed), tools=12):
            linked = [m[1] for a in tool.arguments if (m := re.search(links, a.description))]
            linked = [kind.removeprefix("given ").removeprefix("provided ") for kind in linked]
            found += len(linked)
            assert len(set(linked)) == len(linked), (tool.name, linked)
            assert not any(re.search(rf"\b{kind}\b", tool.description) for kind in linked), (tool.name, linked)
    assert found > 50


def test_some_filters_belong_to_one_kind_of_the_listed_entity() -> None:
    tools = [tool for seed in range(60) for tool in random_catalogue(Random(seed), tools=8)]
    own = 0
    for tool in tools:
        kinds = {
            value
            for argument in tool.arguments
            if argument.name in ("type", "kind")
            for value in allowed_values(argument.schema.get("items", argument.schema))
        }
        own += any(argument.name.split(".")[0] in kinds for argument in tool.arguments if "." in argument.name)
    assert own > 5
