"""Arguments of common names, and flags, as people say them: `on branch {}`, `sorted by {}`, `as a dry run`.

The phrases stand in `names.toml`. Other arguments are phrased in `argument_phrases.py`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.tools import Argument
from platypus.catalogue.words import gerund, is_plural, lemma, pluralised, with_article, words
from platypus.generation.lexicon import name_lists, name_words, spelled
from platypus.plan.plan import Value

PREPOSITION = "by|to|with|for|from|in|on|of|under|at|as|about|into|between|before|after|since|until|through|against|via"
TOLD = re.compile(  # `Whether to include …`, `If true, include …`, `Include …`
    r"(?:optional(?:ly)?[:,]? )?(?:whether (?:or not )?to |(?:if|when|set)(?: set)?(?: to)? true,?(?: to)? )?"
    r"(\w+) ((?:the |an? |all )?[\w-]+(?: [\w-]+){0,3})(?=$|[.,;:(]| (?:if|when|instead|rather|so|which|default)\b)",
    re.IGNORECASE,
)
DESCRIBING = {
    "full",
    "raw",
    "static",
    "all",
    "new",
    "old",
    "external",
    "ambiguous",
    "dangerous",
    "empty",
    "only",
    "entire",
}
CHOOSING = {"include", "exclude", "select", "show", "allow", "wait", "use", "enable", "disable"}
DROPPED = {"is", "has", "should", "include", "with", "only", "are", "be", "enabled"}  # from a flag's name
SUFFIXES = {"id", "ids", "name", "names", "key", "slug", "identifier"}


@lru_cache(maxsize=1)
def _said() -> dict[str, tuple[str, ...]]:
    return {name: tuple(rule["as"]) for rule in reversed(name_lists()["said"]) for name in rule["of"]}


@lru_cache(maxsize=1)
def _flags() -> dict[str, dict[str, list[str]]]:
    return {name: flag for flag in name_lists()["flags"] for name in flag["of"]}


def usual_phrases(name: str, noun: str) -> tuple[str, ...]:
    """Return the phrases for an argument of a common name; none for other names. `{}` is the value."""
    parts = words(name.rpartition(".")[2])
    short = parts[:-1] if parts and parts[-1] in SUFFIXES else parts
    found = _said().get(" ".join(parts)) or _said().get(" ".join(short)) or ()
    noun = re.sub(r"(?<=\w) (?:id|key|slug|name|identifier)$", "", noun, flags=re.IGNORECASE)
    return tuple(form.replace("{name}", noun) for form in found)


def owner_and_thing(arguments: Mapping[str, Value]) -> tuple[str, str] | tuple[None, None]:
    """Return two arguments that people say as one: `owner` and `repo` in `acme/website`; else None twice."""
    named = {" ".join(words(name)): name for name in arguments}
    for owner, thing in name_lists()["names"]["pairs"]:
        if owner in named and thing in named:
            both = named[owner], named[thing]
            values = (arguments[name] for name in both)
            return both if all(isinstance(v, str) and re.fullmatch(r"[\w.-]+", v) for v in values) else (None, None)
    return None, None


def in_plural(form: str, noun: str) -> str:
    """The form for several values of a noun: `with the field {}` → `with the fields {}`; users and teams likewise."""
    nouns = name_words("owners") | {noun.split(" ")[-1]} - name_words("uncountable") - set(PREPOSITION.split("|"))
    said = "|".join(map(re.escape, sorted(nouns)))
    return re.sub(rf"(?i)\b(?:{said})(?= \{{\}}|$)", lambda found: pluralised(found[0], many=True), form)


def routed(modifiers: list[str]) -> list[str]:
    """Return phrases with `from A` and `to B` as one: `from A to B`."""
    start = next((text for text in modifiers if text.startswith(("from ", "starting ", "since "))), None)
    end = next((text for text in modifiers if text.startswith(("to ", "into ", "until ", "ending ", "up to "))), None)
    if start is None or end is None:
        return modifiers
    return [f"{start} {end}" if text == start else text for text in modifiers if text != end]


def is_noun(parts: Sequence[str]) -> bool:
    """Whether the words of a name stand well behind "with": `page size`; not `raw`, `from version`, `in trash`."""
    if len(parts) > 2 or parts[0] in CHOOSING or parts[-1] in DESCRIBING or re.search(r"(?<!e)ed$", parts[-1]):
        return False
    return not set(parts) & set(PREPOSITION.split("|"))


def is_short(noun: str) -> bool:
    """Whether a noun of two or more words says by itself what is returned."""
    parts = noun.lower().split(" ")
    dull = {*PREPOSITION.split("|"), "id", "ids", "all", "info", "information", "details", "current", "my"}
    return len(parts) > 1 and not dull & set(parts)


def _told(argument: Argument, value: bool) -> str:
    """What the description says that a flag does: `including the body`, `without following links`; "" if nothing."""
    match = TOLD.match(first_sentence(argument.description))
    verb = lemma(match[1]) if match else ""
    if match and verb == "include":
        return f"{'including' if value else 'leaving out'} {match[2]}"
    unsaid = {"set", "enable", "disable", "use", "require", "force", "filter"}
    if not match or verb not in name_words("verbs") - unsaid:
        return ""
    return f"{'' if value else 'without '}{gerund(verb)} {match[2]}"


def _needed(parts: list[str], value: bool, *, many: bool) -> tuple[str, ...]:
    """Phrases for what something needs: `needsResponse`, `approval_required`; none for other flags."""
    if "needs" in parts or "requires" in parts:
        at = parts.index("needs" if "needs" in parts else "requires")
        thing = with_article(" ".join(parts[at + 1 :]))
        yes = (
            f"that need {thing}",
            f"needing {thing}",
            f"awaiting {thing}",
            f"waiting for {thing}",
            f"that require {thing}",
        )
        bare = thing.split(" ", 1)[-1]
        if not many:
            return (f"that needs {thing}",) if value else (f"that does not need {thing}",)
        return yes if value else (f"that do not need {thing}", f"that need no {bare}", f"that don't need {thing}")
    if parts[-1] in ("required", "needed") and len(parts) > 1:
        thing = " ".join(parts[:-1])
        if not many:
            return (f"that needs {with_article(thing)}",) if value else (f"that needs no {thing}",)
        forms = (f"that require {with_article(thing)}", f"that need {with_article(thing)}")
        return forms if value else (f"that require no {thing}", f"that need no {thing}")
    return ()


def truth(argument: Argument, value: bool, *, many: bool = True, acting: bool = False) -> tuple[str, ...]:
    """Return phrases for a boolean: `that need a response`, `including archived`, `as a dry run`, `without reloading`.

    Where none fits: `(in trash: no)`. They stand behind a noun; or behind a deed, if the tool is `acting`: nothing
    there *is* or *needs* something.
    """
    usual = _flags().get(" ".join(words(argument.name)))
    if usual:
        return tuple(usual["true" if value else "false"])
    parts = words(argument.name.rpartition(".")[2])
    plain = [part for part in parts if part not in DROPPED]
    noun = spelled(" ".join(plain or parts))
    told = "" if {"is", "are", "has", "needs", "requires"} & set(parts) else _told(argument, value)
    if told:
        return (told,)
    yes_or_no = (f"({noun}: {'yes' if value else 'no'})",)
    if parts[-1] in ("required", "needed") and acting:
        return yes_or_no
    if acting and {"is", "are"} & set(parts):
        return (f"marked as {noun}",) if value else (f"not marked as {noun}",)
    if (
        parts[0] in name_words("verbs") - name_words("nouns_too") - {"include"}
        and len(parts) > 1
        and is_noun(parts[1:])
    ):
        doing = f"{gerund(parts[0])} {spelled(' '.join(parts[1:]))}"
        return (doing,) if value else (f"without {doing}",)
    needed = _needed(parts, value, many=many)
    if needed:
        return needed
    if "include" in parts or "with" in parts:
        if acting and not is_plural(noun) and noun not in name_words("uncountable"):
            noun = f"the {noun}"
        return (f"including {noun}", f"with {noun}") if value else (f"excluding {noun}", f"without {noun}")
    if "has" in parts and not many:
        return (f"that has {noun}",) if value else (f"that has no {noun}",)
    if "has" in parts:
        return (f"that have {noun}", f"with {noun}") if value else (f"that have no {noun}", f"without {noun}")
    if parts[-1] == "only" and parts[-2:-1] and parts[-2] in name_words("verbs"):
        return yes_or_no
    if {"is", "are", "only"} & set(parts):
        are = "are" if many else "is"
        return (f"that {are} {noun}",) if value else (f"that {are} not {noun}", f"that {are}n't {noun}")
    return yes_or_no
