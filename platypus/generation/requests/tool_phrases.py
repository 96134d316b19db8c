"""Phrases for the tools of a catalogue, from their own names and descriptions.

A tool gets clauses ("add {work_ids|work items} to {sprint_id|sprint}") and nouns for what it returns ("work items
similar to {work_id|work item}"). No tool is special-cased; verbs get synonyms from `words.toml`.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from platypus.catalogue.dataflow import KIN, is_searched, likely_output
from platypus.catalogue.prose import first_sentence
from platypus.catalogue.schema import allowed_values, is_nothing, variants
from platypus.catalogue.tools import Tool
from platypus.catalogue.words import is_plural, lemma, singular, with_article, words
from platypus.generation.lexicon import name_words, word_lists
from platypus.generation.requests.argument_phrases import ArgumentPhrases, argument_phrases
from platypus.generation.requests.slots import GIVEN, RESTRICTION, SLOT, Form, bare_noun, fill_slots, labels
from platypus.generation.requests.tool_sentences import Sentence, described, named, titled, with_articles
from platypus.generation.requests.usual_phrases import PREPOSITION, is_short

GETTING = {
    *("get", "return", "retrieve", "list", "find", "fetch", "show", "search", "look", "lookup", "access", "identify"),
    *("query", "read", "tell", "give", "provide", "display", "view", "obtain", "discover", "explore"),
}
WORKING_OUT = {"calculate", "compute", "determine", "estimate", "predict", "measure", "evaluate", "assess", "analyze"}
SETTING = {"set", "change", "adjust", "update", "modify"}
SAME = {"retrieve": "get", "fetch": "get", "return": "get", "search": "find", "remove": "delete", "make": "create"}
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
PLACE_SEARCHED = re.compile(rf"(?:the|a|an|my|across|within|{PREPOSITION})\b(?<!for)|$")  # `search the web`
ANYWHERE = r"(?<=\}) (?:from|in|for|on|within|of) an? (?!short|concise|brief|clear)[\w '-]+$| from at$"
OTHER_KIND = r"\b(?:the |an? )?(?:(?!(?:to|of|on|for|from|in)\b)[\w-]+ ){1,3}or (?=\{)"  # `a post or {thread}`
ALTERNATIVES = re.compile(rf"(?:the |an? )?[\w-]+ (?:or|and) [\w-]+(?:$| (?:{PREPOSITION})\b)")
OBJECTS = {"object", "item", "entity", "record", "thing", "element", "result"}
LISTING = r"(?:(?:numbered|complete|full|detailed|flat|paginated|comprehensive) )"  # before `list of`
NAMED_ONES = r"(?:specific|specified|given|particular|certain|provided)"
UNNAMED = re.compile(rf"\b(an? )?({NAMED_ONES}) ([\w-]+)(?![^{{]*\}})")
NAMED = re.compile(rf"\}}(?: (?:{PREPOSITION})\b.*)?$")  # a name with a noun after its slot is not used as a phrase


@dataclass(frozen=True)
class ToolPhrases:
    """Phrases for one tool. `taken` are the verbs of the catalogue's other tools, which would mean those.

    `own` are the words of its name without a service, `unclear` what the names of several tools say, and `shared`
    what the phrases of several tools say: they are used only where there is nothing else.
    """

    tool: Tool
    taken: frozenset[str] = frozenset()
    own: tuple[str, ...] = ()
    unclear: frozenset[Sentence] = frozenset()
    shared: frozenset[str] = frozenset()

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
    def _described(self) -> Sentence | None:
        """What the description says: `Update a page's text` of a tool that takes a page → `the text of the page`."""
        if not self.tool.description and words(self.tool.name) == ["who", "am", "i"]:
            return Sentence("get", "the ID of the current user")
        sentence = described(self.tool.description)
        possessive = re.match(r"(?:the |an? )?([\w ]+?)['\u2019]s ([\w ]+)$", sentence.rest) if sentence else None
        owned = possessive and any(possessive[1].split(" ")[-1] in labels(argument) for argument in self.tool.arguments)
        if sentence and possessive and owned:
            what, _, how = re.sub(r" (as|in|to|with) ", r"| \1 ", possessive[2], count=1).partition("|")
            return Sentence(sentence.verb, f"the {what} of the {possessive[1]}{how}")
        return sentence and self._one_deed(sentence)

    def _one_deed(self, said: Sentence) -> Sentence:
        """Of alternatives that of the name: `move or rename files and directories` of `move_file` → `move the file`."""
        verbs, rest, named = said.verb.split(" or "), said.rest, self._from_name
        told, own = (set(map(singular, words(text))) for text in (first_sentence(self.tool.description), rest))
        listed = any(
            len(told.intersection(values)) > 1 and own.intersection(values) and " or ".join(values) not in rest
            for values in self._choices.values()
        )
        if named and named.verb == said.verb and listed:
            return named  # `delete a project, section or task` by its `type`
        if named and named.verb in (said.verb, *verbs) and ALTERNATIVES.match(rest):
            last = singular(named.rest.lower().split(" ")[-1])
            rest = named.rest if last in [singular(word) for word in rest.lower().split()] else rest
        kept = [verb for verb in verbs if verb in map(lemma, self._own)]
        if len(verbs) == 2 and not kept and named:
            return named
        return Sentence(kept[0] if len(verbs) == 2 and len(kept) == 1 else said.verb, rest)

    @property
    def _choices(self) -> dict[str, list[str]]:
        """The listed values of each required argument."""
        return {a.name: [*map(str, allowed_values(a.schema))] for a in self.tool.arguments if a.required}

    @property
    def _own(self) -> tuple[str, ...]:
        return self.own or tuple(words(self.tool.name))

    @cached_property
    def _from_name(self) -> Sentence | None:
        return named(self._own)

    @cached_property
    def named(self) -> tuple[Sentence, ...]:
        """What title and name say, if only this tool's do."""
        own = self._own
        service = frozenset(words(self.tool.name)) - set(own)
        both = titled(self.tool.title, self.tool.description, service) if self.tool.title else None, self._from_name
        return tuple(sentence for sentence in dict.fromkeys(both) if sentence and sentence not in self.unclear)

    @cached_property
    def verb(self) -> str:
        """The main verb: the description's, unless that only gets ("returns …") and the name has another one."""
        known_verbs = [lemma(word) for word in self._own if lemma(word) in {*_synonyms(), *GETTING, *SAME, *NOMINAL}]
        if self._described:
            only_gets = self._described.verb in GETTING and known_verbs and known_verbs[0] not in GETTING
            return known_verbs[0] if only_gets else self._described.verb
        return self.named[0].verb if self.named else known_verbs[0] if known_verbs else self._unnamed_verb

    @property
    def _unnamed_verb(self) -> str:
        """The verb of a tool whose name is a noun: `agent_status` is got, `lighthouse_audit` is run."""
        if len(self._own) == 1 and self._own[0] not in name_words("uncountable"):
            return "use"
        got = self.tool.annotations.get("readOnlyHint") or re.match(
            r"(?i)(?:get|return|retriev)", self.tool.description
        )
        return "get" if got else "run"

    @cached_property
    def _said(self) -> Sentence:
        """What the description says if that has the main verb, or else what title or name say."""
        return self._described if self._described and self._described.verb == self.verb else self._name_said

    @cached_property
    def _name_said(self) -> Sentence:
        if self.verb == "use" and not self.named:
            return Sentence("use", " ".join(words(self.tool.title) or self._own))
        rest = with_articles(self.verb, (part for part in self._own if lemma(part) != self.verb))
        return next((said for said in self.named if said.verb == self.verb), Sentence(self.verb, rest))

    @cached_property
    def rest(self) -> Form:
        """The text after the verb, from the description or else from title or name."""
        if self._said is not self._described:
            return self._name_rest
        text = re.sub(r" by (their|its) \w+", "", self._said.rest)
        text = re.sub(r"^(up|for|out) ", "", text) if self.verb in GETTING else text
        text = re.sub(
            r", (and|then|which|or returns) .*|;.*|, (?:all|the most) .*|,(?! [\w-]+(?:,| or| and) ).*", "", text
        )
        text = text if self.is_getter else re.sub(r" by \w+ing .*", "", text)
        text = re.sub(r" in (?:the|an?) (?:system|platform|database|application|app)$", "", text)
        text = re.sub(rf"\b(?:all|any) or {NAMED_ONES} | or (?:an? |the )?{NAMED_ONES} [\w-]+$", " ", text).strip()
        form = fill_slots(re.sub(r"  +", " ", text), self.tool, acting=not self.is_getter)
        form = Form(re.sub(OTHER_KIND, "", re.sub(ANYWHERE, "", form.text)))
        form = Form(UNNAMED.sub(lambda m: (m[1] and with_article(m[3])) or m[3], form.text))
        return self._set_to(
            Form(re.sub(rf" based on [^{{]*$|(?<=\}}) (?:or|and) [\w ]+?(?=$| (?:{PREPOSITION})\b)", "", form.text))
        )

    def _set_to(self, form: Form) -> Form:
        """`set the level of {robot}` → `… to {level}`: the text names what is set, and the value comes last."""
        start = SLOT.match(form.text)
        if self.verb in SETTING - {"update", "modify"} and start and len(self.tool.arguments) > 1:
            return Form(f"the {start[2]}{form.text[start.end() :]} to {{{start[1]}|one}}")
        return form

    @cached_property
    def _name_rest(self) -> Form:
        """`add_work_items_to_sprint` → `"{work_ids} to {sprint_id}"`, `set_level` → `"the level of {ticket}"`."""
        text = re.sub(r"^for ", "", self._name_said.rest) if self.verb in GETTING else self._name_said.rest
        needed = [argument for argument in self.tool.arguments if argument.required]
        if self.verb in SETTING and len(needed) == 2:
            whose, what = needed[0], " ".join(words(needed[1].name))
            thing = re.sub(r"^(?:the|an?) ", "", text).removesuffix(f" {what}")
            if text.endswith(f" {what}") and thing in labels(whose):
                return Form(f"the {what} of {{{whose.name}|{thing}}} to {{{needed[1].name}|one}}")
        noun = re.sub(r"^(?:the|an?) ", "", text)
        owner = next((argument for argument in needed if noun in labels(argument)), None)
        if self.is_getter and owner and not self.plural and not is_plural(noun):
            return Form(f"details of {{{owner.name}|{noun}}}")
        return fill_slots(text, self.tool, acting=not self.is_getter)

    @cached_property
    def is_getter(self) -> bool:
        """Whether the tool only returns something, so that its phrases are about what it returns."""
        place = self.verb == "search" and PLACE_SEARCHED.match(self._said.rest)
        return self.verb in GETTING - {"read", "query"} and not place and not is_nothing(self.tool.output)

    @cached_property
    def is_lookup(self) -> bool:
        """Whether the tool finds one thing by its name."""
        needed = [argument for argument in self.tool.arguments if argument.required]
        by_name = len(needed) == len(self.tool.arguments) == 1 and is_searched(needed[0])
        whole = not any("properties" in variant for variant in variants(self.tool.output))
        return self.is_getter and by_name and not self.plural and not is_plural(self.noun.text) and whole

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of things that a lookup can find: `part`, `user`, `customer`, or just its own."""
        text = " ".join(
            (first_sentence(self.tool.description), *(argument.description for argument in self.tool.arguments))
        ).lower()
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
        text = re.sub(rf"^(the|a|an|all|any)?\s*{LISTING}?(list|array|set|collection) of (?:the |all )?", "", text)
        text = re.sub(r"^(the|a|an|all|any|some) ", "", text)
        text = re.sub(rf"\b(an?) {GIVEN} (\w)", lambda m: f"{'an' if m[2] in 'aeio' else 'a'} {m[2]}", text)
        text = re.sub(r" (that|which) (are|is) (?=\w+ (to|by|with|in|for|of) \{)", " ", text)
        named = next((said for said in self.named if said.verb in GETTING), None)
        if named and Form(text).plain in self.shared:
            return fill_slots(re.sub(r"^(?:the|an?|for) ", "", named.rest), self.tool, acting=False)
        return Form(re.sub(rf" (?!that (?:are|is) )({RESTRICTION})\b(?!.*\{{).*|,(?!.*\{{).*", "", text))

    @cached_property
    def short(self) -> str:
        """The output in the words of the tool's name: `airport weather`; empty if these do not suit."""
        nouns = (re.sub(r"^(?:the|an?|for) ", "", said.rest) for said in self.named if said.verb in GETTING)
        if not self.is_getter or self.is_lookup or self.by_id:
            return ""
        return next((noun for noun in nouns if is_short(noun) and is_plural(noun) == is_plural(self.noun.text)), "")

    @cached_property
    def _result_noun(self) -> str:
        """The noun for the result of a tool that does something: `summary`, `tasks`."""
        prose = str(self.tool.output.get("description", "")).strip().lower()
        if prose:
            return bare_noun(prose).split(",")[0]
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
        text = re.sub(
            rf" ({RESTRICTION}|{PREPOSITION}|similar|related|attached|linked|available|accessible|changed|I)\b.*|,.*",
            "",
            text,
        )
        text = re.sub(
            r"^(?:the|an?|current|latest|active|available|new|created|matching|sorted|ranked) ", "", text
        ).strip()
        if text.split(" ")[-1] in OBJECTS | {"objects", "items", "results"} and not self.is_getter and self.plural:
            return ""
        return text

    @cached_property
    def is_me(self) -> bool:
        """Whether the tool returns the current user, who is `me` in a request."""
        return bool(
            re.match(r"(?:current|currently logged[ -]in|logged[ -]in|authenticated|calling) user\b", self.noun.text)
        )

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
        verbs = self._synonyms_of(self.verb) if " with " not in rest.text else (self.verb,)
        chosen = [name for name, values in self._choices.items() if " or ".join(values) == self.verb]
        if chosen and " or " in self.verb:  # `archive or unarchive a project` by an `action`
            verbs = (f"{{{chosen[0]}|{self.verb}}}",)
        texts = [
            rest.text,
            self._shortened(rest.text),
            re.sub(r"(?<=\}) in(?:to)? an? (?:short|concise|brief|clear|simple)\b.*", "", rest.text),
        ]
        forms = [Form(f"{verb} {text}") for verb in verbs for text in texts]
        lead = re.match(r"([a-z]+) (?=[a-z]+ (?:from|for|of|to) )", rest.text)
        if lead and lead[1].endswith("able"):  # `create tasks from …`
            forms += [Form(f"{verb} {rest.text[lead.end() :]}") for verb in verbs]
        deeds = word_lists()["deeds"]
        match = re.match(r"(?:(?:an?|the|new) )*(\w+) (?:of|for|about) ", rest.text) if self.verb in MAKING else None
        if match and match[1] in deeds:  # `generate a citation for a source`
            forms += [Form(f"{deeds[match[1]]} {rest.text[match.end() :]}")] * 2
        for said in self.named:
            form = self._name_rest if said.verb == self.verb else fill_slots(said.rest, self.tool, acting=True)
            usual = said is not self._from_name or (
                said.verb in {self.verb, *_synonyms(), *SAME} and self._is_told(said)
            )
            clear = usual and said.rest and set(form.slots) >= set(rest.slots)
            if clear and (NAMED.search(form.text) or not form.slots):
                forms += [Form(f"{verb} {form.text}") for verb in self._synonyms_of(said.verb)]
        return tuple(form for form in forms if form.plain not in self.shared) or tuple(forms)

    @cached_property
    def forms(self) -> tuple[Form, ...]:
        """What the phrases of the tool say, without values: nouns for what it returns, or clauses for what it does."""
        return (self.noun, Form(self.short)) if self.is_getter else self.clauses

    def _is_told(self, said: Sentence) -> bool:
        """Whether the description, if it says what the tool does, has the object that the name has."""
        thing = singular(said.rest.lower()).split(" ")[-1]
        return not self._described or thing in {singular(word) for word in words(self.tool.description)}

    def _shortened(self, text: str) -> str:
        """Without an explanation at the end (`an email to be sent to an audience`), if no other tool has the verb."""
        end = r" (?:and (?:is|has|can|\w+s)|to be|during|(?:for|at|of) an?|(?:in|from|on|of) the) [^{]*$"
        return text if self.verb in self.taken else re.sub(end, "", text)

    def _synonyms_of(self, verb: str) -> tuple[str, ...]:
        """The verb and its synonyms, except those that are another tool's verb."""
        synonyms = _synonyms().get(verb) or _synonyms().get(SAME.get(verb, verb), (verb,))
        free = tuple(other for other in synonyms if other.replace(" ", "") not in self.taken or other == verb)
        return free or (verb,)

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """Imperative verbs for a tool that returns something."""
        if self.noun.text.startswith("{"):
            return ("get", "get", "retrieve", "fetch", "show me", "look up", "pull up")
        kind = (
            "find"
            if self.is_lookup or self.verb == "search"
            else "list"
            if self.plural or is_plural(self.noun.text)
            else "get"
        )
        return _synonyms()[kind]


def _synonyms() -> dict[str, tuple[str, ...]]:
    synonyms: dict[str, tuple[str, ...]] = word_lists()["verbs"]
    return synonyms
