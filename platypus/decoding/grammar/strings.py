"""Lark terminals for strings with a pattern, a format or a length, and the number of strings that match one.

Patterns are limited to those of `platypus.catalogue.patterns`: look-around at the beginning alone, no back-references,
no anchors except at the ends. A string with a pattern or format has no escapes and at most 100 characters. This module
knows no types but strings.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from platypus.catalogue.patterns import lark
from platypus.catalogue.schema import Schema
from platypus.errors import CatalogueError
from platypus.plan.plan import MARK

MAX_SHAPED = 100
EFFORT = 10_000  # beginnings of texts that are visited to count them

CHARACTER = r'([^"\\\x00-\x1f]|\\(["\\bfnrt]|u00(0[0-7bef]|1[0-9a-f])))'
_PLAIN = r'[^"\\\x00-\x1f$]|\$[^"\\\x00-\x1f$]'  # no escapes, no two dollars
_PLAIN_ASCII = r"[ !#%-\[\]-~]|\$[ !#%-\[\]-~]"
UNMARKED = rf"~/(?s:.*){re.escape(MARK)}(?s:.*)/"

_YEAR = r"[1-9][0-9]{3}"
_LEAP = r"([1-9][0-9](0[48]|[2468][048]|[13579][26])|([13579][26]|[2468][048])00)"
_DATE = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    rf"|02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_HOUR_MINUTE = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
FORMATS: Mapping[str, str] = {
    "date": _DATE,
    "date-time": rf"{_DATE}([T ]{_HOUR_MINUTE}(:[0-5][0-9](\.([0-9]{{3}}){{1,2}})?)?(Z|[+-]{_HOUR_MINUTE})?)?",
    "time": rf"{_HOUR_MINUTE}:[0-5][0-9]",
    "email": r"[^@ ]+@[^@ ]+",
    "ipv4": rf"({_BYTE}\.){{3}}{_BYTE}",
    "ipv6": r"([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,6}(:[0-9a-f]{1,4})|::1?",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


def text_terminal(schema: Schema) -> str | None:
    """The terminal, with its quotes, of a string with limits, a pattern or a format; None for any string."""
    parts = []
    if "minLength" in schema or "maxLength" in schema:
        parts.append(f"/{CHARACTER}{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}}/")
    if schema.get("format") in FORMATS:
        parts.append(f"/{FORMATS[schema['format']]}/")
    if "pattern" in schema:
        parts += lark(schema["pattern"])
    if not parts:
        return None
    if len(parts) > ("minLength" in schema or "maxLength" in schema):
        classes = re.search(r"\\[wWdDsSbB]", schema.get("pattern", ""))
        most = "" if "maxLength" in schema else f" & /(?s:.{{0,{MAX_SHAPED}}})/"  # so that every text has an end
        parts.insert(0, f"/({_PLAIN_ASCII if classes else _PLAIN})*/{most}")
    else:
        parts.append(UNMARKED)
    return rf'"\"" ({" & ".join(parts)}) "\""'


@lru_cache(maxsize=1024)
def count_texts(terminal: str, wanted: int) -> int:
    """How many texts match, at most `wanted`. With many beginnings to visit, a lower bound."""
    vocabulary = byte_vocabulary()
    matcher = LLMatcher(vocabulary, f"start: T\nT: {terminal}", log_level=0)
    beginnings, count = [(matcher, byte) for byte in _bytes_after(matcher)], 0
    for _ in range(EFFORT):
        if not beginnings or count >= wanted:
            break
        before, byte = beginnings.pop()
        if byte == vocabulary.eos_token:
            count += 1
        else:
            matcher = before.deep_copy()
            matcher.consume_token(byte)
            beginnings += ((matcher, more) for more in _bytes_after(matcher))
    return count


def _bytes_after(matcher: LLMatcher) -> list[int]:
    """The allowed next bytes, with the closing quote and the end at the end of the list."""
    mask = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    allowed = np.flatnonzero(mask).tolist()
    return sorted(allowed, key=lambda byte: (byte == 0x22, byte == byte_vocabulary().eos_token, -byte))


class _Bytes:
    """A tokenizer whose tokens are the 256 bytes, for checking a terminal without a model."""

    eos_token_id, bos_token_id, special_token_ids = 256, None, (256,)
    tokens = (*(bytes([i]) for i in range(256)), b"</s>")

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@lru_cache(maxsize=1)
def byte_vocabulary() -> LLTokenizer:
    """The vocabulary of single bytes, with 256 as its end token."""
    return LLTokenizer(TokenizerWrapper(_Bytes()))


def is_possible(terminal: str, where: str) -> bool:
    """Whether some text matches. Raises CatalogueError if llguidance does not support the expression."""
    matcher = LLMatcher(byte_vocabulary(), f"start: T\nT: {terminal}", log_level=0)
    if matcher.is_error():
        fault = matcher.get_error().partition("\n")[0]
        raise CatalogueError(
            f"its pattern cannot be decoded by: {fault}",
            where=where,
            remedy="Write it without look-around, back-references and inner anchors, or leave it out.",
        )
    matcher.compute_bitmask()
    return not matcher.is_error()
