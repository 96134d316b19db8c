"""The style of one random catalogue: how names, descriptions and types are written."""

import re
from dataclasses import dataclass
from random import Random
from typing import Any

from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import plural, words
from platypus.generation.lexicon import word_lists

Definition = dict[str, Any]
Arguments = dict[str, tuple[Definition, bool]]  # name → schema, required


@dataclass(frozen=True)
class Entity:
    """A kind of thing that tools are about: `ticket`, with ids such as `TKT-12`."""

    noun: str
    prefix: str

    @property
    def many(self) -> str:
        """The plural of the noun."""
        return plural(self.noun)


@dataclass(frozen=True)
class CatalogueStyle:
    """How one catalogue is written. Each method draws from `rng`."""

    rng: Random
    case: str  # snake, camel
    typed: str  # formats, types, prose
    described: float  # share of tools with a description
    determiner: str  # before an argument's noun in a description: "the given", "a", "the"
    third_person: bool  # "Returns …" rather than "Return …"
    general: bool  # tools for lists take objects of any kind

    def name(self, *phrase: str) -> str:
        """The words of a phrase as a name: `get_issue` or `getIssue`."""
        words = " ".join(phrase).split()
        if self.case == "camel":
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return "_".join(words)

    def verb(self, *choices: str) -> str:
        """One of the verbs, as a description begins with it: `Lists` or `List`."""
        verb = self.rng.choice(choices)
        if self.third_person:
            verb = (
                verb[:-1] + "ies" if verb.endswith("y") else verb + ("es" if verb.endswith(("s", "sh", "ch")) else "s")
            )
        return verb.capitalize()

    def id_of(self, entity: Entity) -> Definition:
        """The schema of an entity's id."""
        schema: Definition = {"type": "string"}
        if self.typed == "formats":
            schema["format"] = f"{entity.noun.replace(' ', '-')}-id"
        if entity.prefix and self.rng.random() < 0.6:
            schema["examples"] = [f"{entity.prefix}-{self.rng.randint(1, 999)}"]
        return schema

    def id_name(self, entity: Entity, *, many: bool = False) -> str:
        """The name of an argument that takes an entity's id, or several of them."""
        one = (f"{entity.noun} id", f"{entity.noun} id", entity.noun)
        return self.name(self.rng.choice((f"{entity.noun} ids", entity.many) if many else one))

    def output(self, schema: Definition, prose: str) -> Definition | None:
        """An output: the schema, or prose in its place, or nothing."""
        if self.typed == "prose":
            return {"description": prose} if self.rng.random() < 0.8 else None
        return schema

    def tool(self, name: str, text: str, arguments: Arguments, output: Definition | None) -> Tool:
        """The tool; its description `text` is left out of some catalogues."""
        described = self.rng.random() < self.described or len(words(name)) < 2
        if self.rng.random() < 0.1:
            text = f"{text}. {self.rng.choice(word_lists()['catalogues']['remarks'])}"
        text = re.sub(r"\b(a) (?=[aeio]|u(?!ser|ni))", r"\1n ", text) if described else ""
        inputs = tuple(Argument(key, schema, required) for key, (schema, required) in arguments.items())
        return Tool(name, text, inputs, output or {})

    def about(self, schema: Definition, *texts: str) -> Definition:
        """The schema with one of the texts as its description, or without one."""
        if self.rng.random() < self.described * 0.8:
            return {**schema, "description": self.rng.choice(texts)}
        return schema
