"""A request under way: what its prompt has behind the prefix, and its plan as far as it has come.

It knows what comes next without the model, guesses, takes in what the model says, and ends at a limit.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from platypus.decoding.constraint import FEW, Walk
from platypus.decoding.kv_cache import Own
from platypus.decoding.results import Decoded, EndedBy, Progress
from platypus.decoding.speculation import Earlier, alike, copied

UNLIKELY = -4.6  # the logarithm of a hundredth: of such tokens none begins another plan worth reading
COPIED = 8  # from a request at most: a value ends sooner


@dataclass
class Request:
    """A request under way: what its prompt has behind the prefix, its plan, and what it keeps of what was read."""

    index: int
    request: list[int]
    walk: Walk
    own: Own
    limit: int
    deadline: float
    decisions: int = 0
    log: float = 0.0
    ended_by: EndedBy = "model"
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    @property
    def unread(self) -> list[int]:
        """The tokens that the model has not read."""
        return [*self.request, *self.walk.ids][len(self.own.places) :]

    def settle(self) -> bool:
        """Append what is forced; at a limit, all that is needed to end. Returns whether the plan is complete."""
        self.walk.forced()
        if not self.walk.ended and len(self.walk.ids) >= self.limit:
            self.ended_by = "length"
        elif not self.walk.ended and time.monotonic() > self.deadline:
            self.ended_by = "time"
        while not self.walk.ended and self.ended_by != "model":
            self.walk.append(self.walk.shortest())
        return self.walk.ended

    def guess(self, most: int, earlier: Earlier) -> list[int]:
        """So many tokens at most that come next if the plan goes on as its request or an earlier plan does."""
        ids = self.walk.ids
        most = max(0, min(most, self.limit - len(ids)))
        if len(self.walk.candidates()) > FEW and (copy := copied(self.request, ids, self.walk.vocabulary.token)):
            return list(copy[: min(most, COPIED)])
        return list(itertools.islice(earlier.after(ids), most))

    def decide(self, logits: NDArray[np.float32], guessed: Sequence[int], temperature: float) -> None:
        """Append the token that the model wants and what it forces; go on for as long as that was guessed.

        The logits are those behind what was read: first behind the plan, then behind each guessed token.
        """
        at = 0
        while True:
            start = len(self.walk.ids)
            self._choose(logits[at], temperature)
            ended = self.settle()
            new = self.walk.ids[start:]
            hit = alike(new, guessed[at:])
            if ended or hit < len(new):
                read = len(self.request) + start + hit
                self.own = self.own._replace(places=self.own.places[:read])
                return
            at += hit

    def _choose(self, logits: NDArray[np.float32], temperature: float) -> None:
        """The best legal token, or one drawn (by Gumbel noise: the best of the legal ones counts)."""
        scores = logits
        if temperature:
            scores = logits / temperature + self.rng.gumbel(size=len(logits)).astype(np.float32)
        token = self.walk.best(scores)
        self.log += self._log(logits, token)
        self.walk.append(token)
        self.decisions += 1

    def _log(self, logits: NDArray[np.float32], token: int) -> float:
        """The logarithm of a token's probability among those that the grammar allows."""
        allowed = logits[self.walk.candidates()]
        return float(logits[token] - allowed.max() - np.log(np.exp(allowed - allowed.max()).sum()))

    def ways(self, logits: NDArray[np.float32], most: int) -> Iterator[tuple[float, "Request", int]]:
        """The likeliest legal tokens, each with what the plan's logarithm would be; but one, no unlikely ones."""
        for place, token in enumerate(itertools.islice(self.walk.ranked(logits), most)):
            log = self._log(logits, token)
            if place and log < UNLIKELY:
                return
            yield self.log + log, self, token

    def continued(self, token: int, log: float) -> "Request":
        """The same plan with another token; what was read is shared."""
        walk = self.walk.copy()
        walk.append(token)
        return replace(self, walk=walk, log=log, decisions=self.decisions + 1)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        walk, decoded = self.walk, None
        if walk.ended:
            decoded = Decoded(walk.text, len(walk.ids), self.decisions, self.ended_by, float(np.exp(self.log)))
        return Progress(self.index, walk.text, decoded)
