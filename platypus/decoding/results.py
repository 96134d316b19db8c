"""Limits, progress and result of decoding one plan. No torch."""

from dataclasses import dataclass
from typing import Literal

EndedBy = Literal["model", "length", "time"]


@dataclass(frozen=True)
class DecodingLimits:
    """How far and how a plan is decoded. Temperature 0 takes the best token, else one is drawn with the seed.

    The seconds of a request begin when its turn has come.
    """

    max_new_tokens: int = 512
    seconds: float | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class DecodedPlan:
    """A plan's text, its tokens with the end token, how often the model was asked, and what ended it.

    `probability` is the product over all decisions, each among the tokens that the grammar allowed there: what the
    constrained model thinks of the plan, or a little less, where the grammar allows tokens that are not canonical.
    """

    text: str
    tokens: int
    decisions: int
    ended_by: EndedBy
    probability: float


@dataclass(frozen=True)
class DecodingProgress:
    """How far the plan of request `index` has come; `decoded` when it is complete."""

    index: int
    text: str
    decoded: DecodedPlan | None
