"""How one made-up catalogue is written: names, descriptions, types."""

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
    """What some tools are about: `ticket`, whose ids look like `TKT-12`."""

    noun: str
    prefix: str

    @property
    def many(self) -> str:
        return plural(self.noun)


@dataclass(frozen=True)
class CatalogueStyle:
    """How one catalogue is written."""

    rng: Random
    case: str  # snake, camel
    typed: str  # formats, types, prose
    described: float  # share of descriptions present
    given: str  # how a description points to an argument: "the given", "a", "the"
    person: bool  # "Returns …" rather than "Return …"
    general: bool  # what works on lists takes objects of any kind

    def name(self, *phrase: str) -> str:
        words = " ".join(phrase).split()
        if self.case == "camel":
            return words[0] + "".join(word.capitalize() for word in words[1:])
        return "_".join(words)

    def verb(self, *choices: str) -> str:
        """A description's verb: `Lists` or `List`."""
        verb = self.rng.choice(choices)
        if self.person:
            verb = (
                verb[:-1] + "ies" if verb.endswith("y") else verb + ("es" if verb.endswith(("s", "sh", "ch")) else "s")
            )
        return verb.capitalize()

    def id_of(self, entity: Entity) -> Definition:
        schema: Definition = {"type": "string"}
        if self.typed == "formats":
            schema["format"] = f"{entity.noun.replace(' ', '-')}-id"
        if entity.prefix and self.rng.random() < 0.6:
            schema["examples"] = [f"{entity.prefix}-{self.rng.randint(1, 999)}"]
        return schema

    def id_name(self, entity: Entity, *, many: bool = False) -> str:
        one = (f"{entity.noun} id", f"{entity.noun} id", entity.noun)
        return self.name(self.rng.choice((f"{entity.noun} ids", entity.many) if many else one))

    def output(self, schema: Definition, prose: str) -> Definition | None:
        if self.typed == "prose":
            return {"description": prose} if self.rng.random() < 0.8 else None
        return schema

    def tool(self, name: str, text: str, arguments: Arguments, output: Definition | None) -> Tool:
        said = self.rng.random() < self.described or len(words(name)) < 2
        if self.rng.random() < 0.1:
            text = f"{text}. {self.rng.choice(word_lists()['catalogues']['remarks'])}"
        made = tuple(Argument(key, schema, required) for key, (schema, required) in arguments.items())
        return Tool(name, re.sub(r"\b(a) (?=[aeio]|u(?!ser|ni))", r"\1n ", text) if said else "", made, output or {})

    def about(self, schema: Definition, *texts: str) -> Definition:
        """The schema with a description, in some catalogues and places."""
        if self.rng.random() < self.described * 0.8:
            return {**schema, "description": self.rng.choice(texts)}
        return schema
