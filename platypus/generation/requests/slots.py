"""Phrases with slots: the places where a tool's own text mentions an argument, so that its value can be put there.

`"Adds the given work items to the sprint"` → `"add {work_ids|work items} to {sprint_id|sprint}"`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from platypus.catalogue.dataflow import KIN
from platypus.catalogue.schema import allowed_values, variants
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import is_plural, plural, singular, words
from platypus.generation.lexicon import spelled
from platypus.generation.requests.usual_phrases import PREPOSITION

RESTRICTION = "matching|based on|that|filtered|according to|using|given|where|(?:for |in )?which|so that|in order to"
GIVEN = r"(?:given|input|provided|specified|specific|particular|certain|selected|chosen|desired)"
SLOT = re.compile(r"\{([^|}]*)\|([^}]*)\}")


@dataclass(frozen=True)
class Form:
    """A phrase with slots for arguments: `"add {work_ids|work items} to {sprint_id|sprint}"`."""

    text: str

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the arguments, in their order in the phrase."""
        return tuple(match[1] for match in SLOT.finditer(self.text))

    @property
    def plain(self) -> str:
        """The text with the nouns of the slots alone: `add {work items} to {sprint}`."""
        return SLOT.sub(r"{\2}", self.text)

    @property
    def of_one(self) -> str:
        """The plain text as it is for one value in each slot: `add {work item} to {sprint}`."""
        return SLOT.sub(lambda slot: f"{{{singular(slot[2])}}}", self.text)


def labels(argument: Argument) -> list[str]:
    """Return nouns for the argument, longest first: from its format, its name, its description's first noun."""
    parts = words(argument.name)
    dropped = ("id", "ids", "name", "names", "list", "key", "title", "email", "identifier", "input", "target", *CODES)
    name = parts[:-1] if parts[-2:] == ["list", "id"] else [word for word in parts if word not in dropped]
    kind = argument.schema.get("items", argument.schema).get("format", "")
    described = re.match(
        rf"(?:the |an? )?(?:(?:list|u?ids?|names?|keys?|paths?|urls?|slugs?|(?:unique )?identifiers?) (?:of|to|for) )?"
        rf"(?:the |an? )?(?:{GIVEN} )?"
        rf"((?:(?!(?:{PREPOSITION}|that|which) )[\w-]+ ?)+)",
        argument.description.lower(),
    )
    nouns = [
        " ".join(words(kind.removesuffix("id"))),
        " ".join(name or parts),
        spelled(" ".join(name or parts)),
        described[1].strip() if described else "",
        " ".join(name[:-1]) if len(name) > 1 and name[-1] in LOOSE else "",
    ]
    nouns += [nouns[1].split(" ")[0] + " item"] if nouns[1] else []
    nouns += ["file", "folder", "directory", "document", "workbook"] if PATHS & set(parts) else []
    nouns += ["website", "webpage", "web page", "page"] if {"url", "urls"} & set(parts) else []
    nouns += ["article"] if parts == ["title"] else []
    nouns += sorted(KIN[1]) if set(name) & KIN[1] else []
    singulars = [
        singular(re.sub(r" (?:ids?|names?|numbers?|keys?|paths?|urls?|slugs?|identifiers?)$", "", label, flags=re.I))
        for label in nouns
        if label
    ]
    return sorted(set(singulars), key=len, reverse=True)


CODES = ("gid", "gids", "uid", "iid", "guid", "sid")
PATHS = {"path", "paths", "filepath", "filename"}
LOOSE = (
    *(
        "type",
        "species",
        "number",
        "code",
        "file",
        "path",
        "url",
        "ts",
        "timestamp",
        "slug",
        "sha",
        "uid",
        "ref",
        "idx",
    ),
    *("index", "handle", "username", "uuid", "uri"),
)  # last words of names that descriptions leave out
SOME = r"(?:(?:the|an?|any|all|some|each|every|new|multiple) )*(?:(?:list|set|batch|collection) of )?(?:the )?"
WORD = rf"(?!\{{|(?:{PREPOSITION}|{RESTRICTION}|and|or)\b)[\w-]+ "  # an adjective or a noun before the noun
LEFT = {  # what may precede the argument's noun and becomes part of the slot, the most certain first
    "given": re.compile(rf"(?:^|(?<= ))(?!one ){SOME}{GIVEN} (?:{WORD}){{0,3}}$", re.IGNORECASE),
    "indefinite": re.compile(rf"(?:^|(?<= ))(?:an?|one|each|every|multiple) (?:{WORD}){{0,3}}$", re.IGNORECASE),
    "some": re.compile(rf"(?:^|(?<= )){SOME}$", re.IGNORECASE),
    "definite": re.compile(rf"(?:^|(?<= ))the (?:{WORD}){{1,2}}$", re.IGNORECASE),
    "named": re.compile(
        rf"(?:(?<= of )|(?<= to )|(?<= on )|(?<= for )|(?<= in )|(?<= from ))(?:the |an? )(?:{WORD}){{0,2}}$"
    ),
    "after": re.compile(r"(?:(?<= of )|(?<= to )|(?<= on )|(?<= for )|(?<= about )|(?<= between ))(?:the |an? )?$"),
}
RIGHT = re.compile(
    rf"(?:s|es)?(?: (?:ids?|names?|models?|types?|numbers?)\b)?(?![\w-])(?![^{{]*\}})"
    rf"(?=$|[,.;:]| (?:{PREPOSITION}|and|or|is|are|has|have|be|needed|due|{RESTRICTION}|according|containing|\{{))",
    re.IGNORECASE,
)


IDS = re.compile(r" ids?$", re.IGNORECASE)


def _spot(text: str, tool: Tool, argument: Argument, lefts: tuple[str, ...]) -> tuple[int, int] | None:
    """The start and end of the noun phrase for the argument; None when the text has none."""
    candidates: list[tuple[int, int, int, int]] = []
    names = labels(argument)
    names += [joint for name in names for joint in re.findall(rf"\b{re.escape(name)}-\w+", text.lower())]  # `sub-issue`
    for name in (*names, *(plural(name) for name in names if name.endswith("y"))):
        start = text.lower().find(name)
        while start >= 0:
            right = RIGHT.match(text, start + len(name))
            if right and IDS.search(right[0]) and {"name", "title"} & set(words(argument.name)):
                right = None  # the library's ID is not its name
            for rank, left in enumerate(lefts):
                before = LEFT[left].search(text[:start])
                whole = before and (before[0] or NO_ARTICLE.search(text[:start]))
                if right and before and whole and not _is_other(text[before.start() : right.end()], tool, argument):
                    candidates.append((rank, -len(name), -before.start(), right.end()))
                    break
            start = text.lower().find(name, start + 1)
    _, _, begin, end = min(candidates, default=(0, 0, 0, -1))
    return (-begin, end) if end >= 0 else None


def _is_other(noun: str, tool: Tool, argument: Argument) -> bool:
    """Whether a noun phrase is another argument's: `a CSV file` of `csv_path`, `a new sheet` of `new_name`."""
    own, said = set(words(argument.name)), set(words(noun))
    others = (set(words(other.name)) for other in tool.arguments)
    return any((other - own) & said and (own < other or "new" in other - own) for other in others)


def _own_noun(text: str, tool: Tool, argument: Argument) -> tuple[int, int] | None:
    """The noun phrase of the thing that `id` or `name` belongs to: the `process` of "the output of a process"."""
    owner = OWNER.match(text)
    if not owner and OWNED.match(text):
        return None  # `the field of {resource}`: the name is that of the resource
    match = FIRST_NOUN.match(text)
    if owner:
        return owner.span(1)
    last = singular(match[0].split(" ")[-1]) if match else ""
    others = (other for other in tool.arguments if other.name != argument.name)
    return match.span() if match and not any(last in labels(other) for other in others) else None


def fill_slots(text: str, tool: Tool, *, acting: bool) -> Form:
    """Return the text with slots: `"the work items to a sprint"` → `"{work_ids|work items} to {sprint_id|sprint}"`.

    A text about what is returned (not `acting`) gets slots only where it clearly refers to an argument.
    """
    needed = [argument for argument in tool.arguments if argument.required]
    for argument in needed:
        either = " or ".join(str(value) for value in allowed_values(argument.schema))
        if " or " in either and re.search(rf"\b{re.escape(either)}\b", text):  # `delete rows or columns`
            text = text.replace(either, f"{{{argument.name}|{either}}}", 1)
    for argument in (*needed, *(a for a in tool.arguments if not a.required)):
        if next(variants(argument.schema)).get("type") == "boolean" or f"{{{argument.name}|" in text:
            continue
        if acting and (argument.required or not needed):
            lefts: tuple[str, ...] = ("given", "indefinite", "some", "definite")
        else:
            lefts = ("given", "indefinite", "after", "named") if argument.required else ("given",)
        place = _spot(text, tool, argument, lefts)
        kind = next(variants(argument.schema)).get("type")
        if place is None and argument.required and len(needed) == 1 and kind not in ("integer", "number", "boolean"):
            match = GIVEN_ONE.search(text)
            place = match.span() if match and is_plural(match[0]) == (kind == "array") else None
        if place is None and argument.required and words(argument.name)[-1] == "name":
            match = ANY_NAME.match(text)
            place = match.span() if match else None
        if (
            place is None
            and argument.required
            and set(words(argument.name)) <= OWN
            and "{" not in text.split(" of ")[0]
        ):
            place = _own_noun(text, tool, argument)
        if place is None and argument.required and _is_only_code(tool, argument):
            place = _last_noun(text, acting=acting)
        if place and kind != "array" and text[: place[0]].endswith("between "):
            place = None  # `between time zones` are two
        if place:
            noun = BARE.sub("", text[place[0] : place[1]])
            slot = f"{{{argument.name}|{re.sub(' (ids?|names?)$', '', noun)}}}"
            text = text[: place[0]] + slot + text[place[1] :]
    missing_nouns = (name for a in tool.arguments if f"{{{a.name}|" not in text for name in labels(a))
    tail = next((tail for name in missing_nouns if text.endswith(tail := f"}} and {name}")), "")
    # "for {location} and time period": the period gets a phrase of its own
    return Form(text.removesuffix(tail) + "}" * bool(tail))


def _is_only_code(tool: Tool, argument: Argument) -> bool:
    """Whether all that the tool needs is this id, so that it is that of the thing that its text names."""
    needed = [a for a in tool.arguments if a.required]
    return needed == [argument] and bool(IDENTIFIERS & set(words(argument.name)[-1:]))


def _last_noun(text: str, *, acting: bool) -> tuple[int, int] | None:
    """The last noun phrase with an indefinite article: `an email`, of a tool that takes a `message_id`."""
    found = list(INDEFINITE.finditer(text))
    place = found[-1].span() if found and "{" not in text else None
    return place if place and (place[0] or acting) else None


def filled_in(text: str, tool: Tool, names: Iterable[str]) -> str:
    """Return the text with a slot for each of these arguments that it mentions: `a tag` → `{tag_gid|tag}`.

    Only mentions with an indefinite article count, and only of arguments that are texts.
    """
    for name in names:
        argument = tool.argument(name)
        if argument and INDEFINITE.search(text) and next(variants(argument.schema)).get("type") == "string":
            place = None if allowed_values(argument.schema) else _spot(text, tool, argument, ("given", "indefinite"))
            if place:
                noun = BARE.sub("", text[place[0] : place[1]])
                text = f"{text[: place[0]]}{{{name}|{re.sub(' (ids?|names?)$', '', noun)}}}{text[place[1] :]}"
    return text


def bare_noun(noun: str) -> str:
    """The noun without an article, a list of it, and what restricts it: `a list of tasks that are open` → `tasks`."""
    noun = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of ", "", noun)
    noun = re.sub(r"^(?:the|a|an|all|any|new|created|resulting) ", "", noun)
    noun = re.sub(r"\s*\(.*?\)", "", noun)
    noun = re.sub(r"^(?:new|created) ", "", noun)
    return re.sub(rf" ({RESTRICTION}|{PREPOSITION}|sorted|,).*", "", noun)


IDENTIFIERS = {"id", "gid", "uid", "iid", "uuid"}
INDEFINITE = re.compile(rf"(?:^|(?<= ))an? (?:{WORD}){{0,3}}(?!(?:{PREPOSITION})\b)[\w-]+(?=$| (?:{PREPOSITION})\b)")
OWN = {"id", "pid", "name", "uid", "key", "slug", "uuid", "identifier"}  # of the thing itself
FIRST_NOUN = re.compile(
    rf"(?:the |an? |one )(?:new |existing )?(?:{WORD}){{0,3}}(?!(?:{PREPOSITION})\b)[\w-]+(?=$| (?:{PREPOSITION})\b)"
)
ANY_NAME = re.compile(r"an? (?:[\w-]+ or )?[\w-]+ name\b")
OWNER = re.compile(
    rf"(?:the |an? )?(?:{WORD}){{0,3}}[\w-]+ (?:of|from) "
    rf"(an? (?:new |existing )?(?:{WORD}){{0,3}}[\w-]+)(?=$| (?:{PREPOSITION})\b)"
)
OWNED = re.compile(r"[^{]* (?:of|from) \{")
NO_ARTICLE = re.compile(rf"^$|\b(?:{PREPOSITION}|and|or) $")  # before a noun without an article
GIVEN_ONE = re.compile(rf"(?:the |an? )?{GIVEN} (?!\{{)\w+")
BARE = re.compile(
    rf"^((the|an?|one|any|all|some|each|every|multiple|new|existing|different|{GIVEN}"
    r"|(list|set|batch|collection) of) )+"
)
