"""A plan as a request that a person might write for it.

A request joins clauses, nests some steps in others ("summarize the work items similar to TKT-4"), can mention a later
step first ("summarize them after finding …"), and refers back to earlier parts by pronoun or noun. It contains every
literal of the plan, with a phrase for each boolean, and determines the plan. `tool_phrases.py` and
`argument_phrases.py` decide how tools and arguments are phrased, `clauses.py` and `noun_phrases.py` build clauses and
noun phrases.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import TypeVar

from platypus.catalogue.schema import variants
from platypus.catalogue.tools import Catalogue
from platypus.catalogue.words import pluralised
from platypus.data.signatures import plan_literals
from platypus.generation.plans.kinds import is_command
from platypus.generation.requests.clauses import Clauses
from platypus.generation.requests.discourse import Unsayable
from platypus.generation.requests.tool_phrases import ToolPhrases
from platypus.generation.requests.tool_sentences import own_words
from platypus.generation.requests.writer_style import ASKING, WriterStyle, draw_style, finish, mistyped, surround
from platypus.plan.plan import Plan, Step, Value

Said = TypeVar("Said", bound=Hashable)
MOST_WORDS = 40  # beside values; nobody writes longer requests
THEN = (
    ", then ",
    " and then ",
    ", and then ",
    ". Then ",
    ", and ",
    ". After that, ",
    "; then ",
    " and ",
    " and ",
    ", then ",
)
ALSO = (" and ", ". Also, ", " and also ", ". Separately, ", ", and ", ". Besides that, ", ". Also ", " and ")
LAST = (". Finally, ", ", and finally ", ", and ", ", then ")


@dataclass(frozen=True)
class PhrasedRequest:
    """A request, its plan, and the `core` of the request: without the sentences of context."""

    request: str
    plan: Plan
    core: str


@dataclass(frozen=True)
class Phraser:
    """Writes requests for plans of one catalogue.

    `typos` is the share of requests with a typing error, `context` the share with a sentence that asks for nothing.
    """

    catalogue: Catalogue
    typos: float = 0.0
    context: float = 0.06

    @cached_property
    def wordings(self) -> dict[str, ToolPhrases]:
        """The phrases for each tool, by its name."""
        shared = _repeated((form.plain for form in phrases.forms) for phrases in self._beside.values())
        return {name: replace(phrases, shared=shared) if shared else phrases for name, phrases in self._beside.items()}

    @cached_property
    def _beside(self) -> dict[str, ToolPhrases]:
        """The phrases for each tool beside the others, also those that several tools have."""
        own = own_words(tool.name for tool in self.catalogue)
        alone = {tool.name: ToolPhrases(tool, own=own[tool.name]) for tool in self.catalogue}
        verbs = Counter(phrases.verb for phrases in alone.values())
        unclear = _repeated(phrases.named for phrases in alone.values())
        return {
            name: replace(
                phrases, taken=frozenset(v for v in verbs if v != phrases.verb or verbs[v] > 1), unclear=unclear
            )
            for name, phrases in alone.items()
        }

    @cached_property
    def _twins(self) -> dict[tuple[str, str], bool]:
        """The arguments that differ from another tool's only in how many values they take, and whether those are many.

        `path` of `read_file` and `paths` of `read_files`: both tools say "read file X".
        """
        said: dict[tuple[str, int], dict[tuple[str, str], bool]] = {}
        for name, phrases in self._beside.items():
            many = {a.name: next(variants(a.schema)).get("type") == "array" for a in phrases.tool.arguments}
            for form in phrases.forms:
                for place, slot in enumerate(form.slots):
                    said.setdefault((form.of_one, place), {})[name, slot] = many[slot]
        alike = (arguments for arguments in said.values() if len(set(arguments.values())) > 1)
        return {argument: many for arguments in alike for argument, many in arguments.items()}

    def _is_unclear(self, plan: Plan) -> bool:
        """Whether the request would be one for another tool: one file for `read_files`, or two for `read_file`."""
        return any(
            isinstance(value, list) and self._twins.get((step.tool, name)) == (len(value) == 1)
            for step in plan
            for name, value in step.arguments.items()
        )

    def phrase(self, rng: Random, plan: Plan) -> PhrasedRequest | None:
        """Draw one of many requests for the plan; None when no clear one was found.

        The returned plan has independent steps in the order in which the request mentions them.
        """
        apart = _with_commands(plan)
        if self._is_unclear(apart):
            return None
        merged = _merge_calls(apart)
        if self._is_unclear(merged):
            merged = apart
        for _ in range(8):
            try:
                core, style, mentions = self._draw(rng, merged)
            except Unsayable:
                continue
            if _wordiness(core, plan) > MOST_WORDS:
                continue
            if rng.random() < self.typos:
                core = mistyped(rng, core, [form for text in plan_literals(plan) for form in _forms(text)])
            repeated_steps = range(len(merged), len(plan))
            order = [k for i in mentions for k in ((i, *repeated_steps) if i == len(merged) - 1 else (i,))]
            return PhrasedRequest(surround(core, style), reordered(plan, order), core)
        return None

    def request(self, rng: Random, plan: Plan) -> str | None:
        """Return only the request of `phrase`."""
        phrased = self.phrase(rng, plan)
        return phrased.request if phrased else None

    def thing(self, rng: Random, plan: Plan) -> str | None:
        """Draw a noun phrase for the output of a one-step plan: `the tickets owned by DEVU-4`."""
        wordings = [self.wordings[step.tool] for step in plan]
        request = Clauses(rng, plan, wordings, draw_style(rng, context=0), frozenset())
        try:
            return request.thing(0, ("the ", "all ", "all the "))
        except Unsayable:
            return None

    def _draw(self, rng: Random, plan: Plan) -> tuple[str, WriterStyle, list[int]]:
        wordings = [self.wordings[step.tool] for step in plan]
        style = draw_style(rng, context=self.context)
        request = Clauses(rng, plan, wordings, style, _nested(rng, plan, wordings))
        outside = [i for i in _mention_order(rng, plan) if i not in request.inside]
        mood = rng.random()
        text: str | None = None
        if len(outside) == 1 and mood < 0.24:
            text = request.question(outside[0]) if mood < 0.16 else request.terse(outside[0])
            request.bare = text is not None
        if text is None and len(outside) > 1 and mood < 0.12:
            text = _goal_with_gerunds(request, outside)
        if text is None:
            text = _clause_row(request, outside)
        return finish(rng, text, style, bare=request.bare), style, request.mentions


def _repeated(groups: Iterable[Iterable[Said]]) -> frozenset[Said]:
    """What is in more than one of the groups."""
    counts = Counter(one for group in groups for one in set(group))
    return frozenset(one for one, count in counts.items() if count > 1)


def _wordiness(text: str, plan: Plan) -> int:
    """The number of words that are no part of a value."""
    return len(text.split()) - sum(len(literal.split()) for literal in plan_literals(plan))


def reordered(plan: Plan, mentions: list[int]) -> Plan:
    """Return the same plan with its steps in the order of mention, each after the steps that it uses."""
    dependencies = plan.dependencies()
    rank = {step: place for place, step in reversed(list(enumerate(mentions)))}
    order: list[int] = []

    def place(step: int) -> None:
        for earlier in sorted(dependencies[step], key=lambda k: rank.get(k, k)):
            place(earlier)
        if step not in order:
            order.append(step)

    for step in sorted(range(len(plan)), key=lambda k: rank.get(k, k)):
        place(step)
    if order == list(range(len(plan))):
        return plan
    new_index = {step: new for new, step in enumerate(order)}
    return Plan(tuple(plan.steps[step].renumbered(new_index.__getitem__) for step in order))


def _merge_calls(plan: Plan) -> Plan:
    """The plan as it is phrased: calls of one tool at its end that differ in one value become one call."""
    if len(plan) < 2:
        return plan
    *earlier, last = plan.steps
    repeated = [last]
    while earlier and earlier[-1].tool == last.tool and earlier[-1].arguments.keys() == last.arguments.keys():
        repeated.insert(0, earlier.pop())
    differing = [
        name for name in last.arguments if any(step.arguments[name] != last.arguments[name] for step in repeated)
    ]
    values = [step.arguments[name] for name in differing[:1] for step in repeated]
    if len(differing) != 1 or not all(isinstance(value, str) for value in values):
        return plan
    return Plan((*earlier, Step(last.tool, {**last.arguments, differing[0]: values})))


def _with_commands(plan: Plan) -> Plan:
    """The plan as it is phrased: each command in one text, `["ls", "-la"]` as `ls -la`."""

    def said(name: str, value: Value) -> Value:
        parts = value if isinstance(value, list) and is_command(name) else []
        texts = [part for part in parts if isinstance(part, str)]
        return " ".join(texts) if texts and texts == parts else value

    return Plan(
        tuple(Step(step.tool, {name: said(name, value) for name, value in step.arguments.items()}) for step in plan)
    )


def _nested(rng: Random, plan: Plan, wordings: Sequence[ToolPhrases]) -> frozenset[int]:
    """The steps that are phrased inside the step that uses them."""
    uses = [sum(reference.step == i for step in plan for reference in step.references()) for i in range(len(plan))]
    nest = rng.choice((0.1, 0.5, 0.9))

    def chance(i: int) -> float:
        wording = wordings[i]
        if not wording.is_getter:
            return 0.25 if wording.nominal else 0.0
        return max(nest, 0.6) if not plan.steps[i].arguments or wording.is_lookup else nest

    return frozenset(i for i in range(len(plan)) if uses[i] == 1 and rng.random() < chance(i))


def _mention_order(rng: Random, plan: Plan) -> list[int]:
    """An order in which the steps can be mentioned: mostly the plan's, otherwise any that the data flow allows."""
    if rng.random() < 0.7:
        return list(range(len(plan)))
    dependencies = plan.dependencies()
    order: list[int] = []
    while len(order) < len(plan):
        order.append(rng.choice([i for i in range(len(plan)) if i not in order and dependencies[i] <= set(order)]))
    return order


def _clause_row(request: Clauses, outside: list[int]) -> str:
    """Clauses joined one after another."""
    rng, dependencies = request.rng, request.plan.dependencies()
    first = len(outside) > 2 and rng.random() < 0.1 and not request.style.polite
    text = request.clause(outside[0])
    for k, i in enumerate(outside[1:], 1):
        clause = request.clause(i)
        depends = bool(set(outside[:k]) & _reach(dependencies, i))
        joiner = rng.choice(
            LAST if k > 1 and k == len(outside) - 1 and rng.random() < 0.4 else THEN if depends else ALSO
        )
        if len(outside) > 2 and k < len(outside) - 1 and rng.random() < 0.4:
            joiner = ", "
        if joiner.startswith(".") and ASKING.match(request.style.polite) and "? " not in text:
            joiner = "?" + joiner[1:]
        text += joiner + clause
    return f"first, {text}" if first else text


def _goal_with_gerunds(request: Clauses, outside: list[int]) -> str | None:
    """The last step with the others as gerunds: `after finding X and listing Y, summarize them`, or the reverse."""
    goal = outside[-1]
    if _reach(request.plan.dependencies(), goal) < set(outside[:-1]) or len(outside) > 3:
        return None
    earlier = [request.clause(i, ing=True) for i in outside[:-1]]
    gerunds = " and ".join(earlier)
    clause = request.clause(goal)
    if request.rng.random() < 0.5 or re.search(r"\b(?:its?|them|their|these|those|this|that)\b", clause):
        request.bare = True
        return f"after {gerunds}, {clause}"
    return f"{clause} after {gerunds}"


def _reach(dependencies: Sequence[frozenset[int]], step: int) -> frozenset[int]:
    return dependencies[step].union(*(_reach(dependencies, i) for i in dependencies[step]))


def literals_said(plan: Plan, request: str) -> bool:
    """Whether the request contains every literal of the plan except booleans, as separate words, in any case.

    A word may be in the plural: `the issues` contains the type `issue`.
    """
    lowered = request.casefold()
    return all(any(_stands_alone(form.casefold(), lowered) for form in _forms(text)) for text in plan_literals(plan))


def _forms(text: str) -> tuple[str, ...]:
    return (text, pluralised(text, many=True)) if text.isalpha() and text.islower() else (text,)


def _stands_alone(text: str, request: str) -> bool:
    start = request.find(text)
    while start >= 0:
        around = request[start - 1 : start] + request[start + len(text) : start + len(text) + 1]
        if not any(letter.isalnum() for letter in around):
            return True
        start = request.find(text, start + 1)
    return False
