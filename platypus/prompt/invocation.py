"""The tokens from which an activated adapter acts: those with which the text behind the tools begins.

PEFT looks for their last occurrence in a text, and leaves everything before it to the base (activated LoRA,
`alora_invocation_tokens`). A tokenizer may join the ends of the tools' text and the beginning of the request with the
text between them, so only those tokens in between are used that do not depend on either.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

from platypus.errors import PromptError
from platypus.prompt.templates import shared_frame

INVOCATION = "### Input:"  # what people can read of the text between tools and request
BEFORE = (*").]a1?\"'", "é", "…", " ")  # ends of the tools' text
BEHIND = (*"aA1-#[\"' ", "\n", "\t", "é", "请")  # beginnings of requests


def invocation_tokens(tokenizer: Any) -> tuple[int, ...]:
    """The tokens between tools and request, in whatever text they stand. Raises PromptError if there are none."""
    _, between, _ = shared_frame("json")
    texts = [f"{before}{between}{behind}" for before, behind in product(BEFORE, BEHIND)]
    encoded = [tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) for text in texts]
    first = encoded[0]
    spans = sorted(
        ((start, end) for end in range(1, len(first) + 1) for start in range(end)), key=lambda span: span[0] - span[1]
    )
    for start, end in spans:
        if all(last_place(ids, first[start:end]) is not None for ids in encoded[1:]):
            return tuple(first[start:end])
    raise PromptError(
        "its tokenizer has no tokens that always stand between the tools and the request",
        where='prefix = "frozen" under [train]',
        remedy='Set prefix = "auto".',
    )


def last_place(ids: Sequence[int], wanted: Sequence[int]) -> int | None:
    """Where the last occurrence of the wanted tokens begins; None if there is none."""
    length, sought = len(wanted), tuple(wanted)
    places = range(len(ids) - length, -1, -1)
    return next(
        (place for place in places if ids[place] == sought[0] and tuple(ids[place : place + length]) == sought), None
    )
