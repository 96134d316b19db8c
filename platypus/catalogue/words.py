"""Words of identifiers, and those forms of English words that texts made from a catalogue need.

Rules with the common exceptions. A word that they get wrong is still readable. Does not know catalogues or plans.
"""

import re
from functools import lru_cache

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SINGULARS = {
    **{"people": "person", "children": "child", "men": "man", "women": "woman", "data": "data", "analyses": "analysis"},
    **{
        "criteria": "criterion",
        "topics": "topic",
        "metrics": "metric",
        "clinics": "clinic",
        "fabrics": "fabric",
        "news": "news",
        "series": "series",
        "species": "species",
        "movies": "movie",
        "cookies": "cookie",
    },
}
PARTICIPLES = {
    "prioritize": "prioritized",
    "sort": "sorted",
    "rank": "ranked",
    "filter": "filtered",
    "order": "ordered",
}
DOUBLING = re.compile(r"^(?:[^aeiou]*[aeiou][bdgmnprt]|transfer|refer|submit|permit|cancel|control|unsubscrib)$")
INVARIANT = ("ss", "us", "is", "ics", "ws")


def lemma(verb: str) -> str:
    """`Adds` → `add`, `Searches` → `search`, `Applies` → `apply`."""
    verb = verb.lower()
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if re.search(r"(ch|sh|ss|x|zz)es$", verb):
        return verb[:-2]
    if verb.endswith("oes"):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def gerund(verb: str) -> str:
    """`summarize` → `summarizing`, `look up` → `looking up`, `fetch and read it` → `fetching and reading it`."""
    both = re.match(r"(\w+(?: (?:up|out|in|on|off|down|back|over|away))?) (and|or) (\w+)(.*)", verb)
    if both:
        return f"{gerund(both[1])} {both[2]} {gerund(both[3])}{both[4]}"
    first, _, rest = verb.partition(" ")
    if first.endswith("ie"):
        form = first[:-2] + "ying"
    elif first.endswith("e") and not first.endswith(("ee", "oe", "ye")):
        form = first[:-1] + "ing"
    elif DOUBLING.match(first):
        form = first + first[-1] + "ing"
    else:
        form = first + "ing"
    return f"{form} {rest}".strip()


def participle(verb: str) -> str:
    """`sort` → `sorted`, for verbs that return the same things that they were given; "" for other verbs."""
    return PARTICIPLES.get(verb, "")


@lru_cache(maxsize=16384)
def singular(noun: str) -> str:
    """`work items` → `work item`, `policies` → `policy`, `branches` → `branch`; only the last word changes."""
    head, _, last = noun.rpartition(" ")
    if last in SINGULARS:
        last = SINGULARS[last]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif re.search(r"(ch|sh|ss|x|zz)es$", last):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(INVARIANT) and (len(last) > 3 or last in ("ids", "ads")):
        last = last[:-1]
    return f"{head} {last}".strip()


@lru_cache(maxsize=16384)
def is_plural(noun: str) -> bool:
    """Whether a noun phrase's head is plural: the last word before a preposition."""
    head = re.split(
        r" (?:of|for|in|on|at|about|to|from|with|by|between|similar|related|that|which|owned|I|matching|available)\b",
        noun,
    )[0]
    last = head.split(" ")[-1].lower()
    return (last in SINGULARS and SINGULARS[last] != last) or (last not in SINGULARS and singular(last) != last)


def with_article(noun: str) -> str:
    """`invoice` → `an invoice`; a plural gets no article."""
    if is_plural(noun):
        return noun
    spelled = re.match(r"([A-Z])[A-Z]+s?\b", noun)
    vowel = spelled[1] in "AEFHILMNORSX" if spelled else re.match(r"[aeio]|un(?!i)|u[^ns]", noun.lower())
    return ("an " if vowel else "a ") + noun


def listed(texts: list[str], *, last: str = " and ") -> str:
    """`["a", "b", "c"]` → `a, b and c`."""
    return ", ".join(texts[:-1]) + (last if len(texts) > 1 else "") + texts[-1]


def words(name: str) -> list[str]:
    """The words of an identifier of any style, in lower case: `needsResponse` → `["needs", "response"]`."""
    return list(_words(name))


@lru_cache(maxsize=16384)
def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in WORDS.findall(name))


def plural(noun: str) -> str:
    """`ticket` → `tickets`, `policy` → `policies`, `branch` → `branches`."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "" if noun.endswith("feedback") else "s")


def pluralised(noun: str, *, many: bool) -> str:
    """Return the noun in the plural (`many`) or singular."""
    if many:
        return noun if is_plural(noun) else plural(noun)
    return singular(noun)
