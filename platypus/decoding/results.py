"""Limits, progress and result of decoding one plan. No torch."""

from dataclasses import dataclass, field
from typing import Literal

EndedBy = Literal["model", "length", "time"]


@dataclass(frozen=True)
class DecodingLimits:
    """Limits and sampling of a decoding. Temperature 0 takes the best token; otherwise tokens are drawn with the seed.

    The `seconds` of a request count from the moment at which its decoding begins.
    """

    max_new_tokens: int = 512
    seconds: float | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class DecodedPlan:
    """A plan's text, its number of tokens (with the end token), how many of them the model decided, and what ended it.

    `probability` is the product over all decisions, each normalised over the tokens that the grammar allowed. It is the
    plan's probability under the constrained model, or a little less where the grammar allows tokens that are not
    canonical. `logs` has the id and log-probability of each token, 0 for those that were forced.
    """

    text: str
    tokens: int
    decisions: int
    ended_by: EndedBy
    probability: float
    logs: tuple[tuple[int, float], ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class DecodingProgress:
    """The text so far of request `index`; `decoded` once its plan is complete."""

    index: int
    text: str
    decoded: DecodedPlan | None
