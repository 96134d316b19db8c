"""Random typed catalogues: a base is trained on them, so that it learns to *read* a catalogue.

A catalogue is about a few entities (tickets, flights, patients…) and has the families of tools that real catalogues
have: lists with filters, lookups by name, the current item, similar items, creating, changing, linking two entities,
text processing. Some have tools of everyday software. Naming style, descriptions (long, short, missing), domain types
and output schemas vary from catalogue to catalogue.
"""

from collections.abc import Hashable
from random import Random

from platypus.catalogue.tools import Catalogue, Tool
from platypus.catalogue.words import singular, words
from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Entity
from platypus.generation.catalogues.everyday_tools import everyday_tools
from platypus.generation.catalogues.tool_families import FAMILIES, filtered_list
from platypus.generation.lexicon import coined, word_lists

EVERYDAY = 0.3  # share of catalogues with tools of everyday software
SYNONYMOUS = {  # words of names that do not distinguish two tools of a family
    *("get", "list", "search", "find", "query", "show", "fetch", "lookup", "check", "detail", "info", "id", "by"),
    *("name", "set", "update", "change", "prioritize", "rank", "sort", "calculate", "compute", "estimate"),
}


def random_catalogue(rng: Random, *, tools: int) -> Catalogue:
    """Return a catalogue with `tools` tools. When its entities allow no further tool, another entity is added."""
    lists = word_lists()["catalogues"]
    style = CatalogueStyle(
        rng,
        rng.choice(("snake", "snake", "camel")),
        rng.choice(("formats", "formats", "types", "prose")),
        rng.choice((0.0, 0.6, 1.0, 1.0, 1.0)),
        rng.choice(("the given", "the given", "a", "the", "the specified")),
        rng.random() < 0.7,
        rng.random() < 0.5,
    )
    count = max(2, min(8, rng.randint(tools // 6, tools // 3 + 1)))  # few, so that tools feed each other and look alike
    entities = [Entity(noun, prefix) for noun, prefix in rng.sample(lists["entities"], count)]
    if rng.random() < 0.4:  # unique nouns, which a model must read and cannot guess
        entities = [Entity(coined(rng), rng.choice(("", entity.prefix))) for entity in entities]
    if rng.random() < 0.5 and all(entity.noun != "user" for entity in entities):
        entities[0] = Entity("user", "USER")
    by_meaning: dict[Hashable, Tool] = {}
    if rng.random() < EVERYDAY:
        for tool in everyday_tools(style, rng.choice((1, 1, 2, 3)))[: rng.choice((tools // 2, tools))]:
            by_meaning[tool.name] = tool
    families = [*FAMILIES, *rng.choices(FAMILIES, k=tools)]
    rng.shuffle(families)
    families = [filtered_list, *families]
    while len(by_meaning) < tools:
        if not families:
            entities = [*entities[1:], Entity(coined(rng), rng.choice(("", entities[0].prefix)))]
            families = rng.choices(FAMILIES, k=len(FAMILIES))
        family = families.pop(0)
        tool = family(style, entities)
        if all(tool.name != other.name for other in by_meaning.values()):
            by_meaning.setdefault((family, _distinctive_words(tool)), tool)
    order = list(by_meaning.values())
    rng.shuffle(order)
    return Catalogue(tuple(order))


def _distinctive_words(tool: Tool) -> frozenset[str]:
    """The words that distinguish a tool from others of its family: those of its name without SYNONYMOUS ones."""
    return frozenset(singular(word) for word in words(tool.name)) - SYNONYMOUS
