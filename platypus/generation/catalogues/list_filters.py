"""The filters of a random list tool: arguments that narrow the list, and their descriptions."""

from collections.abc import Iterator

from platypus.catalogue.words import plural
from platypus.generation.catalogues.catalogue_style import CatalogueStyle, Definition, Entity
from platypus.generation.lexicon import word_lists


def alias(style: CatalogueStyle, entity: Entity) -> str:
    """The noun for an entity in a name: mostly its own, sometimes a part of it or a general word."""
    if style.rng.random() < 0.75:
        return entity.noun
    first, *others = entity.noun.split()
    return style.rng.choice((first, others[-1]) if others else ("record", "item", "entry", "object"))


class ListFilters:
    """Filters for a list of one entity. If the entity has kinds (issues, tickets), some filters belong to one kind."""

    def __init__(self, style: CatalogueStyle, entity: Entity, entities: list[Entity]) -> None:
        rng = style.rng
        self.style, self.entity, self.entities = style, entity, entities
        self.linked = rng.sample(entities, len(entities))  # each is used once, the listed entity never
        self.linked.remove(entity)
        self.many = rng.random() < 0.5  # filters take several values
        self.kinds = rng.sample(_plain_nouns(), rng.randint(2, 4)) if rng.random() < 0.35 else []
        self.dotted = rng.random() < (0.7 if self.kinds else 0.2)
        self.plural_noun = entity.many if rng.random() < 0.7 else plural(alias(style, entity))

    def some(self, count: int) -> Iterator[tuple[str, tuple[Definition, bool]]]:
        """Yield `count` filters, and one for the kind if there are kinds; two may have the same name."""
        rng = self.style.rng
        if self.kinds and count > 2:
            schema: Definition = {"type": "string", "enum": self.kinds}
            yield self._filter(rng.choice(("type", "type", "kind")), schema, f"{self.entity.many} of {{any}} types")
        for _ in range(count):
            yield self._any()

    def _any(self) -> tuple[str, tuple[Definition, bool]]:
        style, rng, lists = self.style, self.style.rng, word_lists()["catalogues"]
        prefix, those = self._subject()
        kind = rng.choice(("enum", "person", "entity", "text", "number", "flag", "date", "enum", "person"))
        if kind == "enum" or (kind == "entity" and not self.linked):
            word, values = rng.choice(list(lists["enums"].items()))
            text = f"{those} with {{any}} {plural(word)}"
            allowed = f". Allowed values: {', '.join(values)}" if rng.random() < 0.2 else ""
            return self._filter(prefix + style.name(word), {"type": "string", "enum": values}, text + allowed)
        if kind == "person":
            word = rng.choice(("owned by", "created by", "assigned to"))
            user = next((e for e in self.entities if e.noun in ("user", "employee", "contact")), Entity("user", "USER"))
            return self._filter(style.name(word), style.id_of(user), f"{self.plural_noun} {word} {{any}} {user.many}")
        if kind == "entity":
            other = self.linked.pop()
            link = rng.choice(("associated with", "belonging to", "related to", "for"))
            name = prefix + style.name(other.many if self.many else other.noun)
            if rng.random() < 0.25:
                name = style.name(rng.choice(("applies to", "belongs to", "linked to")), other.noun)
            return self._filter(name, style.id_of(other), f"{those} {link} {{any}} {other.many}")
        if kind == "text":
            word = rng.choice(lists["texts"])
            name, by_name = (f"{style.name(word)}.name", " by name") if rng.random() < 0.2 else (style.name(word), "")
            return self._filter(prefix + name, {"type": "string"}, f"{those} in {{any}} {plural(word)}{by_name}")
        return _plain_filter(style, self.plural_noun, kind)

    def _subject(self) -> tuple[str, str]:
        """The start of a filter's name and the plural noun that it filters: `issue.` and `issues`."""
        if not self.dotted or self.style.rng.random() < 0.3:
            return "", self.plural_noun
        kind = self.style.rng.choice(self.kinds) if self.kinds else self.entity.noun.split()[-1]
        return f"{kind}.", plural(kind) if self.kinds else self.plural_noun

    def _filter(self, name: str, schema: Definition, text: str) -> tuple[str, tuple[Definition, bool]]:
        rng = self.style.rng
        schema = {"type": "array", "items": schema, "uniqueItems": True} if self.many else schema
        some = rng.choice(("any of the given", "any of the provided", "any of these") if self.many else ("one of the",))
        text = text.format(any=some)
        return name, (self.style.about(schema, f"Filters for {text}", text, f"Only {text}"), False)


def _plain_nouns() -> list[str]:
    return [noun for noun, _ in word_lists()["catalogues"]["entities"] if " " not in noun]


def _plain_filter(style: CatalogueStyle, those: str, kind: str) -> tuple[str, tuple[Definition, bool]]:
    word = style.rng.choice(word_lists()["catalogues"][f"{kind}s"])
    kinds: dict[str, tuple[Definition, str]] = {
        "number": ({"type": "integer", "minimum": 1}, f"the {word} of {those}"),
        "flag": ({"type": "boolean"}, f"{those} that are or are not: {word}"),
        "date": ({"type": "string", "format": "date"}, f"only {those} with this {word}"),
    }
    if word == "limit":
        kinds["number"] = (kinds["number"][0], f"how many {those} to return at most")
    return style.name(word), (style.about(*kinds[kind]), False)
