"""Kinds of text and numbers that arguments take: recognised and written by the table `kinds.toml`.

`kind_of("text", "repo_path", "Path to the Git repository", …)` is the kind of paths to repositories; `written` draws a
value of it. Does not know schemas.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any, NamedTuple

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.tools import Catalogue, Tool
from platypus.catalogue.words import singular, words
from platypus.generation.lexicon import word_lists

EPOCHS = (1735689600, 1798675200)  # 2025 and 2026, in seconds
_PLACE = re.compile(
    r"\{\{|\}\}|\{(?P<name>[a-z_ ]+?)(?: (?P<size>\d+))?(?:\|(?P<style>\w+))?\}"
    r"|\{(?P<low>\d+)-(?P<high>\d+)(?:\|(?P<zeros>\d+))?\}"
)
_OWN_ENDING = re.compile(
    r"(?<![\w/])\.([a-z][a-z0-9]{1,4}(?:\.gz)?)\b(?!\.)|\w\.(json|csv|md|txt|png|pdf|ya?ml|py|js|mp4)\b"
)
_PERSON = re.compile(r"\w{3,}(?:er|or|ist|ian)|figure|leader")  # nouns for people


class Setting(NamedTuple):
    """Where a value is needed.

    `tool` is the tool's name, title and first sentence, `beside` the names of its arguments, `thing` the last word of
    its name, `files` what most files of its catalogue are for (an expression of `kinds.toml`).
    """

    tool: str = ""
    beside: str = ""
    thing: str = ""
    files: str = ""


@dataclass(frozen=True)
class Kind:
    """A row of the table; its fields are explained in `kinds.toml`."""

    name: str
    when: tuple[Mapping[str, re.Pattern[str]], ...]
    words: frozenset[str] = frozenset()
    forms: tuple[str, ...] = ()
    rare: bool = False
    range: tuple[float, float] = (0, 0)
    digits: int = 0
    step: int = 1


def setting_of(tool: Tool, files: str = "") -> Setting:
    """What the table may know of the tool for which a value is needed; `files` from `files_of` its catalogue."""
    said = f"{' '.join(words(tool.name))} {tool.title} {first_sentence(tool.description)}"
    beside = " | ".join(" ".join(words(argument.name)) for argument in tool.arguments)
    return Setting(said.lower(), beside, singular((words(tool.name) or ["item"])[-1]), files)


def files_of(catalogue: Catalogue) -> str:
    """What most files of the catalogue are for (an expression of `kinds.toml`); empty if that differs."""
    texts = [f"{' '.join(words(tool.name))} {first_sentence(tool.description)}".lower() for tool in catalogue]
    counts = {row["what"]: sum(re.search(row["what"], text) is not None for text in texts) for row in _rows()["ending"]}
    what = max(counts, key=lambda what: counts[what])
    return what if counts[what] > max(2, len(texts) / 5) else ""


@lru_cache(maxsize=1)
def _rows() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("platypus.generation.plans").joinpath("kinds.toml").read_text(encoding="utf-8")
    )


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Kind]]:
    return {sort: {name: _kind(name, dict(row)) for name, row in _rows()[sort].items()} for sort in ("text", "number")}


def _kind(name: str, row: dict[str, Any]) -> Kind:
    conditions = tuple({part: _pattern(part, text) for part, text in when.items()} for when in row.pop("when", ()))
    listed = {key: tuple(value) for key, value in row.items() if key in ("forms", "range")}
    return Kind(name, conditions, **{**row, **listed, "words": frozenset(row.get("words", ()))})


def _pattern(part: str, text: str) -> re.Pattern[str]:
    form = {"name": rf"(?:^| )(?:{text})$", "format": rf"^(?:{text})$"}.get(part, text)
    return re.compile(form)


@lru_cache(maxsize=8192)
def kind_of(sort: str, name: str, prose: str, setting: Setting, format: str = "") -> Kind | None:
    """The first kind of the sort (`text` or `number`) with a condition that holds; None if there is none."""
    own = " ".join(words(name))
    texts = {"name": own, "prose": prose.lower(), "tool": setting.tool, "beside": setting.beside, "format": format}
    for kind in _table()[sort].values():
        if any(all(pattern.search(texts[part]) for part, pattern in when.items()) for when in kind.when):
            return kind
    return None


@lru_cache(maxsize=8192)
def is_technical(name: str) -> bool:
    """Whether an argument of this name is for programs: people hardly ever say it, whatever its type."""
    return re.search(rf"(?:^| )(?:{_rows()['technical']})$", " ".join(words(name))) is not None


def is_command(name: str) -> bool:
    """Whether a list for an argument of this name is one command, word by word: `["ls", "-la"]`."""
    return words(name)[-1:] in (["command"], ["cmd"])


def kind_of_words(parts: list[str]) -> Kind | None:
    """The kind that one of the words names, the last word first: `owner name` → a person."""
    kinds = _table()["text"]
    by_word = _by_word()
    for word in reversed(parts):
        found = by_word.get(word) or by_word.get(word.removesuffix("s"))
        one = singular(word)
        if found or (_PERSON.fullmatch(one) and one not in word_lists()["values"]["not_people"]):
            return kinds[found or "person"]
    return None


@lru_cache(maxsize=1)
def _by_word() -> dict[str, str]:
    return {word: kind.name for kind in reversed(_table()["text"].values()) for word in kind.words}


def written(rng: Random, kind: str, about: str = "", files: str = "") -> str:
    """A value of the kind; what it is `about`, else what `files` of the catalogue are for, tells a file's ending."""
    drawn: dict[str, str] = {}

    def fill(place: re.Match[str]) -> str:
        if place[0] in ("{{", "}}"):
            return place[0][0]
        if place["low"]:
            return str(rng.randint(int(place["low"]), int(place["high"]))).zfill(int(place["zeros"] or 0))
        name = place["name"].replace(" ", "_")
        if not name.startswith("same_"):
            drawn[name] = _ending(rng, about, files) if name == "ending" else _drawn(rng, name, int(place["size"] or 0))
        return _styled(drawn[name.removeprefix("same_")], place["style"] or "")

    return _PLACE.sub(fill, rng.choice(_table()["text"][kind].forms))


def _styled(text: str, style: str) -> str:
    match style:
        case "lower":
            return text.lower()
        case "title":
            return text.title()
        case "capital":
            return text[:1].upper() + text[1:]
        case "slug":
            return text.lower().replace(" ", "-")
        case _:
            return text


def _drawn(rng: Random, name: str, size: int) -> str:
    """What a name in braces stands for: made by a function, drawn from a word list, or of another kind."""
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](rng, size)
    lists = word_lists()["values"]
    return str(rng.choice(lists[name])) if name in lists else written(rng, name)


def _ending(rng: Random, about: str, files: str) -> str:
    """How a file's name ends: as the prose shows it (`.mp4`), by what it is (a screenshot), or in a usual way."""
    own, _, tool = about.lower().partition("\n")
    shown = [a or b for a, b in _OWN_ENDING.findall(own)]
    if shown:
        return str(rng.choice(shown))
    for hint in (own, files, tool):
        for row in _rows()["ending"]:
            if row["what"] == hint or (hint != files and re.search(row["what"], hint)):
                return str(rng.choice(row["endings"]))
    return str(rng.choice(word_lists()["values"]["endings"]))


def _date(rng: Random, _: int = 0) -> str:
    return f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _hex(rng: Random, size: int) -> str:
    return "".join(rng.choices("0123456789abcdef", k=size))


def _letters(rng: Random, size: int) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=size))


def _uuid(rng: Random, _: int = 0) -> str:
    return "-".join((_hex(rng, 8), _hex(rng, 4), "4" + _hex(rng, 3), rng.choice("89ab") + _hex(rng, 3), _hex(rng, 12)))


_FUNCTIONS: Mapping[str, Callable[[Random, int], str]] = {
    "date": _date,
    "epoch": lambda rng, _: str(rng.randint(*EPOCHS)),
    "hex": _hex,
    "letters": _letters,
    "uuid": _uuid,
    "coordinate": lambda rng, size: f"{rng.uniform(-size, size):.4f}",
}


def identifier(rng: Random, noun: list[str]) -> str:
    """Return an id as systems assign them: `SPRINT-12`, `usr_4821`, `ord-77`, `58213`."""
    number = rng.randint(1, 10 ** rng.randint(2, 5) - 1)
    short = noun[-1][:4]
    usual = f"{noun[-1].upper()}-{number}", f"{short[:3].upper()}-{number}", f"{short.upper()}-{number % 1000}"
    return rng.choice((*usual, *usual, f"{short[:3]}_{number}", f"{short.upper()}{number}", str(number)))
