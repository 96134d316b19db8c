"""What people write around a request, and how: politeness, context, quotes, case, full stops, a typing error.

Nothing here changes the meaning of a request or a value of its plan.
"""

import re
from dataclasses import dataclass
from random import Random

from platypus.generation.lexicon import word_lists

WANTING = re.compile(r"\b(?:want|like|need|help|helping|let's|have|go ahead)\b")
ASKING = re.compile(
    r"^(?:(?:hi|hey), )?(?:can|could|would|will|do you (?:know|think)|what|which|who|is|are|how|do we|does)\b",
    re.IGNORECASE,
)
NEIGHBOURING_KEYS = {"a": "s", "e": "r", "i": "o", "o": "p", "n": "m", "t": "r", "s": "d", "l": "k", "r": "t", "d": "f"}


@dataclass(frozen=True)
class WriterStyle:
    """How one writer writes."""

    quote: str  # around values: ' or " or nothing
    polite: str  # before the first verb
    before: str  # a sentence of context, which asks for nothing
    after: str  # likewise
    lower: bool  # no capital at the start
    stop: str  # at the end, unless it is a question
    inside: bool  # commas and full stops inside the quotes


def draw_style(rng: Random, *, context: float) -> WriterStyle:
    """Draw one writer's style; `context` is the share of requests with a sentence that asks for nothing."""
    lists = word_lists()["around"]
    with_context = rng.random() < context
    polite = rng.choice(lists["polite"]) if rng.random() < 0.33 else ""
    return WriterStyle(
        quote=rng.choice(("'", "'", '"', '"', "", "", "")),
        polite=polite,
        before=rng.choice(lists["before"]) if with_context and rng.random() < 0.6 else "",
        after=rng.choice(lists["after"]) if with_context and rng.random() < 0.6 else "",
        lower=rng.random() < 0.13,
        stop=rng.choice((".", ".", ".", "", "", "!" if rng.random() < 0.1 else ".")),
        inside=rng.random() < 0.3,
    )


def finish(rng: Random, text: str, style: WriterStyle, *, bare: bool) -> str:
    """Return the clauses as a finished request. `bare`: the text is a question or a noun and gets no polite start."""
    polite = "" if bare else style.polite
    if WANTING.search(polite):
        text = re.sub(r"^tell me (?=about|more about)", "hear ", text)
        text = re.sub(r"^remind me\b", "be reminded", text)
        text = re.sub(r"^(show|give|get|tell) me\b", "see" if rng.random() < 0.5 else "get", text)
    asks = bool(ASKING.match(polite or text)) and "? " not in text
    text = re.sub(r"\s+", " ", polite + text).strip()
    inside = style.inside and style.quote == '"' and '{"' not in text  # JSON stays as it is
    if inside:
        text = re.sub(r'(?<=\w)"([,.])', r'\1"', text)
    if not style.lower:
        text = text[:1].upper() + text[1:]
    if text.endswith((".", "?", "!", '."', ".'")):
        return text + ("?" if asks and text.endswith(("'", '"')) else "")
    ending = "?" if asks else style.stop
    if not polite and not bare and not asks and rng.random() < 0.06:
        ending = rng.choice((" please", ", please", " please.", ", please."))
    if inside and text.endswith('"') and ending == ".":
        return text[:-1] + '."'
    return text + ending


def surround(text: str, style: WriterStyle) -> str:
    """Return the finished request with its sentences of context."""
    if style.before:
        text = re.sub(r"^(?:hi|hey), ", "", text, flags=re.IGNORECASE)
        calls = style.before.endswith(",") and text[1:2].islower()
        text = f"{style.before} {text[:1].lower() if calls else text[:1].upper()}{text[1:]}"
    if style.after:
        text += ("" if text.endswith((".", "?", "!", '."')) else ".") + " " + style.after
    return text


def mistyped(rng: Random, text: str, literals: list[str]) -> str:
    """Return the text with a typing error in a word that belongs to no literal: `sprint` → `sprnit`."""
    literal_words = {word.lower() for literal in literals for word in re.findall(r"\w+", literal)}
    places = [m for m in re.finditer(r"(?<![\w'\"-])[a-z]{5,}(?![\w'\"-])", text) if m[0] not in literal_words]
    if not places:
        return text
    match = rng.choice(places)
    word, at = match[0], rng.randint(1, len(match[0]) - 2)
    variants = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + NEIGHBOURING_KEYS.get(word[at], word[at]) + word[at + 1 :],
    )
    return text[: match.start()] + rng.choice(variants) + text[match.end() :]
