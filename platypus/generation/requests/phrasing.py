"""A plan as the request that somebody would write for it.

A request joins clauses, puts some steps inside others ("summarize the work items similar to TKT-4"), names what must
come first after what comes of it ("summarize them after finding …"), and points to earlier parts by pronoun or noun.
Every literal of the plan is in the request; a boolean is said by its modifier. A request determines its plan. How tools
and arguments are phrased is decided in `tool_phrases` and `argument_phrases`, how clauses and nouns are built in
`clauses` and `noun_phrases`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from platypus.catalogue.tools import Catalogue
from platypus.data.signatures import plan_literals
from platypus.generation.requests.clauses import Clauses
from platypus.generation.requests.discourse import Unsayable
from platypus.generation.requests.tool_phrases import ToolPhrases, pluralised
from platypus.generation.requests.writer_style import ASKING, WriterStyle, finish, mistyped, surround, voice
from platypus.plan.plan import Plan, Reference, Step, Value

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
    """A request, the plan that it asks for, and the request without sentences that ask for nothing."""

    request: str
    plan: Plan
    core: str


@dataclass(frozen=True)
class Phraser:
    """Requests for the plans of one catalogue.

    `typos` is the share of requests with a slip of the keyboard, `context` that with a sentence to no purpose.
    """

    catalogue: Catalogue
    typos: float = 0.0
    context: float = 0.06

    @cached_property
    def wordings(self) -> dict[str, ToolPhrases]:
        """How each tool can be spoken of."""
        verbs = {tool.name: ToolPhrases(tool).verb for tool in self.catalogue}
        counts = Counter(verbs.values())
        alone = {name: frozenset({verb} if counts[verb] == 1 else ()) for name, verb in verbs.items()}
        return {tool.name: ToolPhrases(tool, frozenset(counts) - alone[tool.name]) for tool in self.catalogue}

    def said(self, rng: Random, plan: Plan) -> PhrasedRequest | None:
        """One request for the plan, in one of many wordings; None when no clear one was found.

        Steps that do not need one another stand in the plan in the order in which the request names them.
        """
        together = _together(plan)
        for _ in range(8):
            try:
                core, spoken, mentioned = self._draw(rng, together)
            except Unsayable:
                continue
            if rng.random() < self.typos:
                core = mistyped(rng, core, [form for text in plan_literals(plan) for form in _forms(text)])
            again = range(len(together), len(plan))
            order = [k for i in mentioned for k in ((i, *again) if i == len(together) - 1 else (i,))]
            return PhrasedRequest(surround(core, spoken), reordered(plan, order), core)
        return None

    def request(self, rng: Random, plan: Plan) -> str | None:
        """The request of `said` alone."""
        said = self.said(rng, plan)
        return said.request if said else None

    def thing(self, rng: Random, plan: Plan) -> str | None:
        """What a plan of one look-up returns, as a noun: `the tickets owned by DEVU-4`."""
        request = Clauses(rng, plan, [self.wordings[step.tool] for step in plan], voice(rng, context=0), frozenset())
        try:
            return request.thing(0, ("the ", "all ", "all the "))
        except Unsayable:
            return None

    def _draw(self, rng: Random, plan: Plan) -> tuple[str, WriterStyle, list[int]]:
        wordings = [self.wordings[step.tool] for step in plan]
        spoken = voice(rng, context=self.context)
        request = Clauses(rng, plan, wordings, spoken, _nested(rng, plan, wordings))
        outside = [i for i in _mentioned(rng, plan) if i not in request.inside]
        mood = rng.random()
        text: str | None = None
        if len(outside) == 1 and mood < 0.3:
            text = request.question(outside[0]) if mood < 0.2 else request.terse(outside[0])
            request.bare = text is not None
        if text is None and len(outside) > 1 and mood < 0.12:
            text = _turned(request, outside)
        if text is None:
            text = _row(request, outside)
        return finish(rng, text, spoken, bare=request.bare), spoken, request.mentioned


def reordered(plan: Plan, mentioned: list[int]) -> Plan:
    """The same plan with its steps as early as they are mentioned, each after what it needs."""
    needed = plan.dependencies()
    rank = {step: place for place, step in reversed(list(enumerate(mentioned)))}
    order: list[int] = []

    def place(step: int) -> None:
        for earlier in sorted(needed[step], key=lambda k: rank.get(k, k)):
            place(earlier)
        if step not in order:
            order.append(step)

    for step in sorted(range(len(plan)), key=lambda k: rank.get(k, k)):
        place(step)
    if order == list(range(len(plan))):
        return plan
    moved = {step: new for new, step in enumerate(order)}

    def renumbered(value: Value) -> Value:
        if isinstance(value, list):
            return [renumbered(element) for element in value]
        return Reference(moved[value.step], value.path) if isinstance(value, Reference) else value

    steps = (plan.steps[step] for step in order)
    return Plan(tuple(Step(s.tool, {name: renumbered(value) for name, value in s.arguments.items()}) for s in steps))


def _together(plan: Plan) -> Plan:
    """The plan as it is said: one call at its end for several things, where there is a call for each of them."""
    if len(plan) < 2:
        return plan
    *earlier, last = plan.steps
    alike = [last]
    while earlier and earlier[-1].tool == last.tool and earlier[-1].arguments.keys() == last.arguments.keys():
        alike.insert(0, earlier.pop())
    differing = [name for name in last.arguments if any(step.arguments[name] != last.arguments[name] for step in alike)]
    values = [step.arguments[name] for name in differing[:1] for step in alike]
    if len(differing) != 1 or not all(isinstance(value, str) for value in values):
        return plan
    return Plan((*earlier, Step(last.tool, {**last.arguments, differing[0]: values})))


def _nested(rng: Random, plan: Plan, wordings: Sequence[ToolPhrases]) -> frozenset[int]:
    """The steps that are said inside the one that uses them."""
    uses = [sum(reference.step == i for step in plan for reference in step.references()) for i in range(len(plan))]
    nest = rng.choice((0.1, 0.5, 0.9))

    def chance(i: int) -> float:
        wording = wordings[i]
        if not wording.is_getter:
            return 0.25 if wording.nominal else 0.0
        return max(nest, 0.6) if not plan.steps[i].arguments or wording.is_lookup else nest

    return frozenset(i for i in range(len(plan)) if uses[i] == 1 and rng.random() < chance(i))


def _mentioned(rng: Random, plan: Plan) -> list[int]:
    """The steps in an order in which they can be said: mostly the plan's, else any that the data flow allows."""
    if rng.random() < 0.7:
        return list(range(len(plan)))
    needed = plan.dependencies()
    order: list[int] = []
    while len(order) < len(plan):
        order.append(rng.choice([i for i in range(len(plan)) if i not in order and needed[i] <= set(order)]))
    return order


def _row(request: Clauses, outside: list[int]) -> str:
    """Clauses one after the other."""
    rng, needed = request.rng, request.plan.dependencies()
    first = len(outside) > 2 and rng.random() < 0.1 and not request.spoken.polite
    text = request.clause(outside[0])
    for k, i in enumerate(outside[1:], 1):
        clause = request.clause(i)
        linked = bool(set(outside[:k]) & _reach(needed, i))
        joiner = rng.choice(
            LAST if k > 1 and k == len(outside) - 1 and rng.random() < 0.4 else THEN if linked else ALSO
        )
        if len(outside) > 2 and k < len(outside) - 1 and rng.random() < 0.4:
            joiner = ", "
        if joiner.startswith(".") and ASKING.match(request.spoken.polite) and "? " not in text:
            joiner = "?" + joiner[1:]
        text += joiner + clause
    return f"first, {text}" if first else text


def _turned(request: Clauses, outside: list[int]) -> str | None:
    """`after finding X and listing Y, summarize them`, `summarize … after listing …`, `once you have …, …`."""
    goal = outside[-1]
    if _reach(request.plan.dependencies(), goal) < set(outside[:-1]) or len(outside) > 3:
        return None
    earlier = [request.clause(i, ing=True) for i in outside[:-1]]
    led = " and ".join(earlier)
    clause = request.clause(goal)
    if request.rng.random() < 0.5 or re.search(r"\b(?:its?|them|their|these|those|this|that)\b", clause):
        request.bare = True
        return f"after {led}, {clause}"
    return f"{clause} after {led}"


def _reach(needed: Sequence[frozenset[int]], step: int) -> frozenset[int]:
    return needed[step].union(*(_reach(needed, i) for i in needed[step]))


def literals_said(plan: Plan, request: str) -> bool:
    """Whether the request mentions every literal of the plan but booleans, each as a word of its own, in any case.

    A word may stand in the plural: `the issues` names the type `issue`.
    """
    folded = request.casefold()
    return all(any(_stands_alone(form.casefold(), folded) for form in _forms(text)) for text in plan_literals(plan))


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
