"""Descriptions as servers write them → plain text: one line, the first paragraph, the first sentence.

Servers write Markdown, tags, lists, examples and whole manuals into a description. What a tool does stands in the first
sentence of the first paragraph nearly always. Does not know catalogues.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][\w-]*(?: [^<>]*)?/?>")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]|\([^()]*\))*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`+|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))")
_HEADING = re.compile(r"\s*(?:#{1,6}\s|[-=*_]{3,}\s*$)")
_ITEM = re.compile(r"\s*(?:[-*+\u2022]|\d+[.)])\s")
_LEAD_IN = re.compile(r"\s*(?:[A-Z][\w' /-]{0,40}|[A-Z][A-Z' ,-]+):(?:\s|$)")
_GROUP = re.compile(r"^[\w /&-]{1,30} \| ")
_WARNING = re.compile(
    r"\W*(?i:important|warning|caution|note|attention|mandatory|deprecated|critical|do not|don't|never|always|must)\b"
    r"|.*\b(?:MUST|NEVER|WILL FAIL)\b"
)
_SENTENCE_END = re.compile(r"(?<=[\w)\]'\"\u201d%])[.!?](?=\s+\S|$)")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|approx|incl|no|cf|St|Dr|Mr|Ms|Inc)$", re.IGNORECASE)


def one_line(text: str) -> str:
    """The whole text on one line, with single spaces."""
    return " ".join(text.split())


@lru_cache(maxsize=8192)
def first_paragraph(text: str) -> str:
    """The first lines that are sentences, on one line and without Markdown; empty if there are none.

    It ends before an empty line, a list, a heading, a tag, a lead-in such as `Args:`, and before a line that begins
    anew with a capital letter. A heading or a warning ("IMPORTANT: …") at the start is left out where something
    follows it.
    """
    paragraphs = list(_paragraphs(text))
    paragraph = next((p for p in paragraphs if not _WARNING.match(p)), paragraphs[0] if paragraphs else "")
    return _GROUP.sub("", paragraph) or one_line(_without_markup(text.lstrip("# \n")).split("\n")[0])


def _paragraphs(text: str) -> Iterator[str]:
    """Runs of lines that are sentences, up to the first list, heading, tag or lead-in that follows sentences."""
    lines: list[str] = []
    for raw in _FENCE.sub("\n\n", text).splitlines():
        plain = _without_markup(raw)
        if not plain or _HEADING.match(raw):
            if lines:
                yield " ".join(lines)
            lines = []
            continue
        begins_anew = _ITEM.match(raw) or _LEAD_IN.match(raw) or _TAG.match(raw.strip()) or not plain[0].islower()
        if lines and begins_anew and not (lines[-1].endswith(",") and not _ITEM.match(raw)):
            yield " ".join(lines)
            lines = []
        lines.append(plain)
    if lines:
        yield " ".join(lines)


@lru_cache(maxsize=8192)
def first_sentence(text: str) -> str:
    """The first sentence of the first paragraph, without the mark at its end."""
    paragraph = first_paragraph(text)
    for end in _SENTENCE_END.finditer(paragraph):
        if not _ABBREVIATION.search(paragraph[: end.start()]):
            return paragraph[: end.start()]
    return paragraph.rstrip(" :;")


def _without_markup(line: str) -> str:
    """A line without links, emphasis, code marks, tags and the mark of a heading or list."""
    line = _TAG.sub(" ", _LINK.sub(r"\1", line))
    return one_line(_EMPHASIS.sub("", re.sub(r"^\s*(?:#{1,6}\s+|[-*+\u2022]\s+|>\s+)", "", line)))
