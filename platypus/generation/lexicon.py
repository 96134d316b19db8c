"""The word lists of `words.toml`, and invented nouns."""

import tomllib
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any


@lru_cache(maxsize=1)
def word_lists() -> dict[str, Any]:
    """The word lists of `words.toml`."""
    return tomllib.loads(resources.files("platypus.generation").joinpath("words.toml").read_text(encoding="utf-8"))


def coined(rng: Random) -> str:
    """An invented noun: `brenolt`, `vasumi`."""
    consonants = ("b", "d", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr", "pl")
    syllables = (rng.choice(consonants) + rng.choice("aeiou") for _ in range(rng.choice((2, 2, 3))))
    return "".join(syllables) + rng.choice(("", "n", "l", "r", "t", "ld"))
