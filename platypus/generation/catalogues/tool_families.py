"""The families of tools: each function draws one tool about a catalogue's entities, in the catalogue's style."""

from collections.abc import Callable, Sequence

from platypus.catalogue.tools import Tool
from platypus.catalogue.words import plural
from platypus.generation.catalogues.catalogue_style import Arguments, CatalogueStyle, Definition, Entity
from platypus.generation.catalogues.list_filters import ListFilters, alias
from platypus.generation.lexicon import word_lists


def filtered_list(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    """Return a tool that lists one entity, with filters."""
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("list", "search", "find", "get", "query"))
    called = plural(alias(style, entity))
    name = style.name(*((called, "list") if rng.random() < 0.2 else (verb, called)))
    if rng.random() < 0.08:
        name = f"{style.name(called)}.{verb}"
    text = rng.choice(
        (
            f"{style.verb('return')} a list of {entity.many} matching the request",
            f"{style.verb('list')} {entity.many}",
            f"{style.verb('find', 'get')} {entity.many} that match the filters",
            f"{style.verb('search')} for {entity.many} by their properties",
            f"{style.verb('list', 'show')} {entity.many}, all of them or those that match every filter",
            f"{style.verb('retrieve')} the {entity.many} for which all the given conditions hold",
        )
    )
    arguments = dict(ListFilters(style, entity, entities).some(rng.choice((1, 2, 3, 4, 6, 9, 12))))
    items = style.id_of(entity)
    output = style.output({"type": "array", "items": items}, f"list of {entity.many}")
    return style.tool(name, text, arguments, output)


def _details(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    entity, other = style.rng.choice(entities), style.rng.choice(entities)
    person = style.rng.choice(word_lists()["catalogues"]["people"])
    fields = {
        style.name(f"{person} id"): style.id_of(Entity("user", "USER")),
        style.name(f"{other.noun} id"): style.id_of(other),
        "title": {"type": "string"},
        "email": {"type": "string", "format": "email"},
    }
    properties = dict(style.rng.sample(sorted(fields.items()), style.rng.randint(1, 3)))
    text = f"{style.verb('return', 'get', 'show', 'retrieve')} the details of {style.determiner} {entity.noun}"
    output = style.output({"type": "object", "properties": properties}, f"details of the {entity.noun}")
    name = style.name(
        style.rng.choice(("get", "show", "fetch")), entity.noun, style.rng.choice(("details", "info", ""))
    )
    return style.tool(name, text, {style.id_name(entity): (style.id_of(entity), True)}, output)


def _similar(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    adjective = style.rng.choice(("similar", "related"))
    text = style.rng.choice(
        (
            f"{style.verb('return')} a list of {entity.many} that are {adjective} to {style.determiner} {entity.noun}",
            f"{style.verb('find')} {entity.many} {adjective} to {style.determiner} {entity.noun}",
            f"{style.verb('find', 'list', 'get')} {entity.many} that resemble {style.determiner} {entity.noun}",
            f"{style.verb('find', 'list', 'get')} {entity.many} like {style.determiner} {entity.noun}",
        )
    )
    name = style.name(style.rng.choice(("get", "find", "list")), adjective, entity.many)
    argument = style.about(style.id_of(entity), f"The {entity.noun} to compare with", f"The ID of the {entity.noun}")
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of {entity.many}")
    return style.tool(name, text, {style.id_name(entity): (argument, True)}, output)


def _current(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    word = style.rng.choice(("current", "current", "active", "latest"))
    text = f"{style.verb('return', 'get', 'tell')} the {style.rng.choice(('ID', 'id'))} of the {word} {entity.noun}"
    names: tuple[tuple[str, ...], ...] = (("get", word, entity.noun), ("get", word, entity.noun, "id"))
    names = (*names, (word, entity.noun))
    if entity.noun == "user":
        names = (*names, ("who am i",))
    output = style.output(style.id_of(entity), f"ID of the {word} {entity.noun}")
    return style.tool(style.name(*style.rng.choice(names)), text, {}, output)


def _lookup(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    entity = style.rng.choice(entities)
    noun = entity.noun if style.rng.random() < 0.65 else "object"
    argument = style.rng.choice(("name", "query", "name"))
    text = style.rng.choice(
        (
            f"Given a search string, returns the id of a matching {noun}",
            f"{style.verb('find', 'return')} the id of the {noun} with the given {argument}",
            f"{style.verb('look')} up a {noun} by name",
        )
    )
    name = style.name(
        style.rng.choice(("search", "find", "get", "lookup")), noun, *(("by name",) if style.rng.random() < 0.7 else ())
    )
    other = style.rng.choice(entities)
    texts = (
        f"The search string, for example a {entity.noun}'s name",
        f"name of the {noun}",
        f"What to look for, such as a {entity.noun} name, a {other.noun} name or the name of a user",
    )
    searched = style.about({"type": "string"}, *texts)
    schema = style.id_of(entity) if noun == entity.noun else {"type": "string"}
    return style.tool(name, text, {argument: (searched, True)}, style.output(schema, f"id of the matching {noun}"))


def _create(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity, other = style.rng, style.rng.choice(entities), style.rng.choice(entities)
    arguments: dict[str, tuple[Definition, bool]] = {
        rng.choice(("title", "name", "subject")): (
            style.about({"type": "string"}, f"The title of the {entity.noun}"),
            True,
        )
    }
    if rng.random() < 0.5:
        word, values = rng.choice(list(word_lists()["catalogues"]["enums"].items()))
        arguments[word] = (style.about({"type": "string", "enum": values}, f"The {word}"), False)
    if rng.random() < 0.5 and other != entity:
        arguments[style.id_name(other)] = (style.id_of(other), rng.random() < 0.5)
    arguments |= _some_details(style, entity.noun, rng.choice((0, 0, 0, 1, 2, 3)))
    verb = rng.choice(("create", "create", "add", "open", "register"))
    text = f"{_synonym(style, verb)} a new {entity.noun}"
    return style.tool(
        style.name(verb, entity.noun),
        text,
        arguments,
        style.output(style.id_of(entity), f"id of the new {entity.noun}"),
    )


def _synonym(style: CatalogueStyle, verb: str, others: Sequence[str] = ()) -> str:
    """The verb of a description for the verb of a name: the same, or one of `others` or of those in words.toml."""
    others = others or word_lists()["catalogues"]["telling"].get(verb, ())
    first, space, rest = style.rng.choice((verb, verb, *others)).partition(" ")
    return f"{style.verb(first)}{space}{rest}"


def _some_details(style: CatalogueStyle, noun: str, count: int) -> Arguments:
    """`count` plain arguments that describe a thing: its author, its year, its place."""
    details: Arguments = {}
    for word in style.rng.sample(word_lists()["catalogues"]["details"], count):
        kind = "integer" if word in ("year", "amount", "quantity", "edition", "pin") else "string"
        details[style.name(word)] = (style.about({"type": kind}, f"The {word} of the {noun}"), style.rng.random() < 0.6)
    return details


def _act(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity, words = style.rng, style.rng.choice(entities), word_lists()
    verb = rng.choice(words["catalogues"]["acts"])
    description_verb = _synonym(style, verb, words["verbs"].get(verb, ()))
    many = rng.random() < 0.3
    noun = entity.many if many else entity.noun
    schema = {"type": "array", "items": style.id_of(entity)} if many else style.id_of(entity)
    text = f"{description_verb} {'the given' if many else style.determiner} {noun}"
    arguments = {style.id_name(entity, many=many): (style.about(schema, f"The {noun} to {verb}"), True)}
    other = rng.choice(entities)
    if other != entity and rng.random() < 0.4:
        arguments[style.id_name(other)] = (style.id_of(other), True)
    return style.tool(style.name(verb, noun), text, arguments, {"type": "null"})


def _nominal_action(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    """A tool that performs an action named by a noun: a citation of an article, a reservation for a room."""
    rng, entity = style.rng, style.rng.choice(entities)
    action, verb = rng.choice(sorted(word_lists()["deeds"].items()))
    making_verb = rng.choice(("create", "generate", "make", "submit", "request"))
    name = rng.choice(((making_verb, entity.noun, action), (making_verb, action), (verb, entity.noun)))
    text = f"{style.verb(making_verb)} a {action} {rng.choice(('of', 'for'))} {style.determiner} {entity.noun}"
    by_id = rng.random() < 0.6
    key = style.id_name(entity) if by_id else style.name(entity.noun, rng.choice(("name", "title")))
    arguments: Arguments = {key: (style.id_of(entity) if by_id else {"type": "string"}, True)}
    output = {"type": "object", "properties": {style.name(action): {"type": "string"}}}
    arguments |= _some_details(style, action, rng.choice((0, 1, 1, 2, 3)))
    return style.tool(style.name(*name), text, arguments, style.output(output, action))


def _set(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    word, values = rng.choice(list(word_lists()["catalogues"]["enums"].items()))
    verb = rng.choice(("set", "update", "change"))
    text = f"{style.verb(verb, 'set', 'change', 'adjust')} the {word} of {style.determiner} {entity.noun}"
    value = style.about({"type": "string", "enum": values}, f"The new {word}")
    arguments = {style.id_name(entity): (style.id_of(entity), True), style.name(word): (value, True)}
    return style.tool(style.name(verb, entity.noun, word), text, arguments, {"type": "null"})


def _join(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng = style.rng
    entity, other = rng.sample(entities, 2)
    verb, preposition = rng.choice(
        (("add", "to"), ("assign", "to"), ("move", "to"), ("link", "to"), ("attach", "to"), ("share", "with"))
    )
    many = rng.random() < 0.6
    noun = entity.many if many else entity.noun
    schema = {"type": "array", "items": style.id_of(entity)} if many else style.id_of(entity)
    determiner = "the given" if many else style.determiner
    first_verb, _, into = rng.choice(word_lists()["catalogues"]["joining"][f"{verb} {preposition}"]).partition(" ")
    text = f"{style.verb(first_verb)} {determiner} {noun} {into} {rng.choice(('the', 'a', 'the given'))} {other.noun}"
    arguments = {
        style.id_name(entity, many=many): (style.about(schema, f"The {noun} to {verb}"), True),
        style.id_name(other): (style.about(style.id_of(other), f"The ID of the {other.noun}"), True),
    }
    return style.tool(style.name(verb, noun, preposition, other.noun), text, arguments, {"type": "null"})


def _objects(style: CatalogueStyle, entity: Entity, text: str) -> tuple[str, tuple[Definition, bool]]:
    """A list argument of one entity, or of objects of any kind."""
    if style.typed == "formats" or not style.general:
        return style.id_name(entity, many=True), (
            style.about({"type": "array", "items": style.id_of(entity)}, text),
            True,
        )
    return style.rng.choice(("objects", "items")), (
        style.about({"type": "array", "items": {"type": "object"}}, text),
        True,
    )


def _digest(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("summarize", "summarize", "describe", "analyze", "compare"))
    name, argument = _objects(style, entity, f"List of {entity.many} to {verb}")
    noun = entity.many if name not in ("objects", "items") else name
    text = rng.choice((f"{_synonym(style, verb)} a list of {noun}", f"{_synonym(style, verb)} {noun} in a short text"))
    result = "summary" if verb == "summarize" else "text"
    return style.tool(
        style.name(verb, noun), text, {name: argument}, style.output({"type": "string", "format": "text"}, result)
    )


def _rank(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("prioritize", "rank", "sort"))
    name, argument = _objects(style, entity, f"A list of {entity.many} to be sorted")
    noun = entity.many if name not in ("objects", "items") else name
    text = rng.choice(
        (f"Returns a list of {noun} sorted by priority", f"{_synonym(style, verb)} {noun}, the most urgent first")
    )
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of {noun} sorted by priority")
    return style.tool(style.name(verb, noun), text, {name: argument}, output)


def _from_text(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb = rng.choice(("create", "extract"))
    text = rng.choice(
        (
            f"{_synonym(style, verb)} {entity.many} from {style.determiner} text",
            f"Given a text, {verb}s {entity.many} from it",
        )
    )
    argument = style.about({"type": "string", "format": "text"}, f"The text from which the {entity.many} are taken")
    output = style.output({"type": "array", "items": style.id_of(entity)}, f"list of new {entity.many}")
    return style.tool(style.name(verb, entity.many, "from text"), text, {"text": (argument, True)}, output)


def _say(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    rng, entity = style.rng, style.rng.choice(entities)
    verb, key = rng.choice((("send", "message"), ("post", "message"), ("add", "comment"), ("send", "email")))
    body = rng.choice(("text", "body", "content", key))
    arguments = {
        body: (style.about({"type": "string", "format": "text"}, f"The text of the {key}"), True),
        style.id_name(entity): (style.about(style.id_of(entity), f"The {entity.noun} that gets the {key}"), True),
    }
    text = f"{_synonym(style, verb)} a {key} to {style.determiner} {entity.noun}"
    return style.tool(style.name(verb, key, "to", entity.noun), text, arguments, {"type": "null"})


def _translate(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    languages = word_lists()["catalogues"]["enums"]["language"]
    arguments = {
        "text": (style.about({"type": "string", "format": "text"}, "The text to translate"), True),
        "language": (style.about({"type": "string", "enum": languages}, "The language to translate to"), True),
    }
    output = style.output({"type": "string", "format": "text"}, "text in the other language")
    return style.tool(style.name("translate text"), f"{style.verb('translate')} a text", arguments, output)


def _fact(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    """A tool that returns a fact about a thing, a place or a time: the price of a ticket, the weather in a city."""
    rng, entity, lists = style.rng, style.rng.choice(entities), word_lists()["catalogues"]
    fact = rng.choice(lists["facts"])
    possible: Arguments = {
        style.name(f"{entity.noun} name"): (style.about({"type": "string"}, f"The name of the {entity.noun}"), True),
        "location": (style.about({"type": "string"}, f"The location of the {entity.noun}", "The city"), True),
        "date": ({"type": "string", "format": "date"}, rng.random() < 0.5),
    }
    arguments = {name: possible[name] for name in rng.sample(sorted(possible), rng.choice((1, 1, 2)))}
    if rng.random() < 0.3:
        word, values = rng.choice(list(lists["enums"].items()))
        arguments[style.name(entity.noun, word)] = ({"type": "string", "enum": values}, False)
    name = style.name(rng.choice(("get", "get", "check", "find")), entity.noun, fact)
    about = f"the {fact} of {style.determiner} {entity.noun}"
    text = rng.choice((f"{style.verb('retrieve')} information about {about}", f"{style.verb('get', 'return')} {about}"))
    output = {"type": "object", "properties": {style.name(fact): {"type": "string"}}}
    return style.tool(name, text, arguments, style.output(output, f"{fact} of the {entity.noun}"))


def _figure(style: CatalogueStyle, entities: list[Entity]) -> Tool:
    """A tool that calculates a figure from numbers."""
    rng, entity, lists = style.rng, style.rng.choice(entities), word_lists()["catalogues"]
    figure = rng.choice(lists["figures"])
    measures = rng.sample(lists["measures"], rng.randint(1, 3))
    arguments: Arguments = {
        style.name(word): (style.about({"type": "number", "minimum": 0}, f"The {word} of the {entity.noun}"), True)
        for word in measures
    }
    verb = rng.choice(("calculate", "calculate", "compute", "estimate"))
    text = f"{_synonym(style, verb)} the {figure} of {style.determiner} {entity.noun}"
    output = {"type": "object", "properties": {style.name(figure): {"type": "number"}}}
    return style.tool(style.name(verb, entity.noun, figure), text, arguments, style.output(output, figure))


FAMILIES: tuple[Callable[[CatalogueStyle, list[Entity]], Tool], ...] = (
    *(filtered_list, _details, _similar, _current, _lookup, _create, _act, _act, _nominal_action),
    *(_set, _join, _digest, _rank, _from_text, _say, _translate, _fact, _figure),
)
