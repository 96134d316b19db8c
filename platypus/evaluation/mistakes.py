"""What is wrong with a plan, in words that can be counted: mistakes, tools taken for others, kinds of values."""

from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest

from platypus.catalogue.tools import Catalogue
from platypus.evaluation.intervals import Ratio
from platypus.evaluation.metrics import argument_texts, whole_calls
from platypus.plan.equality import same
from platypus.plan.plan import Malformed, Plan, Reference, Step, Value

MISTAKES = (
    "malformed",
    "over-refusal",
    "over-call",
    "wrong tool",
    "missing step",
    "extra step",
    "wrong reference",
    "wrong value",
    "missing argument",
    "extra argument",
    "wrong order",
)
NO_TOOL = "(none)"


def mistakes(answer: Plan | Malformed, gold: Plan, catalogue: Catalogue) -> tuple[str, ...]:
    """The kinds of mistakes, in the order of MISTAKES; none for a plan that is exact.

    With other tools than gold's, steps are told; with the same tools, arguments. A reference in the place of a value,
    or the other way round, is a wrong reference.
    """
    if isinstance(answer, Malformed):
        return ("malformed",)
    if same(answer, gold, catalogue):
        return ()
    if not answer.steps or not gold.steps:
        return ("over-call",) if answer.steps else ("over-refusal",)
    confused = confusions(answer, gold)
    found = {
        "wrong tool": any(NO_TOOL not in pair for pair in confused),
        "missing step": any(pair[1] == NO_TOOL for pair in confused),
        "extra step": any(pair[0] == NO_TOOL for pair in confused),
    }
    if not confused:
        found |= _argument_mistakes(answer, gold, catalogue)
    if kinds := tuple(kind for kind in MISTAKES if found.get(kind)):
        return kinds
    ours, theirs = (Counter(whole_calls(plan, catalogue)) for plan in (answer, gold))
    return ("wrong order",) if ours == theirs else ("wrong value",)


def confusions(answer: Plan, gold: Plan) -> list[tuple[str, str]]:
    """(gold's tool, the tool called instead) for the calls that the plans do not share, NO_TOOL where there is none.

    The first missing call goes with the first superfluous one, and so on.
    """
    ours, theirs = ([step.tool for step in plan] for plan in (answer, gold))
    return [*zip_longest(_without(theirs, ours), _without(ours, theirs), fillvalue=NO_TOOL)]


def _without(tools: list[str], others: list[str]) -> list[str]:
    """The tools that the others lack, in order."""
    left = Counter(others)
    lacking = []
    for tool in tools:
        if left[tool]:
            left[tool] -= 1
        else:
            lacking.append(tool)
    return lacking


def _argument_mistakes(answer: Plan, gold: Plan, catalogue: Catalogue) -> dict[str, bool]:
    ours, theirs = (Counter(argument_texts(plan, catalogue)) for plan in (answer, gold))
    names = [Counter((tool, name) for tool, name, _ in texts.elements()) for texts in (ours, theirs)]
    differing = {text[:2] for text in ours - theirs} & {text[:2] for text in theirs - ours}
    referring = {(step.tool, name) for plan in (answer, gold) for step in plan for name in _referring(step)}
    return {
        "wrong reference": bool(differing & referring),
        "wrong value": bool(differing - referring),
        "missing argument": bool(names[1] - names[0]),
        "extra argument": bool(names[0] - names[1]),
    }


def _referring(step: Step) -> list[str]:
    return [name for name, value in step.arguments.items() if _kind(value, has_choice=False) == "reference"]


def argument_kinds(answer: Plan | Malformed, gold: Plan, catalogue: Catalogue) -> Mapping[str, Ratio]:
    """For each kind of value in gold's arguments: how many of them the answer has."""
    plan = answer if isinstance(answer, Plan) else Plan()
    left = Counter(argument_texts(plan, catalogue))
    values = [(step.tool, name, value) for step in gold for name, value in step.arguments.items()]
    kinds: dict[str, Ratio] = {}
    for (tool, name, value), text in zip(values, argument_texts(gold, catalogue), strict=True):
        hit = left[text] > 0
        left[text] -= hit
        known = catalogue.tool(tool)
        argument = known.argument(name) if known else None
        kind = _kind(value, has_choice=argument is not None and "enum" in argument.schema)
        hits, of = kinds.get(kind, Ratio(0, 0))
        kinds[kind] = Ratio(hits + hit, of + 1)
    return kinds


def _kind(value: Value, *, has_choice: bool) -> str:
    if any(isinstance(part, Reference) for part in (value if isinstance(value, list) else [value])):
        return "reference"
    if has_choice:
        return "one of a few"
    match value:
        case bool():
            return "yes or no"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"
