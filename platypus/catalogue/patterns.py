r"""Patterns of JSON Schema (ECMA-262) as Python and llguidance read them.

A pattern is found anywhere in a text unless it has anchors. `readable` translates what Python's `re` lacks; what it
cannot translate exactly becomes a pattern of fewer texts: `^\p{Lu}+$` → `^[A-Z]+$`. `conjuncts` gives the regular
languages whose intersection a grammar decodes. This module knows no schemas.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import regex
from llguidance import LLMatcher, regex_to_lark

ANY = '[^"]*'
SECONDS = 0.5  # of processor time for one search: some patterns take years on some texts
_ASCII = [chr(code) for code in range(0x20, 0x7F)]
_SYMBOL = re.compile(
    r"\\[pP]\{[^}]*\}|\\u\{[0-9A-Fa-f]+\}|\\k<\w+>|\\c[A-Za-z]|\(\?<(?![=!])|\[\]|\[\^\]"
    r"|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.",
    re.DOTALL,
)
_DASH = re.compile(  # a hyphen beside a set in a class, which is itself (ECMA-262, Annex B) and an error in Python
    r"(?P<set>\\[wWdDsS])-(?!\])|(?<!\A\[)(?<!\A\[\^)(?P<dash>-)(?=\\[wWdDsS])|\\.|[^\\]", re.DOTALL
)
_CATEGORIES = {  # Unicode's long names of general categories, and properties whose ASCII part is one
    **{"letter": "L", "uppercase_letter": "Lu", "lowercase_letter": "Ll", "number": "N", "decimal_number": "Nd"},
    **{"punctuation": "P", "symbol": "S", "separator": "Z", "space_separator": "Zs", "mark": "M"},
    **{"alphabetic": "L", "alpha": "L", "uppercase": "Lu", "lowercase": "Ll", "white_space": "Zs"},
    **dict.fromkeys(("latin", "script=latin", "sc=latin", "script_extensions=latin", "scx=latin"), "L"),
}


class Conjunct(NamedTuple):
    """A regular expression of whole texts, and whether they must match it or must not."""

    expression: str
    wanted: bool = True


@lru_cache(maxsize=4096)
def readable(pattern: str) -> str | None:
    """The pattern in Python's syntax, of the same texts or of fewer; None if no such pattern is known."""
    written = [_in_python(symbol) for symbol in _SYMBOL.findall(pattern)]
    translated = "".join(part for part in written if part is not None)
    narrower = re.search(r"\\[pP]\{", pattern)
    if None in written or (narrower and re.search(r"\(\?<?!", pattern)):
        return None  # fewer letters in what must not match would be more texts
    try:
        re.compile(translated)
        regex.compile(translated)
    except (re.error, regex.error, OverflowError):
        return None
    return translated


def is_found(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text, within `SECONDS`. Other threads run meanwhile."""
    try:
        return regex.search(pattern, text, timeout=SECONDS, concurrent=True) is not None
    except TimeoutError:
        return False


def _in_python(symbol: str) -> str | None:
    if symbol in ("[^]", "[]"):
        return r"[\s\S]" if symbol == "[^]" else r"(?!)"
    if symbol.startswith(r"\u{"):
        return re.escape(chr(int(symbol[3:-1], 16))) if int(symbol[3:-1], 16) <= 0x10FFFF else None
    if symbol.startswith(r"\k<"):
        return f"(?P={symbol[3:-1]})"
    if re.fullmatch(r"\\c[A-Za-z]", symbol):
        return f"\\x{ord(symbol[2]) % 32:02x}"
    if symbol == "(?<":
        return "(?P<"
    if re.search(r"\\[pP]\{", symbol):
        return _ascii_class(symbol)
    if symbol.startswith("["):
        return _DASH.sub(lambda m: f"{m['set'] or ''}\\-" if m["set"] or m["dash"] else m[0], symbol)
    return symbol


def _ascii_class(symbol: str) -> str | None:
    r"""A class, or `\p{…}` alone, as a class of the printable ASCII letters in it."""
    inside = symbol[1:-1] if symbol.startswith("[") else symbol
    negated = symbol.startswith("[^")
    rest = re.sub(r"\\[pP]\{[^}]*\}", "", inside.removeprefix("^") if negated else inside)
    try:
        letters = {letter for letter in _ASCII if rest and re.fullmatch(f"[{rest}]", letter)}
    except re.error:
        return None
    for negative, name in re.findall(r"\\([pP])\{([^}]*)\}", inside):
        of_name = _with_property(name)
        if of_name is None:
            return None
        letters |= of_name if negative == "p" else set(_ASCII) - of_name
    letters = set(_ASCII) - letters if negated else letters
    return f"[{_ranges(sorted(letters))}]" if letters else None


def _with_property(name: str) -> set[str] | None:
    plain = name.lower().removeprefix("general_category=").removeprefix("gc=")
    if plain in ("any", "ascii"):
        return set(_ASCII)
    category = _CATEGORIES.get(plain) or (name if re.fullmatch("[LMNPSZC][a-z]?", name) else None)
    if category is None:
        return None
    return {letter for letter in _ASCII if unicodedata.category(letter).startswith(category)}


def _ranges(letters: list[str]) -> str:
    """The inside of a class: `a-z0-9_`."""
    runs: list[list[str]] = []
    for letter in letters:
        if runs and ord(letter) == ord(runs[-1][-1]) + 1:
            runs[-1].append(letter)
        else:
            runs.append([letter])
    return "".join(
        re.escape(run[0]) + (f"-{re.escape(run[-1])}" if len(run) > 2 else "".join(map(re.escape, run[1:])))
        for run in runs
    )


def both(first: str, second: str) -> str:
    """A pattern of the texts in which both are found."""
    return f"^(?={_FOUND}{first}))(?={_FOUND}{second}))"


def none_of(pattern: str) -> str:
    """A pattern of the texts in which the pattern is not found."""
    return f"^(?!{_FOUND}{pattern}))"


_FOUND = r"[\s\S]*(?:"


def alternatives(pattern: str) -> list[str]:
    """The pattern, split at each `|` outside groups, classes and escapes."""
    parts, depth = [""], 0
    for symbol in _SYMBOL.findall(pattern):
        depth += symbol.startswith("(") - (symbol == ")")
        if symbol == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += symbol
    return parts


def conjuncts(pattern: str) -> list[Conjunct]:
    """The conditions on a whole text that say that the pattern is found in it, or fewer texts.

    Look-aheads at the beginning are conditions of their own. `^a|b` gives `(a)[^"]*|[^"]*(b)[^"]*`.
    """
    found: list[Conjunct] = []
    rest = pattern
    if len(alternatives(pattern)) == 1:
        begin = pattern.removeprefix("^")
        while (end := _group_end(begin)) and begin[:3] in ("(?=", "(?!"):
            inner = begin[3 : end - 1]
            if inner.startswith(_FOUND) and _group_end(inner[len(_FOUND) - 3 :]) == len(inner) - len(_FOUND) + 3:
                found += _nested(inner[len(_FOUND) : -1], wanted=begin[2] == "=")
            else:
                found.append(Conjunct(_beginning(inner), begin[2] == "="))
            begin = begin[end:]
            rest = f"^{begin}"
    if rest not in ("^", "") or not found:
        found.append(Conjunct(_containing(rest)))
    return found


def _nested(pattern: str, *, wanted: bool) -> list[Conjunct]:
    """The conditions that a pattern is found, or that it is not."""
    inner = conjuncts(pattern)
    if wanted:
        return inner
    if len(inner) == 1:
        return [Conjunct(inner[0].expression, not inner[0].wanted)]
    return [Conjunct("(?=)", wanted=True)]  # not a conjunction: no grammar decodes it


def _group_end(text: str) -> int:
    """The length of the group that the text begins with; 0 if it begins with none."""
    depth = length = 0
    for symbol in _SYMBOL.findall(text) if text.startswith("(") else ():
        depth += symbol.startswith("(") - (symbol == ")")
        length += len(symbol)
        if not depth:
            return length
    return 0


def _beginning(pattern: str) -> str:
    """A regular expression for all text that begins with the pattern."""
    parts = [part.removeprefix("^") for part in alternatives(pattern)]
    return "|".join(f"({part[:-1]})" if _ends(part) else f"({part}){ANY}" for part in parts)


def _containing(pattern: str) -> str:
    """A regular expression for all text that contains the pattern."""
    parts = []
    for part in alternatives(pattern):
        begins, ends = part.startswith("^"), _ends(part)
        inner = part[begins : len(part) - ends]
        parts.append(f"{'' if begins else ANY}({inner}){'' if ends else ANY}")
    return "|".join(parts)


def _ends(part: str) -> bool:
    return part.endswith("$") and not part.endswith("\\$")


def lark(pattern: str) -> Iterator[str]:
    """The conjuncts as Lark's regular expressions, to be joined by `&`."""
    for expression, wanted in conjuncts(pattern):
        plain = expression.replace("(?P<", "(?<")
        yield f"{'' if wanted else '~'}/{regex_to_lark(plain, 'dws')}/"


@lru_cache(maxsize=4096)
def is_decodable(pattern: str) -> bool:
    """Whether llguidance supports the pattern: it lacks back-references, inner anchors and inner look-arounds."""
    try:
        return not LLMatcher.validate_grammar(f"start: T\nT: {' & '.join(lark(pattern))}")
    except ValueError:
        return False
