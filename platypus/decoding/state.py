"""The state of one request that is being decoded.

It appends forced tokens, drafts, accepts the model's logits, and ends the plan at a limit. It never calls the model.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from platypus.decoding.constraint import FEW, ConstraintState
from platypus.decoding.kv_cache import CacheSlots
from platypus.decoding.results import DecodedPlan, DecodingProgress, EndedBy
from platypus.decoding.speculation import PlanHistory, prompt_lookup, shared_prefix_length
from platypus.decoding.tool_prior import ToolPrior

UNLIKELY = -4.6  # log of 0.01: a beam search does not follow tokens that are less likely
COPIED = 8  # the most tokens copied from a request: few values are longer


@dataclass
class DecodingState:
    """The tokens of the prompt after the prefix (`request`), the plan so far, and the cache places of what was read.

    `limit` is the most tokens of the plan; `deadline` is a time of `time.monotonic`.
    """

    index: int
    request: list[int]
    constraint: ConstraintState
    slots: CacheSlots
    limit: int
    deadline: float
    decisions: int = 0
    log_probability: float = 0.0
    ended_by: EndedBy = "model"
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    prior: ToolPrior | None = None

    @property
    def unread(self) -> list[int]:
        """The tokens that the model has not read yet."""
        return [*self.request, *self.constraint.ids][len(self.slots.places) :]

    def append_forced(self) -> bool:
        """Append forced tokens, and at a limit all tokens up to a soon end. Returns whether the plan is complete."""
        self.constraint.forced()
        if not self.constraint.ended and len(self.constraint.ids) >= self.limit:
            self.ended_by = "length"
        elif not self.constraint.ended and time.monotonic() > self.deadline:
            self.ended_by = "time"
        while not self.constraint.ended and self.ended_by != "model":
            self.constraint.append(self.constraint.shortest())
        return self.constraint.ended

    def draft(self, most: int, history: PlanHistory) -> list[int]:
        """Up to `most` draft tokens: within free text from the request, elsewhere from earlier plans."""
        ids = self.constraint.ids
        most = max(0, min(most, self.limit - len(ids)))
        if len(self.constraint.candidates()) > FEW and (
            copy := prompt_lookup(self.request, ids, self.constraint.vocabulary.token)
        ):
            return list(copy[: min(most, COPIED)])
        return list(itertools.islice(history.continuation(ids), most))

    def accept(self, logits: NDArray[np.float32], draft: Sequence[int], temperature: float) -> None:
        """Append the model's token and the tokens that it forces; repeat for as long as these equal the draft.

        `logits` are those after the plan so far, then those after each draft token.
        """
        at = 0
        while True:
            start = len(self.constraint.ids)
            self._choose(logits[at], temperature)
            ended = self.append_forced()
            new = self.constraint.ids[start:]
            hit = shared_prefix_length(new, draft[at:])
            if ended or hit < len(new):
                read = len(self.request) + start + hit
                self.slots = self.slots._replace(places=self.slots.places[:read])
                return
            at += hit

    def with_prior(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits after the plan so far, with the prior over tools if there is one."""
        return logits if self.prior is None else self.prior.applied(self.constraint, logits)

    def _choose(self, logits: NDArray[np.float32], temperature: float) -> None:
        """Append the best legal token, or one drawn by Gumbel noise (the legal token with the best noisy logit)."""
        scores = logits = self.with_prior(logits)
        if temperature:
            scores = logits / temperature + self.rng.gumbel(size=len(logits)).astype(np.float32)
        token = self.constraint.best(scores)
        self.log_probability += self._log(logits, token)
        self.constraint.append(token)
        self.decisions += 1

    def _log(self, logits: NDArray[np.float32], token: int) -> float:
        """The token's log-probability among the tokens that the grammar allows."""
        allowed = logits[self.constraint.candidates()]
        return float(logits[token] - allowed.max() - np.log(np.exp(allowed - allowed.max()).sum()))

    def expand(self, logits: NDArray[np.float32], most: int) -> Iterator[tuple[float, "DecodingState", int]]:
        """The likeliest legal tokens, with the log-probability of the longer plan; only the first may be unlikely."""
        logits = self.with_prior(logits)
        for place, token in enumerate(itertools.islice(self.constraint.ranked(logits), most)):
            log = self._log(logits, token)
            if place and log < UNLIKELY:
                return
            yield self.log_probability + log, self, token

    def branch(self, token: int, log: float) -> "DecodingState":
        """A copy with one more token, which shares the cache places."""
        state = self.constraint.copy()
        state.append(token)
        return replace(self, constraint=state, log_probability=log, decisions=self.decisions + 1)

    @property
    def progress(self) -> DecodingProgress:
        """The text so far, and the result once the plan is complete."""
        state, decoded = self.constraint, None
        if state.ended:
            decoded = DecodedPlan(
                state.text, len(state.ids), self.decisions, self.ended_by, float(np.exp(self.log_probability))
            )
        return DecodingProgress(self.index, state.text, decoded)
