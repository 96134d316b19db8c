"""How the tools of a catalogue can be spoken of, from their own names and descriptions.

A tool gets clauses ("add {work_ids|work items} to {sprint_id|sprint}") and nouns for what it returns ("work items
similar to {work_id|work item}"). No tool is special-cased; verbs have the synonyms of a general grammar.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from platypus.catalogue import Argument, Tool
from platypus.edges import KIN, is_searched, likely_output
from platypus.english import is_plural, lemma, singular
from platypus.literals import plural, vocabulary, words
from platypus.modifiers import PREPOSITION, Saying, saying
from platypus.schema import is_nothing, variants

GETTING = {
    *("get", "return", "retrieve", "list", "find", "fetch", "show", "search", "look", "lookup", "access", "identify"),
    *("query", "read", "tell", "give", "provide", "display", "view", "obtain", "discover", "explore"),
}
WORKING_OUT = {"calculate", "compute", "determine", "estimate", "predict", "measure", "evaluate", "assess", "analyze"}
SETTING = {"set", "change", "adjust", "update", "modify"}
SAME = {"retrieve": "get", "fetch": "get", "return": "get", "search": "find", "remove": "delete", "make": "create"}
DULL = {
    "the",
    "a",
    "an",
    "this",
    "if",
    "when",
    "use",
    "given",
    "for",
    "with",
    "in",
    "used",
    "allows",
    "tool",
    "function",
}
NOMINAL = {
    **{
        "summarize": "summary of",
        "translate": "translation of",
        "analyze": "analysis of",
        "describe": "description of",
    },
    **{"compare": "comparison of", "convert": "conversion of", "calculate": "", "compute": "", "estimate": ""},
}
OBJECTS = {"object", "item", "entity", "record", "thing", "element", "result"}
RESTRICTION = "matching|based on|that|filtered|according to|using|given|where|which|so that|in order to"
GIVEN = r"(?:given|input|provided|specified|specific|particular|certain|selected|chosen|desired)"
SLOT = re.compile(r"\{([^|}]*)\|([^}]*)\}")


@dataclass(frozen=True)
class Form:
    """A phrase with slots for arguments: `"add {work_ids|work items} to {sprint_id|sprint}"`."""

    text: str

    @property
    def slots(self) -> tuple[str, ...]:
        """The arguments that the phrase says."""
        return tuple(match[1] for match in SLOT.finditer(self.text))


def _labels(argument: Argument) -> list[str]:
    """What a text may call the argument's value: by its domain type, its name, its description's first noun."""
    parts = words(argument.name)
    dropped = ("id", "ids", "name", "names", "list", "key", "title", "email", "identifier", "input", "target")
    name = [word for word in parts if word not in dropped]
    kind = argument.schema.get("items", argument.schema).get("format", "")
    told = re.match(
        rf"(?:the |an? )?(?:(?:list|ids?|names?|unique identifier) of )?(?:the |an? )?(?:{GIVEN} )?"
        rf"((?:(?!(?:{PREPOSITION}|that|which) )[\w-]+ ?)+)",
        argument.description.lower(),
    )
    found = [
        " ".join(words(kind.removesuffix("id"))),
        " ".join(name or parts),
        told[1].strip() if told else "",
        " ".join(name[:-1]) if len(name) > 1 and name[-1] in LOOSE else "",
    ]
    found += [found[1].split(" ")[0] + " item"] if found[1] else []
    found += sorted(KIN[1]) if set(name) & KIN[1] else []
    singles = [singular(re.sub(r"( ids?| names?)$", "", label)) for label in found if label]
    return sorted(set(singles), key=len, reverse=True)


LOOSE = ("type", "species", "number", "code", "file", "path", "url")  # what a description leaves out of a name
SOME = r"(?:(?:the|an?|any|all|some|each|every|new|multiple) )*(?:(?:list|set|batch|collection) of )?(?:the )?"
WORD = rf"(?!\{{|(?:{PREPOSITION}|{RESTRICTION}|and|or)\b)[\w-]+ "  # of an adjective or a noun before the noun
LEFT = {  # what may stand before the argument's noun, the surest first; all of it becomes the slot
    "given": re.compile(rf"(?:^|(?<= ))(?!one ){SOME}{GIVEN} (?:{WORD}){{0,3}}$", re.IGNORECASE),
    "indefinite": re.compile(rf"(?:^|(?<= ))(?:an?|each|every|multiple) (?:{WORD}){{0,3}}$", re.IGNORECASE),
    "some": re.compile(rf"(?:^|(?<= )){SOME}$", re.IGNORECASE),
    "definite": re.compile(rf"(?:^|(?<= ))the (?:{WORD}){{1,2}}$", re.IGNORECASE),
    "after": re.compile(r"(?:(?<= of )|(?<= to )|(?<= on )|(?<= for )|(?<= about )|(?<= between ))(?:the |an? )?$"),
}
RIGHT = re.compile(
    rf"(?:s|es)?(?: (?:ids?|names?|models?|types?|numbers?)\b)?(?![\w-])(?![^{{]*\}})"
    rf"(?=$|[,.;:]| (?:{PREPOSITION}|and|or|is|are|has|have|be|needed|due|{RESTRICTION}|according|containing|\{{))",
    re.IGNORECASE,
)


def _spot(text: str, argument: Argument, lefts: tuple[str, ...]) -> tuple[int, int] | None:
    """Where the noun phrase that stands for the argument begins and ends."""
    found: list[tuple[int, int, int, int]] = []
    labels = _labels(argument)
    for name in (*labels, *(plural(label) for label in labels if label.endswith("y"))):
        start = text.lower().find(name)
        while start >= 0:
            right = RIGHT.match(text, start + len(name))
            for rank, left in enumerate(lefts):
                before = LEFT[left].search(text[:start])
                if right and before and (before[0] or UNLED.search(text[:start])):
                    found.append((rank, -len(name), -before.start(), right.end()))
                    break
            start = text.lower().find(name, start + 1)
    _, _, begin, end = min(found, default=(0, 0, 0, -1))
    return (-begin, end) if end >= 0 else None


def fill_slots(text: str, tool: Tool, *, acting: bool) -> Form:
    """`"the given work items to the sprint"` → `"{work_ids|work items} to {sprint_id|sprint}"`.

    A text that says what is returned (not `acting`) has slots only where it means one that is given.
    """
    needed = [argument for argument in tool.arguments if argument.required]
    for argument in (*needed, *(a for a in tool.arguments if not a.required)):
        if next(variants(argument.schema)).get("type") == "boolean":
            continue
        if acting and (argument.required or not needed):
            lefts: tuple[str, ...] = ("given", "indefinite", "some", "definite")
        else:
            lefts = ("given", "indefinite", "after") if argument.required else ("given",)
        place = _spot(text, argument, lefts)
        kind = next(variants(argument.schema)).get("type")
        if place is None and argument.required and len(needed) == 1 and kind not in ("integer", "number", "boolean"):
            found = GIVEN_ONE.search(text)
            place = found.span() if found and is_plural(found[0]) == (kind == "array") else None
        if place:
            said = BARE.sub("", text[place[0] : place[1]])
            slot = f"{{{argument.name}|{re.sub(' (ids?|names?)$', '', said)}}}"
            text = text[: place[0]] + slot + text[place[1] :]
    unsaid = (name for a in tool.arguments if f"{{{a.name}|" not in text for name in _labels(a))
    tail = next((tail for name in unsaid if text.endswith(tail := f"}} and {name}")), "")
    return Form(
        text.removesuffix(tail) + "}" * bool(tail)
    )  # "for {location} and time period": the period is said apart


NAMED = re.compile(rf"\}}(?: (?:{PREPOSITION})\b.*)?$")  # a name whose slot is followed by a noun is no phrase
UNLED = re.compile(rf"^$|\b(?:{PREPOSITION}|and|or) $")  # where a noun may stand without an article
GIVEN_ONE = re.compile(rf"(?:the |an? )?{GIVEN} (?!\{{)\w+")
BARE = re.compile(
    rf"^((the|an?|any|all|some|each|every|multiple|new|existing|{GIVEN}|(list|set|batch|collection) of) )+"
)


@dataclass(frozen=True)
class Wording:
    """How one tool can be spoken of."""

    tool: Tool

    @cached_property
    def _sayings(self) -> dict[tuple[str, bool], Saying]:
        return {
            (argument.name, agreed): saying(self.tool, argument, agreed=agreed)
            for argument in self.tool.arguments
            for agreed in (False, True)
        }

    def saying(self, argument: str, *, agreed: bool) -> Saying:
        """How an argument of the tool can be said; `agreed` as in `platypus.modifiers.saying`."""
        return self._sayings[argument, agreed]

    @cached_property
    def _sentence(self) -> str:
        if not self.tool.description and words(self.tool.name) == ["who", "am", "i"]:
            return "get the ID of the current user"
        text = re.split(r"(?<=[a-z)])\. |\.$", self.tool.description)[0].strip()
        text = re.sub(r"\s*\([^)]*\)", "", text)
        text = re.sub(
            r"(?i)^(?:this (?:tool|function) (?:is used to|can)?|(?:allows|enables) (?:you|users?) to|used to) ?",
            "",
            text,
        )
        given = re.match(r"(?i)given [^,]+, (?:this )?((\w+) [^,]*)", text)
        if given:  # what is done with it is better said by the tool's name
            text = given[1] if lemma(given[2]) in GETTING else ""
        text = re.sub(r" from one \w+ to another| between two \w+$", "", text)
        text = text if re.match(r"[A-Z]{2}", text) else text[:1].lower() + text[1:]
        owned = re.match(r"(\w+) (?:the |an? )?(\w+)['\u2019]s ([\w ]+)$", text)
        if owned and any(owned[2] in _labels(argument) for argument in self.tool.arguments):
            return f"{owned[1]} the {owned[3]} of the {owned[2]}"
        return re.sub(r"\b(?:the|a) user['\u2019]s\b", "my", text)

    @cached_property
    def verb(self) -> str:
        """The main verb: the description's, unless it only says what comes back while the name says what is done."""
        first = lemma(self._sentence.split(" ", 1)[0])
        known = [lemma(w) for w in words(self.tool.name) if lemma(w) in {*_synonyms(), *GETTING, *SAME, *NOMINAL}]
        if first in GETTING and known and known[0] not in GETTING:
            return known[0]
        if self._sentence and re.fullmatch(r"[a-z]+", first) and first not in DULL:
            return first
        return known[0] if known else lemma(words(self.tool.name)[0])

    @cached_property
    def rest(self) -> Form:
        """What follows the verb, in the description or else in the name."""
        parts = self._sentence.split(" ", 1)
        if len(parts) < 2 or lemma(parts[0]) != self.verb:
            return self._name_rest
        text = re.sub(r" by (their|its) \w+", "", parts[1])
        text = re.sub(r"^(up|for|out) ", "", text) if self.verb in GETTING else text
        text = re.sub(
            r", (and|then|which|or returns) .*|;.*|, (?:all|the most) .*|,(?! [\w-]+(?:,| or| and) ).*", "", text
        )
        text = text if len([a for a in self.tool.arguments if a.required]) == 1 else re.sub(r" based on .*", "", text)
        text = text if self.is_getter else re.sub(r" by \w+ing .*", "", text)
        text = re.sub(r" in (?:the|an?) (?:system|platform|database|application|app)$", "", text)
        form = fill_slots(text, self.tool, acting=not self.is_getter)
        return self._set_to(form)

    def _set_to(self, form: Form) -> Form:
        """`set the level of {robot}` → `… to {level}`: what is set is named, and its value comes last."""
        start = SLOT.match(form.text)
        if self.verb in SETTING and start and len(self.tool.arguments) > 1:
            return Form(f"the {start[2]}{form.text[start.end() :]} to {{{start[1]}|one}}")
        return form

    @cached_property
    def _name_rest(self) -> Form:
        """`add_work_items_to_sprint` → `"{work_ids} to {sprint_id}"`, `set_level` → `"the level of {ticket}"`."""
        parts = words(self.tool.name)
        text = " ".join(parts[1:] if lemma(parts[0]) == self.verb else [p for p in parts if lemma(p) != self.verb])
        needed = [argument for argument in self.tool.arguments if argument.required]
        if self.verb in SETTING and len(needed) == 2:
            owner, noun = needed[0], " ".join(words(needed[1].name))
            if text.endswith(f" {noun}") and text.removesuffix(f" {noun}") in _labels(owner):
                return Form(
                    f"the {noun} of {{{owner.name}|{text.removesuffix(f' {noun}')}}} to {{{needed[1].name}|one}}"
                )
        if self.is_getter and len(needed) == 1 and text in _labels(needed[0]) and not self.plural:
            return Form(f"details of {{{needed[0].name}|{text}}}")
        return fill_slots(text, self.tool, acting=not self.is_getter)

    @cached_property
    def is_getter(self) -> bool:
        """Whether the tool is a look-up, spoken of by what it returns."""
        return self.verb in GETTING and not is_nothing(self.tool.output)

    @cached_property
    def is_lookup(self) -> bool:
        """Whether the tool finds one thing by its name."""
        needed = [argument for argument in self.tool.arguments if argument.required]
        by_name = len(needed) == len(self.tool.arguments) == 1 and is_searched(needed[0])
        whole = not any("properties" in variant for variant in variants(self.tool.output))
        return self.is_getter and by_name and not self.plural and whole

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What a look-up can find: `part`, `user`, `customer`; or the one thing of its own."""
        said = " ".join((self._sentence, *(argument.description for argument in self.tool.arguments))).lower()
        found = tuple(
            word for family in KIN for word in sorted(family) if re.search(rf"\b{word}(?:s|['\u2019]s)?\b", said)
        )
        own = re.search(
            r"\bids? of (?:the |an? )?(?:matching )?([\w ]+?)(?: with\b| that\b| named\b| by\b| in\b|$)", said
        )
        noun = singular(own[1].strip()) if own else self.noun_head
        return (noun,) if noun.split(" ")[-1] not in OBJECTS and len(found) < 2 else found

    @cached_property
    def plural(self) -> bool:
        """Whether the output is many things."""
        return any(variant.get("type") == "array" for variant in variants(likely_output(self.tool)))

    @cached_property
    def by_id(self) -> bool:
        """Whether the description says that an id comes back."""
        return bool(re.match(r"(?:the |an? )?ids? (?:of|for)\b", self.rest.text, re.IGNORECASE))

    @cached_property
    def noun(self) -> Form:
        """What the output is called: `"work items similar to {work_id}"`, `"current sprint"`, `"summary"`."""
        if not self.is_getter:
            return Form(self._made)
        text = re.sub(r"(?i)^(the |an? )?(ids?|names?) (of|for) ", "", self.rest.text)
        text = re.sub(r" by \w+$", "", text)
        text = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of (?:the |all )?", "", text)
        text = re.sub(r"^(the|a|an|all|any|some) ", "", text)
        text = re.sub(rf"\b(an?) {GIVEN} (\w)", lambda m: f"{'an' if m[2] in 'aeio' else 'a'} {m[2]}", text)
        text = re.sub(r" (that|which) (are|is) (?=\w+ (to|by|with|in|for|of) \{)", " ", text)
        return Form(re.sub(rf" ({RESTRICTION})\b(?!.*\{{).*|,(?!.*\{{).*", "", text))

    @cached_property
    def _made(self) -> str:
        """What a tool that does something gives back: `summary`, `tasks`."""
        prose = str(self.tool.output.get("description", "")).strip().lower()
        if prose:
            return _clean(prose).split(",")[0]
        if NOMINAL.get(self.verb):
            return NOMINAL[self.verb].split(" ")[0]
        if self.verb in (*WORKING_OUT, "generate", "create", "extract"):
            text = re.sub(
                r"^(an?|the|new|\W)+ ", "", re.sub(rf" ({RESTRICTION}|{PREPOSITION})\b.*|\{{.*", "", self.rest.text)
            )
            return text.strip() or "result"
        rest = SLOT.sub(r"\2", self._name_rest.text)
        first, _, after = rest.partition(" ")
        named = after if lemma(first) in _synonyms() else rest  # `prioritize_objects` described as "sorts …"
        return re.sub(rf" ({PREPOSITION}|,) .*", "", named).strip() or "results"

    @cached_property
    def noun_head(self) -> str:
        """The noun without what restricts it: `work items`, `sprint`, `information`."""
        text = re.sub(r"^(?:details|information|info|data|insights) (?:of|about|for|on|regarding) ", "", self.noun.text)
        text = SLOT.sub(r"\2", text)
        text = re.sub(rf" ({RESTRICTION}|{PREPOSITION}|similar|related)\b.*|,.*", "", text)
        text = re.sub(
            r"^(?:the|an?|current|latest|active|available|new|created|matching|sorted|ranked) ", "", text
        ).strip()
        if text.split(" ")[-1] in OBJECTS | {"objects", "items", "results"} and not self.is_getter and self.plural:
            return ""
        return text

    @cached_property
    def is_me(self) -> bool:
        """Whether what comes back is the one who asks."""
        return bool(re.search(r"\b(current|logged[ -]in|authenticated|calling) user\b", self.noun.text))

    @cached_property
    def nominal(self) -> Form | None:
        """What is done, as a thing: `"summary of {objects|objects}"`, `"return on investment of {campaign_id}"`."""
        lead = NOMINAL.get(self.verb)
        start = SLOT.match(self.rest.text)
        if lead and start:
            return Form(f"{lead} {start[0]}")
        if self.verb in WORKING_OUT and not start and not re.match(r"(?:if|whether|how)\b", self.rest.text):
            return Form(re.sub(r"^(the|an?) ", "", self.rest.text))
        return None

    @cached_property
    def clauses(self) -> tuple[Form, ...]:
        """Imperatives of a tool that does something: from the description and from the name."""
        rest = self.rest
        if re.match(r"(?:if|whether) ", rest.text):
            told = rest.text.split(" ", 1)[1]
            return tuple(
                Form(f"{ask} {told}") for ask in ("check if", "check whether", "tell me if", "find out whether")
            )
        verbs = _synonyms().get(SAME.get(self.verb, self.verb), (self.verb,))
        texts = [rest.text, re.sub(r"(?<=\}) in(?:to)? an? (?:short|concise|brief|clear|simple)\b.*", "", rest.text)]
        forms = [Form(f"{verb} {text}") for verb in verbs for text in texts]
        named = self._name_rest
        lead = re.match(r"([a-z]+) (?=[a-z]+ (?:from|for|of|to) )", rest.text)
        if lead and lead[1].endswith("able"):  # `create tasks from …`
            forms += [Form(f"{verb} {rest.text[lead.end() :]}") for verb in verbs]
        first = lemma(words(self.tool.name)[0])
        if (
            first in {*_synonyms(), *SAME, self.verb}
            and set(named.slots) >= set(rest.slots)
            and NAMED.search(named.text)
        ):
            text = named.text if first == self.verb else named.text.partition(" ")[2]
            forms += [Form(f"{verb} {text}") for verb in _synonyms().get(SAME.get(first, first), (first,))]
        return tuple(forms)

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """Imperatives that ask for what a look-up returns."""
        kind = "find" if self.is_lookup else "list" if self.plural or is_plural(self.noun.text) else "get"
        return _synonyms()[kind]


def _synonyms() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = vocabulary()["verbs"]
    return found


def _clean(noun: str) -> str:
    noun = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of ", "", noun)
    noun = re.sub(r"^(?:the|a|an|all|any|new|created|resulting) ", "", noun)
    noun = re.sub(r"\s*\(.*?\)", "", noun)
    noun = re.sub(r"^(?:new|created) ", "", noun)
    return re.sub(rf" ({RESTRICTION}|{PREPOSITION}|sorted|,).*", "", noun)


def pluralised(noun: str, *, many: bool) -> str:
    """The noun in the wanted number."""
    if many:
        return noun if is_plural(noun) else plural(noun)
    return singular(noun)
