"""How an argument's value is expressed beside a noun: "owned by {}", "{} priority", "with a budget of {}".

The phrases come from the argument's name, schema and description, by rules that hold for any catalogue. A phrase is
never ambiguous: where two arguments of the tool could be meant, it contains the argument's full name.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from platypus.catalogue.dataflow import CODES, is_searched, takes_ids
from platypus.catalogue.prose import first_sentence
from platypus.catalogue.schema import allowed_values, variants
from platypus.catalogue.subjects import is_look_up
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import gerund, is_plural, plural, singular, with_article, words
from platypus.generation.lexicon import name_words, spelled
from platypus.generation.requests.usual_phrases import PREPOSITION, is_noun, usual_phrases

SUFFIXES = CODES - {"number", "code", "key"} | {"name", "names", "list", "gid"}
PLACE = {"location", "city", "country", "region", "place", "venue", "area", "state", "destination"}
FROM, TO = {"from", "source", "sender", "origin", "base"}, {"to", "target", "receiver", "recipient", "destination"}
PERIODS = {"year", "season", "month", "period", "quarter", "timeframe"}
AT = {"price", "temperature", "speed", "rate", "altitude", "pressure", "angle", "distance", "depth", "velocity"}
LIMITS = {"limit", "max", "top", "count", "maximum", "num", "number", "return"}
ORDINALS = {"1": "first", "2": "second", "3": "third"}  # `real_part1`
AUTHORS = {"author", "artist", "composer", "director", "writer", "singer"}
SPOKEN = {"text", "content", "body", "message", "comment", "note"}
COUNTED = {"results", "items", "count", "rows", "entries", "records", "number", "works", "n", "k", "limit", "num", "of"}
GRADED = {
    "priority",
    "severity",
    "urgency",
    "level",
    "impact",
    "risk",
    "quality",
    "importance",
    "intensity",
    "difficulty",
}
SEARCHED_FOR = {"query", "q", "search", "keyword", "keywords", "term", "phrase", "pattern"}
WRITTEN_QUERY = re.compile(r"(?i)\w*ql\b|cypher|lucene|dsl|regex|\bjq\b|operators?|syntax|expression")
DOING = {"add", "remove", "delete", "exclude", "include", "append"}  # what an argument does with its values
MAKING = {"create", "upload", "attach", "send", "import", "new"}
CHANGING = {"insert", "delete", "remove", "add", "create", "pop", "set", "move", "resize", "append", "mark"}
SEARCHING = {"search", "find", "lookup"}
SAYING = {"comment", "message", "reply", "post", "send", "note", "tweet", "email", "mail", "sms", "chat", "announce"}
BELONGING = ("belonging to", "associated with", "related to", "linked to", "for")
SYNONYMS: dict[str, tuple[str, ...]] = {  # synonyms, used unless another argument of the tool has that meaning
    "owned by": ("owned by", "owned by", "assigned to", "that belong to"),
    "created by": ("created by", "created by", "reported by", "opened by", "filed by"),
    "assigned to": ("assigned to", "assigned to", "owned by"),
    "belonging to": BELONGING,
    "associated with": BELONGING,
    "related to": BELONGING,
}
ENDS = {"start": "from", "from": "from", "end": "to", "stop": "to", "to": "to"}  # of a range, by the first word
TIME_UNITS = {"ms", "milliseconds", "seconds", "minutes", "hours", "days"}
UNIT = re.compile(r"\bin (days|hours|minutes|seconds|weeks|months|years|meters|kilometers|kilograms|miles|grams)\b")
ADJECTIVE = re.compile(r".*(?:al|ic|ed|ive|ous|ent|ary|able|ate|less|ing)$|gold|basic|large|small|medium|open|active")


@dataclass(frozen=True)
class ArgumentPhrases:
    """Ways to express one argument: after a noun, before it, or as the noun itself; `{}` is the value.

    `referring` are those that suit a reference to an earlier result: "owned by them", "related to it".
    """

    after: tuple[str, ...]
    before: tuple[str, ...] = ()
    referring: tuple[str, ...] = ()
    heads: bool = False  # the value may replace the noun: `tasks`
    counts: bool = False  # the value limits how many results there are


@lru_cache(maxsize=8192)
def _label(name: str) -> tuple[str, ...]:
    """The words of the argument's name, without a type before a dot and without `id` or `name` at the end."""
    parts = words(name.rpartition(".")[2])
    parts = parts[-1:] if _is_link(parts) else parts
    kept = parts[:-1] if parts[-2:] in (["list", "id"], ["list", "ids"]) else []  # of a list of tasks
    label = kept or [part for k, part in enumerate(parts) if part not in SUFFIXES and (k or part != "new")]
    ends = label[-2:-1] == ["or"] and label[-1] in ("key", "keys", "number", "slug", "url")  # `issue_ids_or_keys`
    label = label[:-2] if ends else label[:-1] if label[-1:] == ["or"] else label  # `slug_or_id`
    label = label or [part for part in words(name) if part not in {*SUFFIXES, "new"}] or parts
    if label in (["current"], ["old"], ["updated"], ["desired"], ["first"], ["last"], ["full"]):
        label = parts  # `current_name`
    if label[-1] in ORDINALS and len(label) > 1:
        return (ORDINALS[label[-1]], *label[:-1])
    if label[0] in ("num", "number") and len(label) > 1:
        return ("number", "of", *(label[2:] if label[1] == "of" else label[1:]))
    return (*label[:-1], singular(label[-1]))


def _is_link(parts: list[str]) -> bool:
    """Whether a name is like `applies_to_part`, and not like `time_of_day`."""
    if parts[-1] in name_words("verbs") - name_words("nouns_too"):  # `calendars_to_check`
        return False
    return len(parts) > 2 and parts[-2] in PREPOSITION.split("|") and parts[0].endswith(("s", "ed", "ing"))


def label(tool: Tool, argument: Argument) -> str:
    """Return the noun for the argument: `severity` for `ticket.severity`, unless another argument has the same."""
    short = _label(argument.name)
    if sum(_label(other.name) == short for other in tool.arguments) > 1:
        return " ".join((*(singular(w) for w in words(argument.name) if w not in SUFFIXES),)) or argument.name
    return " ".join(short)


def argument_phrases(tool: Tool, argument: Argument, *, type_known: bool = False) -> ArgumentPhrases:
    """Return the ways to express the argument. `type_known`: the request already has the type before the dot."""
    noun = spelled(label(tool, argument) if not type_known else " ".join(_label(argument.name)))
    parts = words(argument.name.rpartition(".")[2])
    element = argument.schema.get("items", argument.schema)
    if len(noun) == 1:  # `a` and `b` of a sum
        return ArgumentPhrases((f"with {noun} = {{}}", f"({noun} = {{}})"))
    numeric = _kind(element) in ("integer", "number")
    said = () if numeric and parts in (["head"], ["tail"]) else usual_phrases(argument.name, noun)
    if not said and parts[-1] in PREPOSITION.split("|") and len(parts) > 1:
        participles, with_kind = _participle(tool, argument, parts)
        return ArgumentPhrases((*participles, *with_kind), referring=participles)
    if _is_link(parts):
        return ArgumentPhrases(_linked(parts), referring=("related to {}", "for {}", "associated with {}"))
    if allowed_values(element):
        return ArgumentPhrases(said) if said else _choice(tool, argument, noun)
    counts = parts[-1] == "limit" or (parts[0] in LIMITS and set(parts[1:]) <= COUNTED)
    if counts and numeric and not argument.required and _returns(tool):
        after = ("(at most {})", "limited to {}", "with a limit of {}", "(no more than {})", "(limit {})")
        return ArgumentPhrases(after, ("{}", "the first {}", "the first {}", "up to {}"), counts=True)
    if said:
        return ArgumentPhrases(said)
    unit = UNIT.search(argument.description)
    if numeric:
        return ArgumentPhrases(_number(tool, argument, parts, noun, f" {unit[1]}" if unit else ""))
    prose, referring = _prose(tool, argument, type_known=type_known)
    return ArgumentPhrases((*prose, *_plain(tool, argument, parts, noun)), referring=referring)


def _kind(schema: object) -> str:
    return str(next(iter(variants(schema)), {}).get("type", "string"))  # type: ignore[arg-type]


def _returns(tool: Tool) -> bool:
    """Whether a limit is one on what the tool returns: `insert_rows` has none."""
    return is_look_up(tool) or not CHANGING & set(words(tool.name))


def _participle(tool: Tool, argument: Argument, parts: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`owned_by` → `owned by {}`, `assigned to {}`; the second list adds the kind of thing: `owned by user {}`."""
    own = " ".join(parts)
    others = {" ".join(words(other.name)) for other in tool.arguments if other != argument}
    participles = [form for form in SYNONYMS.get(own, (own,)) if form not in others]
    kind = re.search(r"\b(user|person|employee|member|customer|team|contact)s?\b", argument.description.lower())
    with_kind = (f"{own} {kind[1]} {{}}", f"{own} the {kind[1]} {{}}") if kind else ()
    return tuple(f"{form} {{}}" for form in participles), with_kind


def _linked(parts: list[str]) -> tuple[str, ...]:
    """`applies_to_part` → `that apply to part {}`, `related to {}`."""
    noun = singular(parts[-1])
    link = " ".join([re.sub(r"ies$", "y", parts[0]).removesuffix("s"), *parts[1:-1]])
    ways = (*BELONGING, "under", f"that {link}")
    return (*(f"{way} {noun} {{}}" for way in ways), f"related to the {noun} {{}}", f"for the {noun} {{}}")


def _choice(tool: Tool, argument: Argument, noun: str) -> ArgumentPhrases:
    element = argument.schema.get("items", argument.schema)
    values = [str(value) for value in allowed_values(element)]
    last = noun.split(" ")[-1]
    if last not in ("type", "kind") and not is_noun(noun.lower().split(" ")):
        return ArgumentPhrases((f"({noun}: {{}})",))
    plain = all(re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", value) for value in values)
    of: tuple[str, ...] = (f"with {noun} {{}}", *((f"with {{}} {noun}",) * 2 if plain else (f"with the {noun} {{}}",)))
    if last in (*GRADED, "status", "state", "category"):
        of = (*of, f"whose {noun} is {{}}", f"that have {{}} {noun}")
    after = (*of, f"with {with_article(noun)} of {{}}") if plain and last in GRADED else of
    if last in ("type", "kind"):
        nouns = not any(ADJECTIVE.fullmatch(value) or " " in value or "_" in value for value in values)
        return ArgumentPhrases(("of type {}", f"of the {noun} {{}}", f"with {noun} {{}}"), (), heads=nouns)
    if argument.required:
        forms = (f"with {noun} {{}}", f"with the {noun} {{}}", f"with the {noun} {{}}")
        return ArgumentPhrases(("into {}", "to {}", "into {}", forms[0]) if last == "language" else forms)
    is_unambiguous = last in ("status", "state") or all(re.fullmatch(r"[a-z]\d", value, re.I) for value in values)
    other_values = {
        str(v) for a in tool.arguments if a != argument for v in allowed_values(a.schema.get("items", a.schema))
    }
    bare = ("{}", "{}") if is_unambiguous and not other_values & set(values) else ()
    graded = (f"{{}} {noun}", f"{{}}-{noun}") if last in GRADED else ()
    return ArgumentPhrases(after, (*bare, *graded))


def _number(tool: Tool, argument: Argument, parts: list[str], noun: str, unit: str) -> tuple[str, ...]:
    if parts[-1] in ("year", "season") and _sole(tool, argument, PERIODS):
        years = ("in the year {}", "from {}", "({})")
        return ("in {}", "for {}", f"for the {noun} {{}}", *(years if parts[-1] == "year" else ("in season {}",)))
    if parts[-1] in ("duration", "days", "hours", "minutes") and unit:
        return (f"for {{}}{unit}", f"with a {noun} of {{}}{unit}", f"lasting {{}}{unit}")
    unit = unit or (f" {parts[-1]}" if parts[-1] in TIME_UNITS and len(parts) > 1 else "")
    if unit.strip() == parts[-1]:
        noun = noun.rpartition(" ")[0]
    if parts in (["head"], ["tail"]):
        end = "first" if parts == ["head"] else "last"
        return f"(the {end} {{}} lines)", f"limited to the {end} {{}} lines"
    if parts[-1] in ("number", "code", "key"):
        return f"with {noun} {{}}", f"for {noun} {{}}", f"with the {noun} {{}}"
    if CODES & {parts[-1]}:
        return (f"for {noun} {{}}", f"of {noun} {{}}", f"with {noun} ID {{}}", f"for the {noun} with ID {{}}")
    if parts[-1] == "count" and len(parts) > 1:
        return f"for {{}} {plural(' '.join(parts[:-1]))}", f"with {with_article(noun)} of {{}}"
    if parts[-1] in ("index", "idx") and len(parts) > 1 and parts[0] not in ENDS:
        thing = spelled(" ".join(parts[:-1]))
        return (f"on {thing} {{}}" if parts[-2] in ("slide", "page") else f"in {thing} {{}}",)
    if parts == ["index"]:
        return ("at index {}",)
    if parts[0] in ENDS and not unit and len(parts) < 3:
        return (f"{ENDS[parts[0]]} {spelled(' '.join(parts[1:]))} {{}}".replace("  ", " "),)
    if len(parts) == 1 and parts[0] != "s" and parts[0].endswith("s") and parts[0] not in TIME_UNITS and not unit:
        return (f"with {{}} {spelled(parts[0])}",)
    if parts[-1] == "quantity":
        return f"with a {noun} of {{}}", f"({noun}: {{}})"
    noun = " ".join(parts) if is_plural(parts[-1]) and len(_label(argument.name)) == len(parts) else noun
    article = "" if is_plural(noun) else f"{with_article(noun).split(' ')[0]} "
    if parts == ["age"]:
        return (f"aged {{}}{unit}", f"with an age of {{}}{unit}", f"({noun}: {{}}{unit})")
    if parts[0] in ("max", "maximum") and is_plural(parts[-1]) and not unit:
        most = " ".join(parts[1:])
        return (f"with at most {{}} {most}", f"(at most {{}} {most})", f"(no more than {{}} {most})")
    if not is_noun(noun.lower().split(" ")):
        return (f"({noun}: {{}}{unit})",)
    with_it = (f"with {article}{noun} of {{}}{unit}",)
    at = (f"at {article}{noun} of {{}}{unit}",) if parts[-1] in AT else ()
    return (*with_it, *at)


def _sole(tool: Tool, argument: Argument, family: set[str]) -> bool:
    """Whether no other argument belongs to the family, so that a preposition alone is clear."""
    return not any(family & set(words(other.name)) for other in tool.arguments if other.name != argument.name)


def _prose(tool: Tool, argument: Argument, *, type_known: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`Filters for tickets associated with any of the provided Rev organizations` → `associated with …`."""
    match = re.search(
        r"\b(?:(\w+ed|\w+ing|belong|came in) )?"
        rf"({PREPOSITION}) ((?:(?:any|one) of )?(?:the |these |those )(?:provided |given |specified )?)([\w ]+)",
        re.sub(r"\(s\)| by name", "", first_sentence(argument.description)),
    )
    if not match or argument.required:
        return (), ()
    thing = singular(match[4].strip())
    if match[3] == "the " and singular(thing.split(" ")[-1]) != _label(argument.name)[-1]:
        return (), ()
    is_shared = label(tool, argument).split(" ")[-1] != _label(argument.name)[-1] or " ".join(
        _label(argument.name)
    ) != label(tool, argument)
    if is_shared and not type_known:  # two arguments differ only by their type, so the type is added
        qualifier = words(argument.name)[0]
        return (f"with {qualifier} {thing} {{}}", f"with {{}} as the {qualifier} {thing}"), ()
    if match[2] in ("in", "under"):
        forms = (
            f"in the {{}} {thing}",
            f"in the {{}} {thing}",
            f"in {thing} {{}}",
            f"in {{}} {thing}",
        )
        return (*forms, f"that are in the {{}} {thing}", "currently in {}") if thing == "stage" else forms, ()
    verb = {"belong": "belonging", "came in": "that came in"}.get(match[1] or "", match[1] or "")
    ways: tuple[str, ...] = SYNONYMS.get(f"{verb} {match[2]}".strip(), (f"{verb} {match[2]}".strip(),))
    if match[2] in ("through", "via") or thing.endswith("channel"):
        return (
            "via {}",
            f"from the {{}} {thing}",
            f"from {thing} {{}}",
            f"through the {{}} {thing}",
        ), ()
    if takes_ids(argument) and not verb:
        ways = (match[2], "from", "for", *BELONGING[1:3])
    with_noun = tuple(f"{way} {article}{thing} {{}}" for way in ways for article in ("", "the "))
    return with_noun, tuple(f"{way} {{}}" for way in ways)


def _plain(tool: Tool, argument: Argument, parts: list[str], noun: str) -> tuple[str, ...]:
    last, required = parts[-1], argument.required
    if len(parts) > 1 and parts[0] in DOING:  # `remove_label_ids`
        thing = " ".join(word for word in parts[1:] if word not in SUFFIXES) or " ".join(parts[1:])
        return (f"{gerund(parts[0])} {singular(thing)} {{}}",)
    routed = _on_the_way(tool, argument, parts, noun)
    if routed:
        return routed
    if parts in (["filename"], ["file", "name"]):
        saved = re.search(r"(?i)\b(?:sav|output|writ|export|download)", argument.description)
        new = saved or MAKING & set(words(tool.name))
        return ("saved as {}",) if saved else _named(noun) if new else ("in {}",)
    if last == "pages":
        return ("on pages {}", "(pages {})", f"with {' '.join(parts)} {{}}")
    if last in AUTHORS and len(parts) == 1 and _sole(tool, argument, AUTHORS | {"by"}):
        return ("by {}", "by {}", "({})", f"with {noun} {{}}")
    if last in ("language", "currency") and _sole(tool, argument, {last}):
        return ("in {}", "in {}", f"with {noun} {{}}")
    if last in PLACE and _sole(tool, argument, PLACE) and (len(parts) == 1 or last in ("location", "city", "country")):
        return ("in {}", "in {}", "for {}", f"for the {noun} {{}}")
    if last in PERIODS and _sole(tool, argument, PERIODS):
        return ("for {}", "for {}", f"for the {noun} {{}}")
    if last in ("date", "day", "time", "deadline"):
        return _dated(tool, argument, parts, noun)
    searched = _searched(tool, argument, parts, noun)
    if searched:
        return searched
    if last in ("title", "name", "subject") and required:
        return (
            ("called {}", "titled {}", f"with the {noun} {{}}", f"with {noun} {{}}")
            if last != "name"
            else (("named {}", "called {}") if len(parts) == 1 else (f"with the {noun} {{}}", f"for {noun} {{}}"))
        )
    if (
        last in SPOKEN
        and required
        and SAYING & set(words(f"{tool.name} {tool.title}"))
        and _sole(tool, argument, SPOKEN)
    ):
        return ("saying {}", f"with the {noun} {{}}", "that says {}", f"with {noun} {{}}")
    if {"id", "ids"} & set(parts):
        if noun.endswith("ID"):
            return (f"with {noun} {{}}", f"with the {noun} {{}}")
        if noun.split(" ")[-1] in name_words("attributes") and not is_look_up(tool):
            return _named(noun)
        forms_with_id = (f"for {noun} {{}}", f"for {noun} {{}}", f"with {noun} ID {{}}", f"for the {noun} {{}}")
        return forms_with_id if required else forms_with_id[:1]
    if last == "name" and len(parts) > 1:
        return (f"for {noun} {{}}", f"for the {noun} {{}}")
    return _named(noun)


def _on_the_way(tool: Tool, argument: Argument, parts: list[str], noun: str) -> tuple[str, ...]:
    """`from {}` for a source, `to branch {}` for a target; none for other arguments."""
    last = parts[-1]
    way = "from" if FROM & {parts[0], last} else "to" if TO & {parts[0], last} else ""
    way = ENDS.get(parts[0], way) if way else ""  # `start_target`
    if way:
        rest = [part for part in parts if part not in {*FROM, *TO, *SUFFIXES, *ENDS, "of"}]
        if rest and rest[-1] in PLACE and _sole(tool, argument, PLACE):
            return f"{way} {{}}", f"{way} {{}}"
        is_shared = any(rest and rest[-1] in words(other.name) for other in tool.arguments if other != argument)
        moved = any(TO & set(words(other.name)) for other in tool.arguments) and parts == ["source"]
        if not is_shared and not moved and {"source", "target", "base"} & {parts[0]}:
            return _named(noun)
        forms = (f"{way} {{}}", f"{way} {' '.join(rest)} {{}}") if rest else (f"{way} {{}}",)
        return forms if is_shared or not rest else forms[1:]
    return ()


def _searched(tool: Tool, argument: Argument, parts: list[str], noun: str) -> tuple[str, ...]:
    """Phrases for what a tool searches for; none for other arguments."""
    last = parts[-1]
    if last in SEARCHED_FOR and SEARCHING & set(words(f"{tool.name} {tool.title}")) and set(parts) <= SEARCHED_FOR:
        return ("for {}",)
    if "sql" in f"{tool.description} {argument.description}".lower() and last in SEARCHED_FOR:
        return f"with the {noun} {{}}", f"with {noun} {{}}", f"using the {noun} {{}}"
    if (
        parts[-1:] == ["query"]
        and len(parts) == 1
        and is_look_up(tool)
        and not WRITTEN_QUERY.search(argument.description)
    ):
        return "for {}", "about {}"
    if is_searched(argument) and (len(parts) == 1 or last == "name") and sum(a.required for a in tool.arguments) == 1:
        if last != "name":
            return "for {}", "about {}", f"with the {noun} {{}}"
        name_forms = ("for {}", "called {}", "named {}", f"with the {noun} {{}}")
        return name_forms if len(parts) == 1 else (f"for {noun} {{}}",)
    return ()


def _named(noun: str) -> tuple[str, ...]:
    if not is_noun(noun.lower().split(" ")):
        return (f"({noun}: {{}})",)
    return (f"with {noun} {{}}", *(f"with the {noun} {{}}",) * 4, f"with {{}} as the {noun}")


def _dated(tool: Tool, argument: Argument, parts: list[str], noun: str) -> tuple[str, ...]:
    first = parts[0] if len(parts) > 1 else ""
    if first in ("start", "begin", "from"):
        return ("starting on {}", "from {}", f"with {noun} {{}}")
    if first in ("end", "finish", "to"):
        return ("until {}", "ending on {}", f"with {noun} {{}}")
    if first == "due" or parts[-1] == "deadline":
        return ("due on {}", "due {}", f"with {noun} {{}}")
    at = "at" if parts[-1] == "time" else "on"
    sole = _sole(tool, argument, {"date", "day", "time"} - ({"time"} if at == "on" else {"date", "day"}))
    return (f"{at} {{}}", "for {}", f"with {noun} {{}}") if sole else (f"with {noun} {{}}", f"with {{}} as the {noun}")
