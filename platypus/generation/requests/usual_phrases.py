"""Arguments of common names, and flags, as people say them: `on branch {}`, `sorted by {}`, `as a dry run`.

The phrases stand in `names.toml`. Other arguments are phrased in `argument_phrases.py`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from platypus.catalogue.tools import Argument
from platypus.catalogue.words import gerund, with_article, words
from platypus.generation.lexicon import name_lists, name_words, spelled
from platypus.plan.plan import Value

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


def truth(argument: Argument, value: bool, *, many: bool = True, acting: bool = False) -> tuple[str, ...]:
    """Return phrases for a boolean: `that need a response`, `including archived`, `as a dry run`, `without reloading`.

    They stand behind a noun; or behind a deed, if the tool is `acting`: nothing there *is* or *needs* something.
    """
    usual = _flags().get(" ".join(words(argument.name)))
    if usual:
        return tuple(usual["true" if value else "false"])
    parts = words(argument.name.rpartition(".")[2])
    plain = [part for part in parts if part not in DROPPED]
    noun = spelled(" ".join(plain or parts))
    if acting and {"is", "are"} & set(parts):
        return (f"marked as {noun}",) if value else (f"not marked as {noun}",)
    if parts[0] in name_words("verbs") - name_words("nouns_too") - {"include"} and len(parts) > 1:
        doing = f"{gerund(parts[0])} {spelled(' '.join(parts[1:]))}"
        return (doing,) if value else (f"without {doing}",)
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
        return yes if value else (f"that do not need {thing}", f"that need no {bare}", f"that don't need {thing}")
    if parts[-1] in ("required", "needed") and len(parts) > 1:
        thing = " ".join(parts[:-1])
        forms = (f"that require {with_article(thing)}", f"that need {with_article(thing)}")
        return forms if value else (f"that require no {thing}", f"that need no {thing}")
    if "include" in parts or "with" in parts:
        return (f"including {noun}", f"with {noun}") if value else (f"excluding {noun}", f"without {noun}")
    if "has" in parts:
        return (f"that have {noun}", f"with {noun}") if value else (f"that have no {noun}", f"without {noun}")
    if {"is", "are", "only"} & set(parts):
        are = "are" if many else "is"
        return (f"that {are} {noun}",) if value else (f"that {are} not {noun}", f"that {are}n't {noun}")
    on = (f"with {noun} on", f"with {noun} on", f"with {noun} enabled", f"with {noun} set to true")
    return on if value else (f"with {noun} off", f"with {noun} off", f"with {noun} disabled", f"without {noun}")
