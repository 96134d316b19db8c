"""Decoding plans: a model and a constraint, requests in, valid plans out.

The catalogue's keys and values are computed once, and all requests continue from them (`cache.py`). What the constraint
forces is never asked of the model: it rides along, in one chunk, with the next token that is a decision. So do some
guesses (`guess.py`): what the model says behind a guessed token counts if that token is what it says itself. A request
that is done leaves the batch, and the next one takes its place. When a limit is reached, the plan is brought to its
soonest valid end without the model. Knows ids and texts, not plans.
"""

import heapq
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from platypus.decoding.constraint import Constraint
from platypus.decoding.kv_cache import Own, Prefix, Store, kept_prefix
from platypus.decoding.results import Decoded, Limits, Progress
from platypus.decoding.speculation import Earlier, alike
from platypus.decoding.state import Request
from platypus.errors import PromptError
from platypus.model.loading import Loaded

AHEAD = 32  # guessed tokens in one pass, of all requests together: so few cost hardly any time


@dataclass(frozen=True)
class Ranked:
    """One of the best plans of a request, with the probability that the constrained model gives it."""

    text: str
    probability: float


class Decoder:
    """A loaded model whose answers are plans of a constraint.

    `probes` are two prompts that have in common what all prompts have; `folder` is where the prefix is kept on disk.
    """

    def __init__(
        self, loaded: Loaded, constraint: Constraint, probes: Sequence[Sequence[int]], *, folder: Path | None = None
    ) -> None:
        self._loaded, self._constraint = loaded, constraint
        self._ids = tuple(probes[0][: alike(*probes)])
        self._store = Store(kept_prefix(loaded, self._ids, folder))
        self._earlier = Earlier()
        self._lent = False

    @property
    def prefix(self) -> Prefix:
        """What all prompts have in common."""
        return self._store.prefix

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: Limits,
        batch_size: int = 16,
        named: Sequence[Sequence[str]] = (),
    ) -> Iterator[Decoded]:
        """The plan of each prompt, in order; `named` are the texts that the markers of each stand for."""
        waiting: dict[int, Decoded] = {}
        wanted = 0
        for progress in self.stream(prompts, limits=limits, batch_size=batch_size, named=named):
            if progress.decoded is not None:
                waiting[progress.index] = progress.decoded
            while wanted in waiting:
                yield waiting.pop(wanted)
                wanted += 1

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: Limits,
        batch_size: int = 1,
        named: Sequence[Sequence[str]] = (),
    ) -> Iterator[Progress]:
        """The plans as they grow, after each pass of the model, and when one is complete. Closing it cancels.

        Raises PromptError for a prompt that fills the model's context.
        """
        for prompt in prompts:
            self._check(prompt)
        queue = enumerate(zip(prompts, named or [()] * len(prompts), strict=True))
        rows: list[Request] = []
        with self._borrowed() as store:
            while True:
                while len(rows) < batch_size and (following := next(queue, None)) is not None:
                    index, (prompt, texts) = following
                    row = self._row(index, prompt, texts, limits)
                    if row.settle():
                        yield row.progress
                    else:
                        rows.append(row)
                if not rows:
                    return
                self._tidy(store, rows)
                guesses = [row.guess(AHEAD // len(rows), self._earlier) for row in rows]
                for row, guess, logits in zip(rows, guesses, self._logits(store, rows, guesses), strict=True):
                    row.decide(logits, guess, limits.temperature)
                    if row.walk.ended:
                        self._earlier.add(row.walk.ids[:-1])  # nothing is asked behind the end
                    yield row.progress
                rows = [row for row in rows if not row.walk.ended]

    def best(
        self, prompt: Sequence[int], k: int, *, limits: Limits, batch_size: int = 8, named: Sequence[str] = ()
    ) -> list[Ranked]:
        """The k likeliest plans and their probabilities, likeliest first, found by best-first search.

        Probabilities only fall as a plan grows, so a plan that is complete before all likelier beginnings are
        followed up is among the best: the result is exact, unless a limit ends the search; then it may be short.
        """
        self._check(prompt)
        start = self._row(0, prompt, named, limits)
        start.walk.forced()
        order = itertools.count()
        frontier = [_Branch(0.0, next(order), start)]
        found: list[Ranked] = []
        with self._borrowed() as store:
            while frontier and len(found) < k and time.monotonic() <= start.deadline:
                if frontier[0].row.walk.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    found.append(Ranked(branch.row.walk.text, float(np.exp(-branch.cost))))
                    continue
                chosen: list[_Branch] = []
                while frontier and len(chosen) < batch_size and not frontier[0].row.walk.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    if len(branch.row.walk.ids) < start.limit:
                        chosen.append(branch)
                rows = [branch.row for branch in chosen]
                logits = self._logits(store, rows, [()] * len(rows)) if rows else []
                for branch, said in zip(chosen, logits, strict=True):
                    branch.push_children(frontier, order, said[0])
        return found

    def likely(self, prompt: Sequence[int], width: int, *, limits: Limits, named: Sequence[str] = ()) -> list[Decoded]:
        """Up to `width` likely plans, likeliest first, by beam search: so many beginnings are followed up at once."""
        self._check(prompt)
        start = self._row(0, prompt, named, limits)
        rows, ended = ([], [start]) if start.settle() else ([start], [])
        with self._borrowed() as store:
            while rows:
                said = self._logits(store, rows, [()] * len(rows))
                ways = (way for row, logits in zip(rows, said, strict=True) for way in row.ways(logits[0], width))
                chosen = heapq.nlargest(width - len(ended), ways, key=lambda way: way[0])
                rows = [row.continued(token, log) for log, row, token in chosen]
                ended += [row for row in rows if row.settle()]
                rows = [row for row in rows if not row.walk.ended]
                self._tidy(store, rows)
        found = [decoded for row in ended if (decoded := row.progress.decoded) is not None]
        return sorted(found, key=lambda decoded: -decoded.probability)

    # ------------------------------------------------------------ the model

    @torch.inference_mode()
    def _logits(
        self, store: Store, rows: Sequence[Request], guesses: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """What the model says after each row's unread tokens and each token guessed behind them.

        All of them count as read from then on. (1 + guessed, vocabulary) for each row.
        """
        chunks = [[*row.unread, *guess] for row, guess in zip(rows, guesses, strict=True)]
        counts = [len(chunk) for chunk in chunks]
        ids = torch.tensor([list(itertools.chain(*chunks))])
        at = torch.tensor([[row.own.read + i for row, count in zip(rows, counts, strict=True) for i in range(count)]])
        taken = store.take([row.own for row in rows], counts)
        for row, own in zip(rows, taken.owns, strict=True):
            row.own = own
        ends, asked = np.cumsum(counts), [1 + len(guess) for guess in guesses]
        wanted = np.concatenate([np.arange(end - count, end) for end, count in zip(ends, asked, strict=True)])
        device = self._loaded.device
        output = self._loaded.model(
            input_ids=ids.to(device),
            position_ids=at.to(device),
            attention_mask=taken.mask,
            past_key_values=store,
            use_cache=True,
            logits_to_keep=torch.from_numpy(wanted).to(device),
        )
        return np.split(output.logits[0].float().cpu().numpy(), np.cumsum(asked)[:-1])

    def _tidy(self, store: Store, rows: Sequence[Request]) -> None:
        """Forget the requests that are done, when they take more places than those under way."""
        owns = [row.own for row in rows]
        if rows and store.waste(owns) > 0:
            for row, own in zip(rows, store.keep(owns), strict=True):
                row.own = own

    @contextmanager
    def _borrowed(self) -> Iterator[Store]:
        """The store with nothing but the prefix; another one for who comes while it is in use."""
        if self._lent:
            yield Store(self._store.prefix)
            return
        self._lent = True
        try:
            self._store.clear()
            yield self._store
        finally:
            self._lent = False

    def _check(self, prompt: Sequence[int]) -> None:
        if len(prompt) >= self._loaded.context:
            raise PromptError(
                f"the prompt has {len(prompt)} tokens, but the model's context is {self._loaded.context}",
                where=self._loaded.source,
                remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
            )

    def _row(self, index: int, prompt: Sequence[int], named: Sequence[str], limits: Limits) -> Request:
        """The request at its beginning: it shares the prefix as far as that goes."""
        shared = alike(self._ids, prompt[:-1])
        deadline = time.monotonic() + (np.inf if limits.seconds is None else limits.seconds)
        rng = np.random.default_rng((limits.seed, index))
        limit = min(limits.max_new_tokens, self._loaded.context - len(prompt))
        walk = self._constraint.start(named)
        return Request(index, list(prompt[shared:]), walk, Own(shared), limit, deadline, rng=rng)


@dataclass(order=True)
class _Branch:
    """The beginning of a plan in the search for the best: its cost is minus the logarithm of its probability.

    Of the tokens after its parent only the likeliest becomes a branch at once; the next one when that is taken.
    """

    cost: float
    order: int
    row: Request = field(compare=False)
    parent: "_Parent | None" = field(default=None, compare=False)

    def push_children(self, frontier: list["_Branch"], order: Iterator[int], logits: NDArray[np.float32]) -> None:
        """The likeliest continuation joins the frontier."""
        tokens, logs = self.row.walk.distribution(logits)
        _Parent(self.cost, self.row, iter(zip(tokens, logs, strict=True))).push(frontier, order)

    def push_sibling(self, frontier: list["_Branch"], order: Iterator[int]) -> None:
        """The next likely continuation of the same parent joins the frontier."""
        if self.parent is not None:
            self.parent.push(frontier, order)


@dataclass
class _Parent:
    """A beginning whose continuations are taken one after the other, likeliest first; they share its keys."""

    cost: float
    row: Request
    tokens: Iterator[tuple[int, np.float64]]

    def push(self, frontier: list[_Branch], order: Iterator[int]) -> None:
        """The next continuation, with what it forces, joins the frontier."""
        for token, log in self.tokens:
            walk = self.row.walk.copy()
            walk.append(token)
            walk.forced()
            branch = _Branch(self.cost - float(log), next(order), replace(self.row, walk=walk), self)
            heapq.heappush(frontier, branch)
            return
