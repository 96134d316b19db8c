"""Random typed catalogues: what a base is trained on, so that it learns to *read* a catalogue.

A catalogue is about a few entities (tickets, flights, patients…) and has the families of tools that real ones have:
lists with filters, look-ups by name, the current one, similar ones, creating, changing, joining two, text work.
Naming style, descriptions (long, short, missing), domain types and output schemas vary from catalogue to catalogue.
"""

from collections.abc import Hashable
from random import Random

from platypus.catalogue.tools import Catalogue, Tool
from platypus.catalogue.words import singular, words
from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Entity
from platypus.generation.catalogues.tool_families import FAMILIES, filtered_list
from platypus.generation.lexicon import coined, word_lists

ALIKE = {
    *("get", "list", "search", "find", "query", "show", "fetch", "lookup", "check", "detail", "info", "id", "by"),
    *("name", "set", "update", "change", "prioritize", "rank", "sort", "calculate", "compute", "estimate"),
}


def random_catalogue(rng: Random, *, tools: int) -> Catalogue:
    """A catalogue of so many tools. Where its entities have no more to offer, it gets more of them."""
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
    count = max(2, min(8, rng.randint(tools // 6, tools // 3 + 1)))  # few: their tools feed each other, and look alike
    entities = [Entity(noun, prefix) for noun, prefix in rng.sample(lists["entities"], count)]
    if rng.random() < 0.4:  # names that no other catalogue has: they can be read, not guessed
        entities = [Entity(coined(rng), rng.choice(("", entity.prefix))) for entity in entities]
    if rng.random() < 0.5 and all(entity.noun != "user" for entity in entities):
        entities[0] = Entity("user", "USER")
    made: dict[Hashable, Tool] = {}
    makers = [*FAMILIES, *rng.choices(FAMILIES, k=tools)]
    rng.shuffle(makers)
    makers = [filtered_list, *makers]
    while len(made) < tools:
        if not makers:
            entities = [*entities[1:], Entity(coined(rng), rng.choice(("", entities[0].prefix)))]
            makers = rng.choices(FAMILIES, k=len(FAMILIES))
        maker = makers.pop(0)
        tool = maker(style, entities)
        if all(tool.name != other.name for other in made.values()):
            made.setdefault((maker, _meant(tool)), tool)
    order = list(made.values())
    rng.shuffle(order)
    return Catalogue(tuple(order))


def _meant(tool: Tool) -> frozenset[str]:
    """What tells a tool from others of its family: the words of its name, but for verbs of one meaning."""
    return frozenset(singular(word) for word in words(tool.name)) - ALIKE
