"""Evidence: what an answer shows of its own rightness, in features that mean the same for any catalogue.

They come from the model (how likely the plan is, how many of its decisions were uncertain), from the other plans that
were found, and from the values in request and plan. None needs the right plan, torch or scikit-learn.
"""

import re
from collections.abc import Sequence
from math import inf, log

from platypus.data.signatures import plan_literals
from platypus.decoding.results import DecodedPlan
from platypus.plan.plan import Malformed, Plan
from platypus.prompt.markers import named_values

FEATURES = (
    "logit",  # of the plan's probability
    "uncertain",  # decisions of less than 90%
    "margin",  # log-ratio to the second plan, or to all that is not known
    "unfound",  # the probability of all plans that were not found
    "unused",  # values that the request names and the plan lacks
    "unused_numbers",  # numbers likewise
    "invented",  # values of the plan that are not in the request
    "words",  # log of the request's length
    "refusal",
    "generated",  # whether the request is from the generator: those are easier than what people ask
)
MISSING_VALUE_COST = 2.0  # log-probability that a plan of a beam loses for each value of the request that it lacks
LEAST = 1e-9  # probabilities are kept this far from 0 and 1
FARTHEST = 8.0  # a log-ratio beyond this says no more
UNCERTAIN = -0.105  # log of 0.9
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])")

Rival = tuple[Plan | Malformed, float]  # another plan, and its probability


def logit(probability: float) -> float:
    """The log-odds of a probability."""
    clipped = min(max(probability, LEAST), 1 - LEAST)
    return log(clipped / (1 - clipped))


def evidence(request: str, plan: Plan, decoded: DecodedPlan, others: Sequence[Rival] = ()) -> dict[str, float]:
    """The `FEATURES` of a plan; `others` are the other plans that were found for the request.

    A plan without `decoded.logs` counts as made in one decision. The request counts as one of a person.
    """
    own = min(max(decoded.probability, LEAST), 1.0)
    logs = [each for _, each in decoded.logs] or [log(own)]
    found = own + sum(probability for _, probability in others)
    unfound = max(1 - found, 0.0)
    rival = max([unfound, *(probability for other, probability in others if other != plan)])
    literals = {text.casefold() for text in plan_literals(plan)}
    numbers = set(_NUMBER.findall(" ".join(literals)))
    values = (
        logit(own),
        sum(each < UNCERTAIN for each in logs),
        max(-FARTHEST, min(log(own / max(rival, LEAST)), FARTHEST)),
        unfound,
        unused_values(request, plan),
        sum(number not in numbers for number in _NUMBER.findall(request)),
        sum(not _says(request, literal) for literal in literals),
        log(1 + len(request.split())),
        not plan.steps,
        False,
    )
    return {name: round(float(value), 4) for name, value in zip(FEATURES, values, strict=True)}


def unused_values(request: str, plan: Plan) -> int:
    """How many of the values that a request names a plan lacks."""
    literals = {text.casefold() for text in plan_literals(plan)}
    return sum(all(text.casefold() not in literals for text in texts) for texts in named_values(request))


def rivals(decoded: DecodedPlan, read: Sequence[tuple[Plan | Malformed, DecodedPlan]]) -> list[Rival]:
    """Of several plans, those beside this one, with their probabilities."""
    return [(plan, other.probability) for plan, other in read if other is not decoded]


def beam_score(request: str, plan: Plan | Malformed, decoded: DecodedPlan) -> float:
    """The log-probability, less a cost for each value of the request that the plan lacks.

    A refusal counts only if its probability is above one half.
    """
    if plan == Plan():
        return 0.0 if decoded.probability > 0.5 else -inf
    missing = unused_values(request, plan) if isinstance(plan, Plan) else 0
    return log(max(decoded.probability, LEAST)) - MISSING_VALUE_COST * missing


def _says(request: str, literal: str) -> bool:
    """Whether the literal stands in the request, and not within longer words."""
    return re.search(rf"(?<!\w){re.escape(literal)}(?!\w)", request, re.IGNORECASE) is not None
