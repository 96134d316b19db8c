"""What people put around a request, and how they type it: politeness, context, quotes, case, full stops, a slip.

Nothing here changes what is asked, and no literal of the plan is touched.
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
KEYS = {"a": "s", "e": "r", "i": "o", "o": "p", "n": "m", "t": "r", "s": "d", "l": "k", "r": "t", "d": "f"}


@dataclass(frozen=True)
class WriterStyle:
    """How one writer writes."""

    quote: str  # around values: ' or " or nothing
    polite: str  # before the first verb
    before: str  # a sentence that asks for nothing
    after: str
    lower: bool  # no capital at the start
    stop: str  # at the end of what is no question
    inside: bool  # commas and full stops inside the quotes


def voice(rng: Random, *, context: float) -> WriterStyle:
    """One writer's habits; `context` is the share of requests with a sentence that asks for nothing."""
    said = word_lists()["around"]
    told = rng.random() < context
    polite = rng.choice(said["polite"]) if rng.random() < 0.33 else ""
    return WriterStyle(
        quote=rng.choice(("'", "'", '"', '"', "", "", "")),
        polite=polite,
        before=rng.choice(said["before"]) if told and rng.random() < 0.6 else "",
        after=rng.choice(said["after"]) if told and rng.random() < 0.6 else "",
        lower=rng.random() < 0.13,
        stop=rng.choice((".", ".", ".", "", "", "!" if rng.random() < 0.1 else ".")),
        inside=rng.random() < 0.3,
    )


def finish(rng: Random, text: str, spoken: WriterStyle, *, bare: bool) -> str:
    """The request around its clauses. `bare`: the text is a question or a noun and takes nothing before it."""
    polite = "" if bare else spoken.polite
    if WANTING.search(polite):
        text = re.sub(r"^tell me (?=about|more about)", "hear ", text)
        text = re.sub(r"^(show|give|get|tell) me\b", "see" if rng.random() < 0.5 else "get", text)
    asks = bool(ASKING.match(polite or text)) and "? " not in text
    text = re.sub(r"\s+", " ", polite + text).strip()
    inside = spoken.inside and spoken.quote == '"'
    if inside:
        text = re.sub(r'(?<=\w)"([,.])', r'\1"', text)
    if not spoken.lower:
        text = text[:1].upper() + text[1:]
    if text.endswith((".", "?", "!", '."', ".'")):
        return text + ("?" if asks and text.endswith(("'", '"')) else "")
    ending = "?" if asks else spoken.stop
    if not polite and not bare and not asks and rng.random() < 0.06:
        ending = rng.choice((" please", ", please", " please.", ", please."))
    if inside and text.endswith('"') and ending == ".":
        return text[:-1] + '."'
    return text + ending


def surround(text: str, spoken: WriterStyle) -> str:
    """The finished request with the sentences that ask for nothing."""
    if spoken.before:
        text = re.sub(r"^(?:hi|hey), ", "", text, flags=re.IGNORECASE)
        calls = spoken.before.endswith(",") and text[1:2].islower()
        text = f"{spoken.before} {text[:1].lower() if calls else text[:1].upper()}{text[1:]}"
    if spoken.after:
        text += ("" if text.endswith((".", "?", "!", '."')) else ".") + " " + spoken.after
    return text


def mistyped(rng: Random, text: str, literals: list[str]) -> str:
    """The text with one slip in a word that is no part of a literal: `sprint` → `sprnit`."""
    kept = {word.lower() for literal in literals for word in re.findall(r"\w+", literal)}
    places = [m for m in re.finditer(r"(?<![\w'\"-])[a-z]{5,}(?![\w'\"-])", text) if m[0] not in kept]
    if not places:
        return text
    match = rng.choice(places)
    word, at = match[0], rng.randint(1, len(match[0]) - 2)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + KEYS.get(word[at], word[at]) + word[at + 1 :],
    )
    return text[: match.start()] + rng.choice(slips) + text[match.end() :]
