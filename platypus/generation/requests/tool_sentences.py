"""What a tool does, in the imperative: from its title, its name, or the first sentence of its description.

`Fetches and extracts the text of a page.` → `fetch and extract`, `the text of a page`; `issues_create` → `create`,
`an issue`. A text that does not say what a tool does in a few words gives None. Does not know arguments.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.words import gerund, is_plural, lemma, pluralised, with_article, words
from platypus.generation.lexicon import name_words, spelled
from platypus.generation.requests.usual_phrases import PREPOSITION

MOST_WORDS = 9  # of what follows the verb; people say no more of a tool
SERVICE_TOOLS = 3  # tools with the same first word, before it can be the name of a service
LEAD_IN = re.compile(
    r"(?:start here[:,.]"
    r"|(?:use )?(?:this|the|a|an) (?:[\w-]+ ){0,3}?(?:tool|function|endpoint|command|method|operation|utility|action|"
    r"service)(?: (?:is used to|can be used to|lets you|allows you to|enables you to|helps(?: you)?(?: to)?|will|can|to"
    r"|for|that|which|when you (?:want|need) to))?"
    r"|(?:tool|function|utility|helper|command|endpoint|method|operation) (?:to|that|which|for)"
    r"|(?:please )?use (?:this|it) (?:to|for|when you (?:want|need) to)|call this to|used (?:to|for)"
    r"|you can (?:use .+? to)?|use (?:the )?[A-Z][\w ]* to"
    r"|(?:allows?|enables?|lets?|helps?)(?: (?:you|users?|the user|the model|agents?))?(?: to)?"
    r") (?=\w)",
    re.IGNORECASE,
)
MINE = (  # what a description says of its reader, and how the reader says it
    (re.compile(r"\bthat (?:the|a) (?:current |authenticated )?user has access to\b"), "I have access to"),
    (re.compile(r"\bthat (?:the|a) (?:current |authenticated )?user is\b"), "I am"),
    (re.compile(r"\b(?:the|a) (?:current |authenticated )?user['\u2019]s\b|\byour\b"), "my"),
    (re.compile(r" for (?:the user|you)$"), ""),
)
ASIDE = re.compile(
    r" with [\w -]*(?:pagination|support|detection|filtering|options|capabilities|limits?|metadata|information"
    r"|controls?)$"
    r"| (?:using|via|so that|in order to|such as|including|instead of|if|when|while|unless|either|plus|along with"
    r"|(?:from|by|with|for|in) an optional|for use"
    r"|with (?:optional|support|detailed|full|configurable|various|comprehensive|filtering|pagination|fuzzy)"
    r"|to (?:help|provide|ensure|verify|see|understand|check|find|get|show)"
    r"|by \w+ing|that can|that (?:was|were|you|the|this)|for (?:any|further|later|future|more)"
    r"|optionally|directly|automatically|simultaneously|like|in a single|in bulk|in parallel|at once"
    r"|from the file system"
    r"|as (?:an? )?(?:JSON|structured|text|string|list|[\w -]+ (?:content|resources?|structure|format|string|list))"
    r"|(?:for|on|about|from|in|across) (?:any|current|up-to-date|relevant))\b.*"
    r"|,? (?:e\.g\.?|i\.e\.?|for example)[ ,].*|[;:].*| [-\u2013\u2014]+ .*| = .*|\u2026.*"
)
CONDITION = "if|whether|that|how|what|which"
ALSO = re.compile(r",? (?:and|or) (?:then |also |\w+ly )?(\w+) (?=(\w+))")
TELLING = {"return", "provide", "show", "display", "get"}
BY_KEY = re.compile(  # how the thing is told apart, which its argument says
    r"(?:^| )(?:by|with|given) (?:an? |its |their |the )?(?:(?:optional|unique|given|specific|numeric) )?"
    r"(?:[\w-]+ )?(?:ids?|names?|key|index|pid|url|slug|state|keywords?|number|uid|email|path|type|prefix|title|query"
    r"|identifier|handle)\b(?:,.*| or .*| and .*)?$",
    re.IGNORECASE,
)
ARTICLES = ("a", "an", "the", "my", "all", "any", "some", "this", "its", "their", "one", "multiple", "each", "every")
DEEDS = {"create", "get", "list", "update", "delete", "add", "remove", "read", "write"}  # need an object


LEFT_OVER = re.compile(r" (?:with|to) new (?:values|dates|data|content|information|properties|details)\b")
STARTS = {
    "the",
    "this",
    "that",
    "when",
    "for",
    "with",
    "once",
    "after",
    "before",
    "into",
    "from",
    "only",
    "not",
    "all",
    "and",
}
SMALL = {"a", "an", "the", "of", "list", "that", "are", "is", "given", "specific", "specified", "all", "which"}


class Sentence(NamedTuple):
    """What a tool does: `create`, `an issue`; `fetch and extract`, `the text of a page`."""

    verb: str
    rest: str


@lru_cache(maxsize=8192)
def described(description: str) -> Sentence | None:
    """Return what the first sentence of a description says in the imperative; None if it says something else."""
    text = re.sub(r"\s*\([^)]*\)|[\"\u201c\u201d`]", "", first_sentence(description)).strip()
    for _ in range(2):
        text = LEAD_IN.sub("", text, count=1) if LEAD_IN.match(text) else text
    text = _without_condition(text)
    adverb = re.match(r"([A-Z]?[a-z]+ly|Force) (?=[a-z]+ )", text)
    text = text[adverb.end() :] if adverb and adverb[1].lower() not in name_words("verbs") else text
    verb, rest = _verbs(text)
    if not verb:
        return None
    for said, mine in MINE:
        rest = (mine and said.sub(mine, rest)) or said.sub("", rest)
    rest = re.sub(r" from one \w+ to another| between (?:two )?\w+s$| that \w+s$", "", _shortened(rest))
    rest = re.sub(r"(?<=\w)/(?=[a-z])", " or ", rest.replace("and/or", "or"))
    if _length(rest) > MOST_WORDS or re.search(
        r"[^\w ,.'\u2019&+#-]|_|\b[a-z]+[A-Z]|\b(?:[Yy]ou|must|MUST|should|the user)\b", rest
    ):
        return None
    noun = re.split(rf" (?:{PREPOSITION})\b", rest)[0]
    first = noun.split(" ")[0]
    bare = re.fullmatch(r"[a-z]+(?: [a-z]+){0,2}", noun) and not set(noun.split(" ")) & set(ARTICLES)
    if bare and first not in name_words("particles") and not re.fullmatch(f"{PREPOSITION}|{CONDITION}", first):
        rest = with_articles(verb, (noun,)) + rest[len(noun) :]
    return Sentence(verb, rest)


def _without_condition(text: str) -> str:
    """`Given a text, returns …` → `returns …`; what a tool *does* with it is clearer from its name."""
    given = re.match(r"(?i)given [^,]+, (?:this )?((\w+) [^,]*)", text)
    if given:
        getting = lemma(given[2]) in ("return", "get", "find", "list", "give", "provide")
        return given[1] if getting else ""
    return text


def _verbs(text: str) -> tuple[str, str]:
    """The verb or two verbs that a text begins with, as imperatives, and the rest; two empty texts without one."""
    first, _, rest = text.partition(" ")
    verb = imperative(first, rest)
    if not verb:
        return "", ""
    third = verb != first.lower()
    second = re.match(r"(?:,? (and|or) |, )(\w+)\b ?(.*)", f" {rest}" if first[-1] != "," else f", {rest}")
    if first.endswith(",") and not (second and second[1]):
        return "", ""  # `List, create, close or select a tab`: four tools in one
    if second and second[1]:
        other = imperative(second[2], second[3])
        if {verb, other} <= name_words("seeking"):  # `list and filter`
            return verb, second[3]
        if other and (not third or other != second[2].lower() or second[2].endswith("ss")):
            return f"{verb} {second[1]} {other}", second[3]
    if verb == "perform" and re.sub(r"^an? ", "", rest).split(" ")[0] in name_words("verbs"):
        return _verbs(re.sub(r"^an? ", "", rest))
    particle, _, after = rest.partition(" ")
    if particle in name_words("particles") and verb in name_words("with_particle") and after:
        both = re.match(r"(and|or) (\w+) (.*)", after)
        other = imperative(both[2], both[3]) if both else ""
        if both and other:
            return f"{verb} {particle} {both[1]} {other}", both[3]
        return (verb, rest) if verb == "look" else (f"{verb} {particle}", after)
    return verb, rest


def imperative(word: str, rest: str) -> str:
    """Return the verb of a description's first word: `Creates` → `create`, `searching` → `search`; "" if it is none."""
    plain = word.lower().rstrip(",")
    verbs = name_words("verbs")
    if plain in verbs and plain in name_words("nouns_too"):
        is_verb = re.match(rf"(?:{'|'.join(ARTICLES)}|{PREPOSITION}|specific|multiple|one|up|new|existing|\d+)\b", rest)
        noun = re.split(rf" (?:{PREPOSITION})\b", ASIDE.sub("", rest))[0]
        return plain if is_verb or is_plural(noun) or noun.lower() in name_words("uncountable") else ""
    if plain in verbs:
        return plain
    if lemma(plain) in verbs:
        return lemma(plain)
    if re.match(r"(?:an?|the|all|my|your|one|multiple|given) ", rest) and re.fullmatch(
        r"(?!given)[a-z]{3,}(?<!ing)", plain
    ):
        return "" if plain in STARTS else lemma(plain)  # only verbs stand before an article
    return next((verb for verb in verbs if gerund(verb) == plain), "") if plain.endswith("ing") else ""


def _shortened(rest: str) -> str:
    """What follows the verb, without asides, further deeds, and as long as it is long, without its last phrase."""
    rest = LEFT_OVER.sub("", re.sub(rf"\b(?:{'|'.join(name_words('praise'))}),? (?=[\w-])", "", rest))
    rest = re.sub(rf"^((?:an? |the )?[\w-]+)(?:, [\w-]+)+,? (?:or|and) [\w-]+ (?!(?:{PREPOSITION})\b)", r"\1 ", rest)
    rest = re.sub(r"\b(?<!or )(?:multiple|several) (?=[\w-]+s\b)", "", re.sub(r"\b(a|the) single (?=\w)", r"\1 ", rest))
    rest = ASIDE.sub("", re.sub(r"^((?:an? |the )?[\w-]+(?<!s)), (?=[\w-]+ \w)", r"\1 ", rest))
    rest = re.sub(r"\bup to \w+ |\bone or (?:more|multiple) ", "", BY_KEY.sub("", rest))
    for match in ALSO.finditer(rest):
        verb = lemma(match[1])
        governs = verb != match[1].lower() or verb in TELLING or match[2] in (*ARTICLES, "for")
        if verb in name_words("verbs") and governs:
            rest = rest[: match.start()]
            break
    if rest.count(",") == 1:
        rest = re.sub(r",(?: or| and| this| which| it| so| then| but| with| for)\b.*", "", rest)
    if rest.count(",") > 1 or _length(rest) > MOST_WORDS:
        rest = re.sub(r" with [\w-]+$", "", rest.split(",")[0])
    while _length(rest) > MOST_WORDS:
        shorter = re.sub(rf"^(.+) (?:{PREPOSITION})\b.*$", r"\1", rest)
        if shorter == rest:
            break
        rest = shorter
    rest = re.sub(r"(?:,| and| or| based| according| due)+$", "", rest.rstrip(" ,."))
    return re.sub(r" (?:from|at|in|into|to|of|for|with) (?:an?|the|at)$", "", rest)


def _length(rest: str) -> int:
    """The number of words that tell something."""
    return len([word for word in rest.split() if word not in SMALL])


@lru_cache(maxsize=8192)
def titled(title: str, description: str, service: frozenset[str] = frozenset()) -> Sentence | None:
    """Return what a title says: `Get Replay Details` → `get`, `the replay details`; None if it has no verb."""
    plain = re.sub(r"\s*\([^)]*\)| now$", "", title)
    if re.search(r"\w ?[/&|] ?\w", plain):
        return None
    parts = re.findall(r"[\w'&+-]+", plain) if " " in plain else [*words(plain)]
    mid = set(re.findall(r"(?<=[a-z,] )[A-Z]\w+", description))
    kept = [part if part in mid or re.search(r".[A-Z]", part) else part.lower() for part in parts]
    return named(tuple(part for part in kept if part.lower() not in service))


@lru_cache(maxsize=8192)
def named(parts: tuple[str, ...]) -> Sentence | None:
    """Return what the words of a name say: `("issues", "create")` → `create`, `an issue`; None if they have no verb."""
    parts = parts[:-1] if parts and parts[-1].lower() in ("tool", "v1", "v2", "v3") else parts
    many = len(parts) > 1 and parts[0] in name_words("adverbs") and parts[1] in name_words("verbs")
    parts = parts[1:] if many else parts
    if not parts:
        return None
    verbs, weak = name_words("verbs"), name_words("nouns_too")
    first, last = parts[0].lower(), parts[-1].lower()
    if first in ("post", "put", "patch") and parts[1:] == ("search",):
        return Sentence("search", "")
    if first in weak and len(parts) > 2 and parts[1] in verbs - weak:
        parts, first = parts[1:], parts[1]
    if last in ("many", "one", "self"):
        return None
    if first in verbs and not (first in weak and last in (verbs - weak) | DEEDS and len(parts) > 1):
        verb, rest = first, parts[1:]
        if len(rest) > 1 and rest[0] in ("and", "or") and rest[1] in verbs - weak:
            verb, rest = f"{first} {rest[0]} {rest[1]}", rest[2:]
        elif rest and rest[0] in name_words("particles") and first in name_words("with_particle"):
            verb, rest = f"{first} {rest[0]}", rest[1:]
    elif last == "search" and len(parts) > 1:
        return Sentence("do", with_article(spelled(" ".join(parts))))
    elif last in (verbs - weak) | DEEDS and len(parts) > 1:
        verb, rest = last, (*parts[:-2], pluralised(parts[-2], many=last == "list"))
    else:
        return None
    return Sentence(verb, with_articles(verb, rest))


def with_articles(verb: str, parts: Iterable[str]) -> str:
    """Return the words of a name as people write them: `("comment", "to", "issue")` → `a comment to the issue`."""
    text = " ".join(spelled(part) for part in parts)
    phrases = re.split(rf" ((?:{PREPOSITION}) )|^((?:{PREPOSITION}) )", f"{text}")
    pieces = [piece for piece in phrases if piece]
    for k, piece in enumerate(pieces):
        noun = piece.strip()
        if re.fullmatch(PREPOSITION, noun):
            continue
        last = noun.split(" ")[-1].lower()
        starts = noun.split(" ")[0].lower() in ARTICLES
        bare = starts or is_plural(noun) or last in name_words("uncountable") or noun in ("back", "all", "up")
        if not bare:
            new = (
                k == 0
                and verb.split(" ")[0] in name_words("making")
                and not re.match("(?:current|active|latest|next|last) ", noun)
            )
            piece = with_article(noun) if new else f"the {noun}"
        pieces[k] = piece.strip()
    return " ".join(piece.strip() for piece in pieces)


def own_words(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the words of each tool's name without its service: `notion_create_page` → `("create", "page")`.

    A first word that most tools share is a service if there are verbs and objects behind it; in `issues_create` and
    `issues_list` it is the object.
    """
    shown = {name: tuple(words(name.rpartition("__")[2])) or (name,) for name in names}
    for _ in range(2):
        services = _services(shown)
        if not services:
            break
        shown = {name: parts[1:] if len(parts) > 1 and parts[0] in services else parts for name, parts in shown.items()}
    return shown


def _services(shown: dict[str, tuple[str, ...]]) -> set[str]:
    behind: dict[str, list[tuple[str, ...]]] = {}
    for parts in shown.values():
        behind.setdefault(parts[0], []).append(parts[1:])
    verbs = name_words("verbs")
    found: set[str] = set()
    for word, rests in behind.items():
        rests = [rest for rest in rests if rest]
        if len(rests) < SERVICE_TOOLS or word in verbs:
            continue
        acting = sum(rest[0] in verbs for rest in rests)
        without_object = sum(len(rest) == 1 and rest[0] in DEEDS for rest in rests)
        most = 2 * len(rests) > len(shown) or 2 * acting > len(rests)
        if most and 4 * without_object < len(rests):
            found.add(word)
    return found
