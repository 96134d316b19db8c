"""The state of one request that is being decoded: of one plan, or of a beam of several.

It appends forced tokens, drafts, accepts the model's logits, and ends the plan at a limit. It never calls the model.
"""

import heapq
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

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

    `limit` is the most tokens of the plan; `deadline` is a time of `time.monotonic`. `logs` has the log-probability of
    each token that the model decided, by its place in the plan.
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
    temperature: float = 0.0
    logs: dict[int, float] = field(default_factory=dict)

    @property
    def rows(self) -> list["DecodingState"]:
        """The plans that the model has to read on: this one, until it is complete."""
        return [] if self.constraint.ended else [self]

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the prompt."""
        return self.slots.begin + len(self.request)

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
        """Up to `most` draft tokens: within free text from the request or the plan, elsewhere from earlier plans."""
        ids = self.constraint.ids
        most = max(0, min(most, self.limit - len(ids)))
        if len(self.constraint.candidates()) > FEW:
            lookup = prompt_lookup(self.request, ids, self.constraint.vocabulary.token)
            if copy := list(itertools.islice(lookup, min(most, COPIED))):
                return copy
        return list(itertools.islice(history.continuation(ids), most))

    def drafts(self, most: int, history: PlanHistory) -> list[list[int]]:
        """The draft of the only row."""
        return [self.draft(most, history)]

    def advance(
        self, logits: Sequence[NDArray[np.float32]], drafts: Sequence[Sequence[int]], history: PlanHistory
    ) -> None:
        """Accept the logits of the only row; a complete plan goes into the history."""
        self.accept(logits[0], drafts[0])
        if self.constraint.ended:
            history.add(self.constraint.ids[:-1])  # nothing is drafted after the end token

    def accept(self, logits: NDArray[np.float32], draft: Sequence[int]) -> None:
        """Append the model's token and the tokens that it forces; repeat for as long as these equal the draft.

        `logits` are those after the plan so far, then those after each draft token.
        """
        at = 0
        while True:
            start = len(self.constraint.ids)
            self._choose(logits[at])
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

    def _choose(self, logits: NDArray[np.float32]) -> None:
        """Append the best legal token, or one drawn by Gumbel noise (the legal token with the best noisy logit)."""
        scores = logits = self.with_prior(logits)
        if self.temperature:
            scores = logits / self.temperature + self.rng.gumbel(size=len(logits)).astype(np.float32)
        token = self.constraint.best(scores)
        self._record(self._log(logits, token))
        self.constraint.append(token)

    def _record(self, log: float) -> None:
        """Count a decision of this log-probability for the next token."""
        self.logs[len(self.constraint.ids)] = log
        self.log_probability += log
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
        branch = replace(self, constraint=self.constraint.copy(), logs=self.logs.copy())
        branch._record(log - self.log_probability)
        branch.constraint.append(token)
        return branch

    @property
    def plans(self) -> list[DecodedPlan]:
        """The plan, once it is complete."""
        decoded = self.progress.decoded
        return [decoded] if decoded else []

    @property
    def progress(self) -> DecodingProgress:
        """The text so far, and the result once the plan is complete."""
        state, decoded = self.constraint, None
        if state.ended:
            probability = float(np.exp(self.log_probability))
            logs = tuple((token, self.logs.get(place, 0.0)) for place, token in enumerate(state.ids))
            decoded = DecodedPlan(state.text, len(state.ids), self.decisions, self.ended_by, probability, logs)
        return DecodingProgress(self.index, state.text, decoded)


@dataclass
class Beam:
    """A beam search of one request: up to `width` likely plans at once, of which `ended` are complete."""

    start: DecodingState
    width: int
    rows: list[DecodingState] = field(default_factory=list)
    ended: list[DecodingState] = field(default_factory=list)

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the prompt."""
        return self.start.prompt_tokens

    def append_forced(self) -> bool:
        """Append what is forced at the beginning. Returns whether the only plan is complete."""
        self.rows, self.ended = ([], [self.start]) if self.start.append_forced() else ([self.start], [])
        return not self.rows

    def drafts(self, most: int, history: PlanHistory) -> list[list[int]]:
        """No drafts: most plans of a beam are left soon."""
        return [[] for _ in self.rows]

    def advance(
        self, logits: Sequence[NDArray[np.float32]], drafts: Sequence[Sequence[int]], history: PlanHistory
    ) -> None:
        """Replace the open plans by their likeliest continuations."""
        expansions = (
            expansion
            for row, row_logits in zip(self.rows, logits, strict=True)
            for expansion in row.expand(row_logits[0], self.width)
        )
        chosen = heapq.nlargest(self.width - len(self.ended), expansions, key=lambda expansion: expansion[0])
        rows = [row.branch(token, log) for log, row, token in chosen]
        self.ended += [row for row in rows if row.append_forced()]
        self.rows = [row for row in rows if not row.constraint.ended]

    @property
    def plans(self) -> list[DecodedPlan]:
        """The complete plans, likeliest first."""
        plans = [decoded for row in self.ended if (decoded := row.progress.decoded) is not None]
        return sorted(plans, key=lambda decoded: -decoded.probability)

    @property
    def progress(self) -> DecodingProgress:
        """No text before the end; then the likeliest plan."""
        plans = [] if self.rows else self.plans
        return DecodingProgress(self.start.index, plans[0].text if plans else "", plans[0] if plans else None)


class Decoding(Protocol):
    """What is decoded for one request."""

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the prompt."""

    @property
    def rows(self) -> list[DecodingState]:
        """The plans that the model has to read on; none once the request is answered."""

    @property
    def progress(self) -> DecodingProgress:
        """The text so far, and the result at the end."""

    @property
    def plans(self) -> list[DecodedPlan]:
        """The complete plans, likeliest first."""

    def append_forced(self) -> bool:
        """Append what is forced at the beginning. Returns whether the request is answered already."""

    def drafts(self, most: int, history: PlanHistory) -> list[list[int]]:
        """Draft tokens for each row, up to `most`."""

    def advance(
        self, logits: Sequence[NDArray[np.float32]], drafts: Sequence[Sequence[int]], history: PlanHistory
    ) -> None:
        """Go on with the logits of each row."""
