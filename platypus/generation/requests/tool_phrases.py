"""Phrases for the tools of a catalogue, from their own names and descriptions.

A tool gets clauses ("add {work_ids|work items} to {sprint_id|sprint}") and nouns for what it returns ("work items
similar to {work_id|work item}"). No tool is special-cased; verbs get synonyms from `words.toml`.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from platypus.catalogue.dataflow import KIN, is_searched, likely_output
from platypus.catalogue.prose import one_line
from platypus.catalogue.schema import is_nothing, variants
from platypus.catalogue.tools import Tool
from platypus.catalogue.words import is_plural, lemma, plural, singular, words
from platypus.generation.lexicon import word_lists
from platypus.generation.requests.argument_phrases import PREPOSITION, ArgumentPhrases, argument_phrases
from platypus.generation.requests.slots import GIVEN, RESTRICTION, SLOT, Form, fill_slots, labels

GETTING = {
    *("get", "return", "retrieve", "list", "find", "fetch", "show", "search", "look", "lookup", "access", "identify"),
    *("query", "read", "tell", "give", "provide", "display", "view", "obtain", "discover", "explore"),
}
WORKING_OUT = {"calculate", "compute", "determine", "estimate", "predict", "measure", "evaluate", "assess", "analyze"}
SETTING = {"set", "change", "adjust", "update", "modify"}
SAME = {"retrieve": "get", "fetch": "get", "return": "get", "search": "find", "remove": "delete", "make": "create"}
DULL = {
    *("the", "a", "an", "this", "if", "when", "use", "given", "for", "with", "in", "used", "allows", "tool", "function")
}
MAKING = {"generate", "create", "make", "provide", "submit", "request", "perform", "produce", "prepare", "process"}
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
NAMED = re.compile(rf"\}}(?: (?:{PREPOSITION})\b.*)?$")  # a name with a noun after its slot is not used as a phrase


@dataclass(frozen=True)
class ToolPhrases:
    """Phrases for one tool. `taken` are the verbs of the catalogue's other tools, which would mean those."""

    tool: Tool
    taken: frozenset[str] = frozenset()

    @cached_property
    def _argument_phrases(self) -> dict[tuple[str, bool], ArgumentPhrases]:
        return {
            (argument.name, type_known): argument_phrases(self.tool, argument, type_known=type_known)
            for argument in self.tool.arguments
            for type_known in (False, True)
        }

    def argument(self, name: str, *, type_known: bool) -> ArgumentPhrases:
        """Return the phrases for an argument of the tool; `type_known` as in `argument_phrases`."""
        return self._argument_phrases[name, type_known]

    @cached_property
    def _sentence(self) -> str:
        if not self.tool.description and words(self.tool.name) == ["who", "am", "i"]:
            return "get the ID of the current user"
        text = re.split(r"(?<=[a-z)])\. |\.$", one_line(self.tool.description))[0].strip()
        text = re.sub(r"\s*\([^)]*\)", "", text)
        text = re.sub(
            r"(?i)^(?:this (?:tool|function) (?:is used to|can)?|(?:allows|enables) (?:you|users?) to|used to) ?",
            "",
            text,
        )
        returned = re.match(r"(?i)given [^,]+, (?:this )?((\w+) [^,]*)", text)
        if returned:  # what the tool does with it is clearer from the tool's name
            text = returned[1] if lemma(returned[2]) in GETTING else ""
        text = re.sub(r" from one \w+ to another| between two \w+$", "", text)
        text = text if re.match(r"[A-Z]{2}", text) else text[:1].lower() + text[1:]
        possessive = re.match(r"(\w+) (?:the |an? )?(\w+)['\u2019]s ([\w ]+)$", text)
        if possessive and any(possessive[2] in labels(argument) for argument in self.tool.arguments):
            return f"{possessive[1]} the {possessive[3]} of the {possessive[2]}"
        return re.sub(r"\b(?:the|a) user['\u2019]s\b", "my", text)

    @cached_property
    def verb(self) -> str:
        """The main verb: the description's, unless that only gets ("returns …") and the name has another one."""
        first = lemma(self._sentence.split(" ", 1)[0])
        known_verbs = [lemma(w) for w in words(self.tool.name) if lemma(w) in {*_synonyms(), *GETTING, *SAME, *NOMINAL}]
        if first in GETTING and known_verbs and known_verbs[0] not in GETTING:
            return known_verbs[0]
        if self._sentence and re.fullmatch(r"[a-z]+", first) and first not in DULL:
            return first
        return known_verbs[0] if known_verbs else lemma(words(self.tool.name)[0])

    @cached_property
    def rest(self) -> Form:
        """The text after the verb, from the description or else from the name."""
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
        """`set the level of {robot}` → `… to {level}`: the text names what is set, and the value comes last."""
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
            if text.endswith(f" {noun}") and text.removesuffix(f" {noun}") in labels(owner):
                return Form(
                    f"the {noun} of {{{owner.name}|{text.removesuffix(f' {noun}')}}} to {{{needed[1].name}|one}}"
                )
        if self.is_getter and len(needed) == 1 and text in labels(needed[0]) and not self.plural:
            return Form(f"details of {{{needed[0].name}|{text}}}")
        return fill_slots(text, self.tool, acting=not self.is_getter)

    @cached_property
    def is_getter(self) -> bool:
        """Whether the tool only returns something, so that its phrases are about what it returns."""
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
        """The kinds of things that a lookup can find: `part`, `user`, `customer`, or just its own."""
        text = " ".join((self._sentence, *(argument.description for argument in self.tool.arguments))).lower()
        kinds = tuple(
            word for family in KIN for word in sorted(family) if re.search(rf"\b{word}(?:s|['\u2019]s)?\b", text)
        )
        own = re.search(
            r"\bids? of (?:the |an? )?(?:matching )?([\w ]+?)(?: with\b| that\b| named\b| by\b| in\b|$)", text
        )
        noun = singular(own[1].strip()) if own else self.noun_head
        return (noun,) if noun.split(" ")[-1] not in OBJECTS and len(kinds) < 2 else kinds

    @cached_property
    def plural(self) -> bool:
        """Whether the output is a list."""
        return any(variant.get("type") == "array" for variant in variants(likely_output(self.tool)))

    @cached_property
    def by_id(self) -> bool:
        """Whether the description says that an id is returned."""
        return bool(re.match(r"(?:the |an? )?ids? (?:of|for)\b", self.rest.text, re.IGNORECASE))

    @cached_property
    def noun(self) -> Form:
        """The noun for the output: `"work items similar to {work_id}"`, `"current sprint"`, `"summary"`."""
        if not self.is_getter:
            return Form(self._result_noun)
        text = re.sub(r"(?i)^(the |an? )?(ids?|names?) (of|for) ", "", self.rest.text)
        text = re.sub(r" by \w+$", "", text)
        text = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of (?:the |all )?", "", text)
        text = re.sub(r"^(the|a|an|all|any|some) ", "", text)
        text = re.sub(rf"\b(an?) {GIVEN} (\w)", lambda m: f"{'an' if m[2] in 'aeio' else 'a'} {m[2]}", text)
        text = re.sub(r" (that|which) (are|is) (?=\w+ (to|by|with|in|for|of) \{)", " ", text)
        return Form(re.sub(rf" ({RESTRICTION})\b(?!.*\{{).*|,(?!.*\{{).*", "", text))

    @cached_property
    def short(self) -> str:
        """The output in the words of the tool's name: `airport weather`; empty if these do not suit."""
        verb, *parts = words(self.tool.name)
        noun = " ".join(parts)
        plain = not set(parts) & {*PREPOSITION.split("|"), "id", "ids", "all", "info", "details", "current", "my"}
        fits = self.is_getter and not self.is_lookup and not self.by_id and lemma(verb) in GETTING
        return noun if fits and plain and len(parts) > 1 and is_plural(noun) == is_plural(self.noun.text) else ""

    @cached_property
    def _result_noun(self) -> str:
        """The noun for the result of a tool that does something: `summary`, `tasks`."""
        prose = str(self.tool.output.get("description", "")).strip().lower()
        if prose:
            return _clean(prose).split(",")[0]
        first = words(self.tool.name)[0]  # summarize_tickets: "Condenses tickets"
        action = NOMINAL.get(self.verb) or NOMINAL.get(first)
        if action:
            return action.split(" ")[0]
        if self.verb in (*WORKING_OUT, "generate", "create", "extract"):
            text = re.sub(
                r"^(an?|the|new|\W)+ ", "", re.sub(rf" ({RESTRICTION}|{PREPOSITION})\b.*|\{{.*", "", self.rest.text)
            )
            return text.strip() or "result"
        rest = SLOT.sub(r"\2", self._name_rest.text)
        first, _, after = rest.partition(" ")
        noun = after if after and lemma(first) in _synonyms() else rest  # `prioritize_objects` described as "sorts …"
        return re.sub(rf" ({PREPOSITION}|,) .*", "", noun).strip() or "results"

    @cached_property
    def noun_head(self) -> str:
        """The noun without restrictions: `work items`, `sprint`, `information`."""
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
        """Whether the tool returns the current user, who is `me` in a request."""
        return bool(re.search(r"\b(current|logged[ -]in|authenticated|calling) user\b", self.noun.text))

    @cached_property
    def nominal(self) -> Form | None:
        """The tool's action as a noun: `"summary of {objects|objects}"`, `"return on investment of {campaign_id}"`."""
        lead = NOMINAL.get(self.verb)
        start = SLOT.match(self.rest.text)
        if lead and start:
            return Form(f"{lead} {start[0]}")
        if self.verb in WORKING_OUT and not start and not re.match(r"(?:if|whether|how)\b", self.rest.text):
            return Form(re.sub(r"^(the|an?) ", "", self.rest.text))
        return None

    @cached_property
    def clauses(self) -> tuple[Form, ...]:
        """Imperatives for a tool that does something, from the description and from the name."""
        rest = self.rest
        if re.match(r"(?:if|whether) ", rest.text):
            asks = ("check if", "check whether", "tell me if", "find out whether")
            condition = rest.text.split(" ", 1)[1]
            return tuple(Form(f"{ask} {text}") for ask in asks for text in (condition, self._shortened(condition)))
        verbs = self._synonyms_of(self.verb)
        texts = [
            rest.text,
            self._shortened(rest.text),
            re.sub(r"(?<=\}) in(?:to)? an? (?:short|concise|brief|clear|simple)\b.*", "", rest.text),
        ]
        forms = [Form(f"{verb} {text}") for verb in verbs for text in texts]
        from_name = self._name_rest
        lead = re.match(r"([a-z]+) (?=[a-z]+ (?:from|for|of|to) )", rest.text)
        if lead and lead[1].endswith("able"):  # `create tasks from …`
            forms += [Form(f"{verb} {rest.text[lead.end() :]}") for verb in verbs]
        deeds = word_lists()["deeds"]
        match = re.match(r"(?:(?:an?|the|new) )*(\w+) (?:of|for|about) ", rest.text) if self.verb in MAKING else None
        if match and match[1] in deeds:  # `generate a citation for a source`
            forms += [Form(f"{deeds[match[1]]} {rest.text[match.end() :]}")] * 2
        first = lemma(words(self.tool.name)[0])
        if (
            first in {*_synonyms(), *SAME, *deeds.values(), self.verb}
            and set(from_name.slots) >= set(rest.slots)
            and NAMED.search(from_name.text)
        ):
            text = from_name.text if first == self.verb else from_name.text.partition(" ")[2]
            forms += [Form(f"{verb} {text}") for verb in self._synonyms_of(first)]
        return tuple(forms)

    def _shortened(self, text: str) -> str:
        """Without an explanation at the end (`an email to be sent to an audience`), if no other tool has the verb."""
        end = r" (?:and (?:is|has|can|\w+s)|to be|during|(?:for|at|of) an?|(?:in|from|on|of) the) [^{]*$"
        return text if self.verb in self.taken else re.sub(end, "", text)

    def _synonyms_of(self, verb: str) -> tuple[str, ...]:
        """The verb and its synonyms, except those that are another tool's verb."""
        synonyms = _synonyms().get(SAME.get(verb, verb), (verb,))
        free = tuple(other for other in synonyms if other.replace(" ", "") not in self.taken or other == verb)
        return free or (verb,)

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """Imperative verbs for a tool that returns something."""
        kind = "find" if self.is_lookup else "list" if self.plural or is_plural(self.noun.text) else "get"
        return _synonyms()[kind]


def _synonyms() -> dict[str, tuple[str, ...]]:
    synonyms: dict[str, tuple[str, ...]] = word_lists()["verbs"]
    return synonyms


def _clean(noun: str) -> str:
    noun = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of ", "", noun)
    noun = re.sub(r"^(?:the|a|an|all|any|new|created|resulting) ", "", noun)
    noun = re.sub(r"\s*\(.*?\)", "", noun)
    noun = re.sub(r"^(?:new|created) ", "", noun)
    return re.sub(rf" ({RESTRICTION}|{PREPOSITION}|sorted|,).*", "", noun)


def pluralised(noun: str, *, many: bool) -> str:
    """Return the noun in the plural (`many`) or singular."""
    if many:
        return noun if is_plural(noun) else plural(noun)
    return singular(noun)
