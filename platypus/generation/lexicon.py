"""The word lists of `words.toml` and `names.toml`, how words of names are written, and invented nouns."""

import re
import tomllib
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any


@lru_cache(maxsize=2)
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("platypus.generation").joinpath(name).read_text(encoding="utf-8"))


def word_lists() -> dict[str, Any]:
    """The word lists of `words.toml`."""
    return _read("words.toml")


def name_lists() -> dict[str, Any]:
    """How names of tools and arguments are read and said: the lists of `names.toml`."""
    return _read("names.toml")


def coined(rng: Random) -> str:
    """An invented noun: `brenolt`, `vasumi`."""
    consonants = ("b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr", "pl")
    syllables = (rng.choice(consonants) + rng.choice("aeiou") for _ in range(rng.choice((2, 2, 3))))
    return "".join(syllables) + rng.choice(("", "n", "l", "r", "t", "ld"))


@lru_cache(maxsize=16)
def name_words(kind: str) -> frozenset[str]:
    """The words of one list under `[names]`: `verbs`, `particles`, `uncountable`, …"""
    return frozenset(name_lists()["names"][kind])


@lru_cache(maxsize=4096)
def spelled(text: str) -> str:
    """Words of a name as people write them: `ui lang` → `UI language`."""
    spelled_out = name_lists()["names"]["spelled_out"]

    def said(word: str) -> str:
        if word.lower() in name_words("acronyms"):
            return "IDs" if word.lower() == "ids" else "URLs" if word.lower() == "urls" else word.upper()
        return str(spelled_out.get(word, word))

    return " ".join(said(word) for word in re.sub(r"(?<=[a-z]) (?=\d)", "", text).split(" "))
