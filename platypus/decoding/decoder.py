"""Decoding plans: a model and a constraint, requests in, valid plans out.

The catalogue's keys and values are computed once, and all requests continue from them (`kv_cache.py`). What the
constraint forces is never asked of the model: it is fed in one chunk with the next token that is a decision. Draft
tokens (`speculation.py`) are fed with it too, and are kept as far as the model agrees with them. A request that is done
leaves the batch, and the next one takes its place. When a limit is reached, the plan is brought to its soonest valid
end without the model. Knows ids and texts, not plans.
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
from platypus.decoding.kv_cache import BatchCache, CachedPrefix, CacheSlots, load_or_compute_prefix
from platypus.decoding.results import DecodedPlan, DecodingLimits, DecodingProgress
from platypus.decoding.speculation import PlanHistory, shared_prefix_length
from platypus.decoding.state import DecodingState
from platypus.errors import PromptError
from platypus.model.loading import Loaded

AHEAD = 32  # drafted tokens in one pass, of all requests together: so few cost hardly any time


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
        self._ids = tuple(probes[0][: shared_prefix_length(*probes)])
        self._store = BatchCache(load_or_compute_prefix(loaded, self._ids, folder))
        self._history = PlanHistory()
        self._lent = False

    @property
    def prefix(self) -> CachedPrefix:
        """What all prompts have in common."""
        return self._store.prefix

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: DecodingLimits,
        batch_size: int = 16,
        named: Sequence[Sequence[str]] = (),
    ) -> Iterator[DecodedPlan]:
        """The plan of each prompt, in order; `named` are the texts that the markers of each stand for."""
        waiting: dict[int, DecodedPlan] = {}
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
        limits: DecodingLimits,
        batch_size: int = 1,
        named: Sequence[Sequence[str]] = (),
    ) -> Iterator[DecodingProgress]:
        """The plans as they grow, after each pass of the model, and when one is complete. Closing it cancels.

        Raises PromptError for a prompt that fills the model's context.
        """
        for prompt in prompts:
            self._check(prompt)
        queue = enumerate(zip(prompts, named or [()] * len(prompts), strict=True))
        rows: list[DecodingState] = []
        with self._borrowed() as store:
            while True:
                while len(rows) < batch_size and (following := next(queue, None)) is not None:
                    index, (prompt, texts) = following
                    row = self._row(index, prompt, texts, limits)
                    if row.append_forced():
                        yield row.progress
                    else:
                        rows.append(row)
                if not rows:
                    return
                self._tidy(store, rows)
                drafts = [row.draft(AHEAD // len(rows), self._history) for row in rows]
                for row, draft, logits in zip(rows, drafts, self._logits(store, rows, drafts), strict=True):
                    row.accept(logits, draft, limits.temperature)
                    if row.constraint.ended:
                        self._history.add(row.constraint.ids[:-1])  # nothing is asked behind the end
                    yield row.progress
                rows = [row for row in rows if not row.constraint.ended]

    def best(
        self, prompt: Sequence[int], k: int, *, limits: DecodingLimits, batch_size: int = 8, named: Sequence[str] = ()
    ) -> list[Ranked]:
        """The k likeliest plans and their probabilities, likeliest first, found by best-first search.

        Probabilities only fall as a plan grows, so a plan that is complete before all likelier beginnings are
        followed up is among the best: the result is exact, unless a limit ends the search; then it may be short.
        """
        self._check(prompt)
        start = self._row(0, prompt, named, limits)
        start.constraint.forced()
        order = itertools.count()
        frontier = [_Branch(0.0, next(order), start)]
        found: list[Ranked] = []
        with self._borrowed() as store:
            while frontier and len(found) < k and time.monotonic() <= start.deadline:
                if frontier[0].row.constraint.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    found.append(Ranked(branch.row.constraint.text, float(np.exp(-branch.cost))))
                    continue
                chosen: list[_Branch] = []
                while frontier and len(chosen) < batch_size and not frontier[0].row.constraint.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    if len(branch.row.constraint.ids) < start.limit:
                        chosen.append(branch)
                rows = [branch.row for branch in chosen]
                logits = self._logits(store, rows, [()] * len(rows)) if rows else []
                for branch, said in zip(chosen, logits, strict=True):
                    branch.push_children(frontier, order, said[0])
        return found

    def likely(
        self, prompt: Sequence[int], width: int, *, limits: DecodingLimits, named: Sequence[str] = ()
    ) -> list[DecodedPlan]:
        """Up to `width` likely plans, likeliest first, by beam search: so many beginnings are followed up at once."""
        self._check(prompt)
        start = self._row(0, prompt, named, limits)
        rows, ended = ([], [start]) if start.append_forced() else ([start], [])
        with self._borrowed() as store:
            while rows:
                said = self._logits(store, rows, [()] * len(rows))
                ways = (way for row, logits in zip(rows, said, strict=True) for way in row.expand(logits[0], width))
                chosen = heapq.nlargest(width - len(ended), ways, key=lambda way: way[0])
                rows = [row.branch(token, log) for log, row, token in chosen]
                ended += [row for row in rows if row.append_forced()]
                rows = [row for row in rows if not row.constraint.ended]
                self._tidy(store, rows)
        found = [decoded for row in ended if (decoded := row.progress.decoded) is not None]
        return sorted(found, key=lambda decoded: -decoded.probability)

    # ------------------------------------------------------------ the model

    @torch.inference_mode()
    def _logits(
        self, store: BatchCache, rows: Sequence[DecodingState], drafts: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """What the model says after each row's unread tokens and each token drafted behind them.

        All of them count as read from then on. (1 + drafted, vocabulary) for each row.
        """
        chunks = [[*row.unread, *draft] for row, draft in zip(rows, drafts, strict=True)]
        counts = [len(chunk) for chunk in chunks]
        ids = torch.tensor([list(itertools.chain(*chunks))])
        at = torch.tensor([[row.slots.read + i for row, count in zip(rows, counts, strict=True) for i in range(count)]])
        taken = store.take([row.slots for row in rows], counts)
        for row, own in zip(rows, taken.owns, strict=True):
            row.slots = own
        ends, asked = np.cumsum(counts), [1 + len(draft) for draft in drafts]
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

    def _tidy(self, store: BatchCache, rows: Sequence[DecodingState]) -> None:
        """Forget the requests that are done, when they take more places than those under way."""
        owns = [row.slots for row in rows]
        if rows and store.waste(owns) > 0:
            for row, own in zip(rows, store.keep(owns), strict=True):
                row.slots = own

    @contextmanager
    def _borrowed(self) -> Iterator[BatchCache]:
        """The store with nothing but the prefix; another one for who comes while it is in use."""
        if self._lent:
            yield BatchCache(self._store.prefix)
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

    def _row(self, index: int, prompt: Sequence[int], named: Sequence[str], limits: DecodingLimits) -> DecodingState:
        """The request at its beginning: it shares the prefix as far as that goes."""
        shared = shared_prefix_length(self._ids, prompt[:-1])
        deadline = time.monotonic() + (np.inf if limits.seconds is None else limits.seconds)
        rng = np.random.default_rng((limits.seed, index))
        limit = min(limits.max_new_tokens, self._loaded.context - len(prompt))
        state = self._constraint.start(named)
        return DecodingState(index, list(prompt[shared:]), state, CacheSlots(shared), limit, deadline, rng=rng)


@dataclass(order=True)
class _Branch:
    """The beginning of a plan in the search for the best: its cost is minus the logarithm of its probability.

    Of the tokens after its parent only the likeliest becomes a branch at once; the next one when that is taken.
    """

    cost: float
    order: int
    row: DecodingState = field(compare=False)
    parent: "_Parent | None" = field(default=None, compare=False)

    def push_children(self, frontier: list["_Branch"], order: Iterator[int], logits: NDArray[np.float32]) -> None:
        """The likeliest continuation joins the frontier."""
        tokens, logs = self.row.constraint.distribution(logits)
        _Parent(self.cost, self.row, iter(zip(tokens, logs, strict=True))).push(frontier, order)

    def push_sibling(self, frontier: list["_Branch"], order: Iterator[int]) -> None:
        """The next likely continuation of the same parent joins the frontier."""
        if self.parent is not None:
            self.parent.push(frontier, order)


@dataclass
class _Parent:
    """A beginning whose continuations are taken one after the other, likeliest first; they share its keys."""

    cost: float
    row: DecodingState
    tokens: Iterator[tuple[int, np.float64]]

    def push(self, frontier: list[_Branch], order: Iterator[int]) -> None:
        """The next continuation, with what it forces, joins the frontier."""
        for token, log in self.tokens:
            state = self.row.constraint.copy()
            state.append(token)
            state.forced()
            branch = _Branch(self.cost - float(log), next(order), replace(self.row, constraint=state), self)
            heapq.heappush(frontier, branch)
            return
