"""How the tools and arguments of a catalogue can be spoken of, from their own names and descriptions.

A tool gets clauses ("add {work_ids|work items} to {sprint_id|sprint}") and a noun for what it returns ("work items
similar to {work_id|work item}"); an argument gets modifiers ("owned by {}"). No tool is special-cased.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from platypus.catalogue import Argument, Tool
from platypus.literals import words
from platypus.sampler import likely_output
from platypus.schema import allowed_values, is_nothing, variants

GETTING = {
    *("get", "return", "retrieve", "list", "find", "fetch", "show", "search", "look", "lookup"),
    *("query", "read", "tell", "give", "provide", "display", "view", "obtain"),
}
SYNONYMS = {
    "get": ("get", "fetch", "retrieve", "find", "look up", "show me", "give me"),
    "list": ("list", "show", "find", "get", "show me", "give me", "pull up"),
    "find": ("find", "search for", "look for", "look up", "locate", "get"),
    "create": ("create", "make", "add", "set up"),
    "delete": ("delete", "remove", "get rid of"),
    "update": ("update", "change", "edit", "modify"),
    "add": ("add",),
    "send": ("send", "deliver"),
    "summarize": ("summarize", "sum up", "give me a summary of", "write a summary of"),
    "prioritize": ("prioritize", "rank"),
    "close": ("close", "shut"),
    "assign": ("assign", "hand over"),
    "cancel": ("cancel", "call off"),
    "calculate": ("calculate", "work out", "compute"),
    "schedule": ("schedule", "plan", "set up"),
}
SAME = {"retrieve": "get", "fetch": "get", "return": "get", "search": "find", "remove": "delete", "make": "create"}
DULL = {"the", "a", "an", "this", "if", "when", "use", "given", "for", "with", "in"}
PREPOSITION = "by|to|with|for|from|in|on|of|under|at|as|about|into|between|before|after|since|until"
RESTRICTION = "matching|based on|that|filtered|according to|using|given|where|which"
POINTER = rf"(?: that| which)?(?: similar| related| called| named| \w+ed| \w+ing)?(?: (?:{PREPOSITION}))? \{{.*"


@dataclass(frozen=True)
class Form:
    """A phrase with slots for arguments: `"add {work_ids} to {sprint_id}"`."""

    text: str
    slots: tuple[str, ...]


def lemma(verb: str) -> str:
    """`Adds` → `add`, `Searches` → `search`, `Applies` → `apply`."""
    verb = verb.lower()
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if re.search(r"(ch|sh|ss|x|zz)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def _labels(argument: Argument) -> list[str]:
    """What a text may call the argument's value: by its domain type, its name, its description's first noun."""
    name = [word for word in words(argument.name) if word not in ("id", "ids", "name", "names", "list", "key")]
    kind = argument.schema.get("items", argument.schema).get("format", "")
    told = re.match(
        rf"(?:the |an? )?(?:(?:list|ids?|names?) of )?(?:the |an? )?((?:(?!(?:{PREPOSITION}|that|which) )[\w-]+ ?)+)",
        argument.description.lower(),
    )
    found = [
        " ".join(words(kind.removesuffix("id"))),
        " ".join(name or words(argument.name)),
        told[1].strip() if told else "",
    ]
    found += [found[1].split(" ")[0] + " item"] if found[1] else []
    singles = [re.sub(r"( ids?| names?)$", "", label).removesuffix("s") for label in found if label]
    return sorted(set(singles), key=len, reverse=True)


def _fill_slots(text: str, tool: Tool, *, acting: bool) -> Form:
    """`"the given work items to the sprint"` → `"{work_ids|work items} to {sprint_id|sprint}"`.

    A text that says what is returned (not `acting`) has slots only where it says "given".
    """
    slots: list[str] = []
    some = r"(?:(?:the|an?|any|all|some|each|every|new) )*(?:list of |set of )?(?:the )?"
    for argument in tool.arguments:
        noun = rf"(?:{'|'.join(map(re.escape, _labels(argument)))})(?:s|es)?\b(?: ids?| names?)?(?![^{{]*\}})"
        found = re.search(rf"{some}(?:given|provided|specified) {noun}", text)
        if not found and not acting and argument.required:
            found = re.search(rf"(?<= (?:of|to) )(?:the|an?) {noun}", text)
        if not found and acting:
            every = list(re.finditer(rf"(?:(?<=^)|(?<= )){some}{noun}", text))
            found = every[-1] if every else None
        if not found and argument.required and sum(a.required for a in tool.arguments) == 1:
            found = re.search(r"(?:the |an? )?(?:given|provided|specified) (?!\{)\w+", text)
        if found:
            bare = re.sub(
                r"^((the|an?|any|all|some|each|every|given|provided|specified|list of|set of) )+", "", found[0]
            )
            text = f"{text[: found.start()]}{{{argument.name}|{bare}}}{text[found.end() :]}"
            slots.append(argument.name)
    return Form(text, tuple(slots))


def _clean(noun: str) -> str:
    noun = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of ", "", noun)
    noun = re.sub(r"^(the|a|an|all|any) ", "", noun)
    noun = re.sub(r"\s*\(.*?\)", "", noun)
    return re.sub(rf" ({RESTRICTION}|{PREPOSITION}|,).*", "", noun)


@dataclass(frozen=True)
class Wording:
    """How one tool can be spoken of."""

    tool: Tool

    @cached_property
    def _sentence(self) -> str:
        text = re.split(r"(?<=[a-z)])\. |\.$", self.tool.description)[0].strip()
        return text[:1].lower() + text[1:]

    @cached_property
    def verb(self) -> str:
        """The main verb: the description's, unless it only says what comes back while the name says what is done."""
        first = lemma(self._sentence.split(" ", 1)[0])
        known = [lemma(word) for word in words(self.tool.name) if lemma(word) in {*SYNONYMS, *GETTING, *SAME}]
        if first in GETTING and known and known[0] not in GETTING:
            return known[0]
        if re.fullmatch(r"[a-z]+", first) and first not in DULL:
            return first
        return known[0] if known else lemma(words(self.tool.name)[0])

    @cached_property
    def _rest(self) -> Form:
        """What follows the verb, in the description or else in the name."""
        parts = self._sentence.split(" ", 1)
        if len(parts) < 2 or lemma(parts[0]) != self.verb:
            return self._name_rest
        parts[1] = re.sub(r"^(up|for) ", "", re.sub(r" by (their|its) \w+", "", parts[1]))
        text = re.sub(r", (and|then|which|or returns) .*|;.*|,(?! [\w-]+ (?:or|and) ).*", "", parts[1])
        return _fill_slots(text, self.tool, acting=not self.is_getter)

    @cached_property
    def _name_rest(self) -> Form:
        """`add_work_items_to_sprint` → `"{work_ids} to {sprint_id}"`."""
        parts = words(self.tool.name)
        text = " ".join(parts[1:] if lemma(parts[0]) == self.verb else [p for p in parts if lemma(p) != self.verb])
        return _fill_slots(text, self.tool, acting=not self.is_getter)

    @cached_property
    def is_getter(self) -> bool:
        """Whether the tool is a look-up, spoken of by what it returns."""
        return self.verb in GETTING and not is_nothing(self.tool.output)

    @cached_property
    def noun(self) -> Form:
        """What the output is called: `"work items similar to {work_id}"`, `"current sprint"`, `"summary"`."""
        if not self.is_getter:
            prose = str(self.tool.output.get("description", "")).strip().lower()
            return Form(_clean(prose).split(",")[0] or _noun_of(self.verb, self._name_rest.text), ())
        text = re.sub(r"(?i)^(the |an? )?(ids?|names?) (of|for) ", "", self._rest.text)
        text = re.sub(r" by \w+$", "", text)
        text = re.sub(r"^(the|a|an|all|any)?\s*(list|array|set|collection) of (?:the )?", "", text)
        text = re.sub(r"^(the|a|an|all|any) ", "", text)
        text = re.sub(r" (that|which) (are|is) (?=\w+ (to|by|with|in|for|of) \{)", " ", text)
        if "{" not in text:
            text = re.sub(rf" ({RESTRICTION}|,).*", "", text)
        return Form(text, tuple(slot for slot in self._rest.slots if f"{{{slot}|" in text))

    @cached_property
    def plural(self) -> bool:
        """Whether the output is many things."""
        return any(variant.get("type") == "array" for variant in variants(likely_output(self.tool)))

    @cached_property
    def verbs(self) -> tuple[str, ...]:
        """Imperatives that ask for what a look-up returns."""
        kind = "find" if self.verb in ("find", "search", "look") else "list" if self.plural else "get"
        return SYNONYMS[kind]

    @cached_property
    def clauses(self) -> tuple[Form, ...]:
        """Imperatives of a tool that does something: from the description and from the name."""
        rest = self._rest
        verbs = SYNONYMS.get(SAME.get(self.verb, self.verb), (self.verb,))
        forms = [Form(f"{verb} {rest.text}", rest.slots) for verb in verbs]
        first = words(self.tool.name)[0]
        named = self._name_rest
        if lemma(first) in {*SYNONYMS, *SAME, self.verb} and len(named.slots) >= len(rest.slots):
            forms.append(Form(f"{self.verb} {named.text}" if lemma(first) == self.verb else named.text, named.slots))
        return tuple(forms)


def _noun_of(verb: str, rest: str) -> str:
    if verb == "summarize":
        return "summary"
    if verb in ("translate", "convert", "calculate", "compute", "generate"):
        return {"translate": "translation", "convert": "conversion"}.get(verb, "result")
    first, _, after = rest.partition(" ")
    named = after if lemma(first) in SYNONYMS else rest  # `prioritize_objects` described as "sorts …"
    return re.sub(rf" ({PREPOSITION}|,) .*|\{{.*", "", named).strip() or "results"


# ---------------------------------------------------------------- arguments


def modifiers(argument: Argument) -> tuple[str, ...]:
    """Ways to say an argument after a noun, `{}` standing for its value: `"owned by {}"`, `"with stage {}"`."""
    parts = words(argument.name)
    kept = [part for part in parts if part not in ("id", "ids", "name", "names")] or parts
    noun = " ".join(kept)
    short = kept[-1]
    if parts[-1] in PREPOSITION.split("|"):
        return (f"{' '.join(parts)} {{}}",)
    found = []
    prose = re.search(
        rf"\b((?:\w+ed |\w+ing )?(?:{PREPOSITION})) (?:any of |one of )?(?:the |these |those )?"
        r"(?:provided |given |specified )?(\w+)[\w ]*?(?: by name)?$",
        argument.description.lower().rstrip("."),
    )
    if prose and prose[2].removesuffix("s") in {part.removesuffix("s") for part in parts}:
        found = [f"{prose[1]} {prose[2].removesuffix('s')} {{}}", f"{prose[1]} {{}}"]
    elif prose and re.search(r"(ed|ing) ", prose[1]):
        found = [f"{prose[1]} {{}}"]
    if argument.required and parts[-1] in ("query", "name", "title", "subject", "keyword"):
        return ("named {}", "called {}", "{}", "for {}", f"with {noun} {{}}")
    if argument.required and parts[-1] in ("text", "body", "content", "message", "comment"):
        return ("saying {}", f"with {noun} {{}}", f"with the {noun} {{}}", "that says {}")
    if argument.required:
        return (*found, "for {}", f"for {noun} {{}}", f"with {noun} {{}}", f"with {{}} as the {noun}")
    if parts[0] in ("max", "limit", "count", "top") or parts[-1] in ("limit", "count"):
        return ("limited to {}", "up to {}", "(at most {})", f"with a {noun} of {{}}")
    if prose and prose[1] == "in":
        found = [f"in the {{}} {short}", f"in {short} {{}}"]
    found += [f"with {{}} {short}"] if allowed_values(argument.schema.get("items", argument.schema)) else []
    return (*found, f"with {noun} {{}}", f"with {short} {{}}", f"whose {noun} is {{}}", f"with {{}} as the {noun}")


def truth(argument: Argument, value: bool) -> tuple[str, ...]:
    """A boolean after a noun: `"that need a response"`, `"including archived"`, `"with dry run off"`."""
    parts = words(argument.name)
    plain = [part for part in parts if part not in ("is", "has", "should", "include", "with", "only")]
    noun = " ".join(plain or parts)
    if "needs" in parts:
        thing = " ".join(parts[parts.index("needs") + 1 :])
        yes = (f"that need a {thing}", f"needing a {thing}", f"that need {thing}")
        return yes if value else (f"that do not need a {thing}", f"that need no {thing}")
    if "include" in parts:
        return (f"including {noun}", f"with {noun}") if value else (f"excluding {noun}", f"without {noun}")
    on = (f"with {noun} on", f"with {noun} set to true", f"that are {noun}")
    return on if value else (f"with {noun} off", f"with {noun} set to false", f"that are not {noun}")
