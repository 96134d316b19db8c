"""The style of a random catalogue: names, verbs, articles and types, worked out by hand."""

import re
from dataclasses import replace
from random import Random

import pytest

from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Entity
from platypus.generation.lexicon import word_lists

PLANT = Entity("power plant", "PLT")


def style(**changes: object) -> CatalogueStyle:
    """Snake case, domain formats, every description present (the share is divided by 0.8 in `about`)."""
    plain = CatalogueStyle(Random(0), "snake", "formats", 1.25, "the given", True, False)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_names_in_both_cases() -> None:
    assert style().name("get", "power plant", "", "id") == "get_power_plant_id"
    assert style(case="camel").name("get", "power plant", "", "id") == "getPowerPlantId"


@pytest.mark.parametrize(("verb", "said"), [("list", "Lists"), ("search", "Searches"), ("copy", "Copies")])
def test_verbs_of_descriptions(verb: str, said: str) -> None:
    assert style().verb(verb) == said
    assert style(third_person=False).verb(verb) == verb.capitalize()


def test_ids_have_a_format_only_where_types_are_formats() -> None:
    assert {style().id_of(PLANT)["format"] for _ in range(20)} == {"power-plant-id"}
    typed = style(typed="types")
    schemas = [typed.id_of(PLANT) for _ in range(200)]
    assert not any("format" in schema for schema in schemas)
    examples = [example for schema in schemas for example in schema.get("examples", ())]
    assert 80 < len(examples) < 160 and all(re.fullmatch(r"PLT-\d{1,3}", example) for example in examples)
    assert not any("examples" in typed.id_of(Entity("power plant", "")) for _ in range(20))


def test_the_argument_for_ids_is_named_after_the_entity() -> None:
    drawn = style()
    assert {drawn.id_name(PLANT) for _ in range(60)} == {"power_plant_id", "power_plant"}
    assert {drawn.id_name(PLANT, many=True) for _ in range(60)} == {"power_plant_ids", "power_plants"}


def test_an_output_is_a_schema_or_prose_or_missing() -> None:
    schema = {"type": "string"}
    assert style().output(schema, "the id") == schema
    drawn = style(typed="prose")
    outputs = [drawn.output(schema, "the id") for _ in range(60)]
    assert None in outputs and {"description": "the id"} in outputs and schema not in outputs


def test_descriptions_have_the_right_articles_and_sometimes_a_remark() -> None:
    drawn, text = style(), "Moves a order and a unit of a user to a ice rink"
    texts = {drawn.tool("move_order", text, {}, None).description for _ in range(200)}
    plain = "Moves an order and a unit of a user to an ice rink"
    assert plain in texts
    remarks = {text.removeprefix(f"{plain}. ") for text in texts - {plain}}
    assert remarks and remarks <= set(word_lists()["catalogues"]["remarks"])


def test_without_descriptions_only_a_name_of_one_word_is_described() -> None:
    bare = style(described=0.0)
    assert bare.tool("move_order", "Moves orders", {}, None).description == ""
    assert bare.tool("move", "Moves orders", {}, None).description.startswith("Moves orders")
    assert bare.about({"type": "string"}, "The order") == {"type": "string"}
    assert style().about({"type": "string"}, "The order") == {"type": "string", "description": "The order"}
