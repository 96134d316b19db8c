"""A plan as the request that somebody would write for it.

A request joins clauses, puts some steps inside others ("summarize the work items similar to TKT-4") and points to
earlier ones by pronoun or noun. Every literal of the plan is in the request, as it stands; a boolean is said by its
modifier. How each tool and argument is spoken of is `platypus.wording`'s matter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from platypus.catalogue import Argument, Catalogue, Tool
from platypus.literals import plural, words
from platypus.plan import Plan, Reference, Step, Value
from platypus.schema import allowed_values
from platypus.wording import POINTER, Form, Wording, modifiers, truth

BEFORE = ("", "", "", "", "please ", "can you ", "could you ", "I want to ", "I need to ", "help me ", "would you ")
THEN = (", then ", " and then ", ", and then ", ". Then ", " and ", ". After that, ", "; then ", ", and ")
ALSO = (". Also, ", " and also ", ". Separately, ", "; also ", ". Besides that, ")
SLOT = re.compile(r"\{(.*?)\|(.*?)\}")


class Unsayable(Exception):
    """This draw has no clear wording (two earlier steps would be called the same); draw again."""


@dataclass
class _Request:
    """One request in the making."""

    rng: Random
    plan: Plan
    wordings: Sequence[Wording]
    quote: str
    inside: frozenset[int]
    said: list[int]
    bare: bool = False  # a noun or a question instead of an imperative

    def value(self, value: Value, *, last: str = " and ") -> str:
        if isinstance(value, list):
            texts = [self.value(element) for element in value]
            return ", ".join(texts[:-1]) + (last if len(texts) > 1 else "") + texts[-1]
        if isinstance(value, Reference):
            return self.reference(value)
        if isinstance(value, dict):
            return ", ".join(f"{' '.join(words(key))} {self.value(element)}" for key, element in value.items())
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            loose = " " in value or self.rng.random() < 0.15
            return f"{self.quote}{value}{self.quote}" if loose or self.quote != '"' else value
        return str(value)

    def reference(self, reference: Reference) -> str:
        """An earlier step inside this one, or a pointer to it."""
        i = reference.step
        wording = self.wordings[i]
        field = f"the {' '.join(words(reference.path[-1]))} of " if reference.path else ""
        thing = re.match(r"(?:details|info|information) (?:of|about|for) (\{\w+\|([^}]*)\})", wording.noun.text)
        if i in self.inside and field and thing:
            return field + self.fill(Form(thing[1], wording.noun.slots), self.plan.steps[i])
        if i in self.inside:
            return field + self.inner(i)
        if field and thing:
            return field + self.rng.choice(("that ", "the ")) + thing[2]
        if self.said and self.said[-1] == i:
            many = ("them", "them", "these", "the results", "those")
            one = ("it", "it", "the result", "that")
            forms = many if wording.plural else one
            if not field and self.rng.random() < 0.7:
                return self.rng.choice(forms)
        nouns = [self.wordings[k].noun.text for k in self.said]
        noun = re.sub(POINTER, "", wording.noun.text).strip()
        if nouns.count(wording.noun.text) > 1 or not noun:
            raise Unsayable
        return f"{field}{self.rng.choice(('the', 'the', 'those' if wording.plural else 'that'))} {noun}"

    def inner(self, i: int) -> str:
        """What step i returns, for use inside another clause: `"me"`, `"the work items owned by DEVU-1"`."""
        wording, step = self.wordings[i], self.plan.steps[i]
        single = len(step.arguments) == 1 and not wording.plural and wording.verb in ("find", "search", "look", "get")
        if single and not wording.noun.slots and wording.is_getter:
            value = self.value(next(iter(step.arguments.values())))
            return value if self.rng.random() < 0.7 else f"the {_short(wording.noun.text)} {value}"
        if re.search(r"\bcurrent user\b|\blogged[ -]in user\b", wording.noun.text) and self.rng.random() < 0.7:
            return "me"
        return self.thing(i, ("the ", "the ", "the ", "all ", "all the ", ""))

    def thing(self, i: int, articles: Sequence[str]) -> str:
        """What step i returns with everything that its arguments say, before or after the noun."""
        wording, step = self.wordings[i], self.plan.steps[i]
        article = self.rng.choice(articles) if wording.plural else "the "
        noun, before, after = wording.noun.text, "", []
        for name in [name for name in step.arguments if name not in wording.noun.slots]:
            argument, value = _argument(wording.tool, name), step.arguments[name]
            text = self.modifier(argument, value)
            word = value[0] if isinstance(value, list) and len(value) == 1 else value
            choice = isinstance(word, str) and allowed_values(argument.schema.get("items", argument.schema))
            if choice and words(name)[-1] in ("type", "kind") and not wording.noun.slots and self.rng.random() < 0.7:
                noun = plural(str(word)) if wording.plural else str(word)
            elif choice and not before and not wording.noun.slots and self.rng.random() < 0.4:
                before = f"{word} "
            elif text in ("owned by me", "assigned to me") and not before and self.rng.random() < 0.5:
                article, before = "", "my "
            else:
                after.append(text)
        filled = self.fill(Form(noun, wording.noun.slots), step)
        return f"{article}{before}{filled} {self.joined(after)}".rstrip()

    def joined(self, modifiers: list[str]) -> str:
        self.rng.shuffle(modifiers)
        return (" and " if self.rng.random() < 0.6 else " ").join(modifiers)

    def fill(self, form: Form, step: Step) -> str:
        """The form with its slots filled from the step's arguments."""
        values = {name: self.value(step.arguments[name]) for name in form.slots if name in step.arguments}
        if len(values) < len(form.slots):
            raise Unsayable
        return SLOT.sub(lambda slot: self.slot(values[slot[1]], step.arguments[slot[1]], slot[2]), form.text)

    def slot(self, text: str, value: Value, noun: str) -> str:
        """An id may stand alone or after its noun: `"ISS-4"`, `"work item ISS-4"`."""
        first = value[0] if isinstance(value, list) and value else value
        bare = isinstance(first, Reference) or noun in ("one", "text") or self.rng.random() < 0.6
        if bare:
            return text
        return f"{noun if isinstance(value, list) and len(value) > 1 else _singular(noun)} {text}"

    def modifier(self, argument: Argument, value: Value) -> str:
        if isinstance(value, bool):
            return self.rng.choice(truth(argument, value))
        last = self.rng.choice((" and ", " and ", " or ", ", ")) if not argument.required else " and "
        return self.rng.choice(modifiers(argument)).format(self.value(value, last=last))

    def clause(self, i: int) -> str:
        wording, step = self.wordings[i], self.plan.steps[i]
        if not wording.is_getter:
            form = self.rng.choice(wording.clauses)
            rest = [name for name in step.arguments if name not in form.slots]
            after = [self.modifier(_argument(wording.tool, name), step.arguments[name]) for name in rest]
            text = f"{self.fill(form, step)} {self.joined(after)}".rstrip()
        elif wording.plural and len(self.plan) == 1 and self.rng.random() < 0.15:
            self.bare = True
            text = self.rng.choice(("what are ", "which are ", "")) + self.thing(i, ("the ", "all ", "all the "))
        else:
            text = f"{self.rng.choice(wording.verbs)} {self.thing(i, ('', '', 'all ', 'the ', 'all the '))}"
        self.said.append(i)
        return text


def _argument(tool: Tool, name: str) -> Argument:
    argument = tool.argument(name)
    assert argument is not None  # the plan is valid
    return argument


def _singular(noun: str) -> str:
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def _short(noun: str) -> str:
    return noun.split()[-1] if noun else "item"


@dataclass(frozen=True)
class Phraser:
    """Requests for the plans of one catalogue."""

    catalogue: Catalogue

    @cached_property
    def _wordings(self) -> dict[str, Wording]:
        return {tool.name: Wording(tool) for tool in self.catalogue}

    def request(self, rng: Random, plan: Plan) -> str | None:
        """One request for the plan, in one of many wordings; None when no clear one was found."""
        for _ in range(8):
            try:
                return self._draw(rng, plan)
            except Unsayable:
                continue
        return None

    def _draw(self, rng: Random, plan: Plan) -> str:
        wordings = [self._wordings[step.tool] for step in plan]
        uses = [sum(i in needed for needed in plan.dependencies()) for i in range(len(plan))]
        nest = rng.choice((0.15, 0.5, 0.9))
        inside = frozenset(
            i
            for i, wording in enumerate(wordings)
            if uses[i] == 1
            and wording.is_getter
            and rng.random() < (max(nest, 0.8) if not plan.steps[i].arguments else nest)
        )
        request = _Request(rng, plan, wordings, rng.choice(("'", '"', "", "")), inside, [])
        clauses = [(i, request.clause(i)) for i in range(len(plan)) if i not in inside]
        text = clauses[0][1]
        for k, (i, clause) in enumerate(clauses[1:], 1):
            linked = {clauses[k - 1][0]} & _reach(plan, i)
            joiner = rng.choice(THEN if linked or k < len(clauses) else ALSO)
            text += joiner + (clause[:1].upper() + clause[1:] if joiner.endswith(". ") else clause)
        return _finish(rng, text, "" if request.bare else rng.choice(BEFORE))


def _reach(plan: Plan, step: int) -> set[int]:
    needed = set(plan.dependencies()[step])
    return needed.union(*(_reach(plan, i) for i in needed))


def _finish(rng: Random, text: str, before: str) -> str:
    if before.startswith(("I ", "help")):
        text = re.sub(r"^(show|give) me", "get", text)
    asked = before.startswith(("can", "could", "would")) or text.startswith(("what ", "which "))
    text = before + text
    if rng.random() < 0.85:
        text = text[:1].upper() + text[1:]
    return text + ("?" if asked else rng.choice((".", ".", "", " please." if not before else ".")))


def literals_said(plan: Plan, request: str) -> bool:
    """Whether the request mentions every literal of the plan but booleans, letter for letter."""
    return all(text in request for step in plan for value in step.arguments.values() for text in _texts(value))


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for element in value for text in _texts(element)]
    if isinstance(value, dict):
        return [text for element in value.values() for text in _texts(element)]
    return [] if value is None or isinstance(value, bool | Reference) else [str(value)]
