"""A request under way: what its prompt has behind the prefix, and its plan as far as it has come.

It knows what comes next without the model, drafts, takes in what the model says, and ends at a limit.
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

UNLIKELY = -4.6  # the logarithm of a hundredth: of such tokens none begins another plan worth reading
COPIED = 8  # from a request at most: a value ends sooner


@dataclass
class DecodingState:
    """A request under way: what its prompt has behind the prefix, its plan, and what it keeps of what was read."""

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

    @property
    def unread(self) -> list[int]:
        """The tokens that the model has not read."""
        return [*self.request, *self.constraint.ids][len(self.slots.places) :]

    def append_forced(self) -> bool:
        """Append what is forced; at a limit, all that is needed to end. Returns whether the plan is complete."""
        self.constraint.forced()
        if not self.constraint.ended and len(self.constraint.ids) >= self.limit:
            self.ended_by = "length"
        elif not self.constraint.ended and time.monotonic() > self.deadline:
            self.ended_by = "time"
        while not self.constraint.ended and self.ended_by != "model":
            self.constraint.append(self.constraint.shortest())
        return self.constraint.ended

    def draft(self, most: int, history: PlanHistory) -> list[int]:
        """So many tokens at most that come next if the plan goes on as its request or an earlier plan does."""
        ids = self.constraint.ids
        most = max(0, min(most, self.limit - len(ids)))
        if len(self.constraint.candidates()) > FEW and (
            copy := prompt_lookup(self.request, ids, self.constraint.vocabulary.token)
        ):
            return list(copy[: min(most, COPIED)])
        return list(itertools.islice(history.continuation(ids), most))

    def accept(self, logits: NDArray[np.float32], drafted: Sequence[int], temperature: float) -> None:
        """Append the token that the model wants and what it forces; go on for as long as that was drafted.

        The logits are those behind what was read: first behind the plan, then behind each drafted token.
        """
        at = 0
        while True:
            start = len(self.constraint.ids)
            self._choose(logits[at], temperature)
            ended = self.append_forced()
            new = self.constraint.ids[start:]
            hit = shared_prefix_length(new, drafted[at:])
            if ended or hit < len(new):
                read = len(self.request) + start + hit
                self.slots = self.slots._replace(places=self.slots.places[:read])
                return
            at += hit

    def _choose(self, logits: NDArray[np.float32], temperature: float) -> None:
        """The best legal token, or one drawn (by Gumbel noise: the best of the legal ones counts)."""
        scores = logits
        if temperature:
            scores = logits / temperature + self.rng.gumbel(size=len(logits)).astype(np.float32)
        token = self.constraint.best(scores)
        self.log_probability += self._log(logits, token)
        self.constraint.append(token)
        self.decisions += 1

    def _log(self, logits: NDArray[np.float32], token: int) -> float:
        """The logarithm of a token's probability among those that the grammar allows."""
        allowed = logits[self.constraint.candidates()]
        return float(logits[token] - allowed.max() - np.log(np.exp(allowed - allowed.max()).sum()))

    def expand(self, logits: NDArray[np.float32], most: int) -> Iterator[tuple[float, "DecodingState", int]]:
        """The likeliest legal tokens, each with what the plan's logarithm would be; but one, no unlikely ones."""
        for place, token in enumerate(itertools.islice(self.constraint.ranked(logits), most)):
            log = self._log(logits, token)
            if place and log < UNLIKELY:
                return
            yield self.log_probability + log, self, token

    def branch(self, token: int, log: float) -> "DecodingState":
        """The same plan with another token; what was read is shared."""
        state = self.constraint.copy()
        state.append(token)
        return replace(self, constraint=state, log_probability=log, decisions=self.decisions + 1)

    @property
    def progress(self) -> DecodingProgress:
        """How far it has come."""
        state, decoded = self.constraint, None
        if state.ended:
            decoded = DecodedPlan(
                state.text, len(state.ids), self.decisions, self.ended_by, float(np.exp(self.log_probability))
            )
        return DecodingProgress(self.index, state.text, decoded)
