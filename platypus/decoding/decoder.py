"""Decodes requests into valid plans, with a model and a constraint.

Keys and values of the common prefix are computed once, and all requests continue from them (`kv_cache.py`). Forced
tokens are never predicted: they are fed in one chunk with the next token that the model decides. Draft tokens
(`speculation.py`) are fed along with them, and kept as far as the model agrees. A finished request leaves the batch,
and the next one takes its place. At a limit, the plan is brought to a soon valid end without the model. This module
knows ids and texts, not plans.
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
from platypus.decoding.kv_cache import (
    BatchCache,
    CachedPrefix,
    CacheSlots,
    check_keys_and_values,
    load_or_compute_prefix,
)
from platypus.decoding.results import DecodedPlan, DecodingLimits, DecodingProgress
from platypus.decoding.speculation import PlanHistory, shared_prefix_length
from platypus.decoding.state import DecodingState
from platypus.decoding.tool_prior import ToolPrior
from platypus.errors import PromptError
from platypus.model.loading import Loaded, check_tokens

AHEAD = 32  # draft tokens in one pass, of all requests together: so few cost hardly any time


@dataclass(frozen=True)
class Ranked:
    """One of the best plans of a request, with its probability under the constrained model."""

    text: str
    probability: float


class Decoder:
    """A loaded model whose answers are plans of a constraint.

    `probes` are two prompts that share only the prefix that all prompts share. `folder` is where its keys and values
    are stored; None: only in memory.
    """

    def __init__(
        self, loaded: Loaded, constraint: Constraint, probes: Sequence[Sequence[int]], *, folder: Path | None = None
    ) -> None:
        check_keys_and_values(loaded)
        self._loaded, self._constraint = loaded, constraint
        self._ids = tuple(probes[0][: shared_prefix_length(*probes)])
        self._cache = BatchCache(load_or_compute_prefix(loaded, self._ids, folder))
        self._history = PlanHistory()
        self._in_use = False

    @property
    def prefix(self) -> CachedPrefix:
        """The prefix that all prompts share, with its keys and values."""
        return self._cache.prefix

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: DecodingLimits,
        batch_size: int = 16,
        named: Sequence[Sequence[str]] = (),
        priors: Sequence[ToolPrior] = (),
    ) -> Iterator[DecodedPlan]:
        """The plan of each prompt, in order.

        `named` holds, for each prompt, the texts that its markers stand for; `priors` its prior over tools, if any.
        """
        waiting: dict[int, DecodedPlan] = {}
        next_index = 0
        for progress in self.stream(prompts, limits=limits, batch_size=batch_size, named=named, priors=priors):
            if progress.decoded is not None:
                waiting[progress.index] = progress.decoded
            while next_index in waiting:
                yield waiting.pop(next_index)
                next_index += 1

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        limits: DecodingLimits,
        batch_size: int = 1,
        named: Sequence[Sequence[str]] = (),
        priors: Sequence[ToolPrior] = (),
    ) -> Iterator[DecodingProgress]:
        """The progress of the plans after each pass of the model; closing the iterator cancels.

        Raises PromptError for a prompt that fills the model's context.
        """
        for prompt in prompts:
            self._check(prompt)
        texts_of, priors_of = named or [()] * len(prompts), priors or itertools.repeat(None, len(prompts))
        queue = enumerate(zip(prompts, texts_of, priors_of, strict=True))
        rows: list[DecodingState] = []
        with self._borrowed() as cache:
            while True:
                while len(rows) < batch_size and (following := next(queue, None)) is not None:
                    index, (prompt, texts, prior) = following
                    row = self._row(index, prompt, texts, limits, prior)
                    if row.append_forced():
                        yield row.progress
                    else:
                        rows.append(row)
                if not rows:
                    return
                self._tidy(cache, rows)
                drafts = [row.draft(AHEAD // len(rows), self._history) for row in rows]
                for row, draft, logits in zip(rows, drafts, self._logits(cache, rows, drafts), strict=True):
                    row.accept(logits, draft, limits.temperature)
                    if row.constraint.ended:
                        self._history.add(row.constraint.ids[:-1])  # nothing is drafted after the end token
                    yield row.progress
                rows = [row for row in rows if not row.constraint.ended]

    def best(
        self,
        prompt: Sequence[int],
        k: int,
        *,
        limits: DecodingLimits,
        batch_size: int = 8,
        named: Sequence[str] = (),
        prior: ToolPrior | None = None,
    ) -> list[Ranked]:
        """The k likeliest plans and their probabilities, likeliest first, by best-first search.

        A plan's probability only falls as it grows. So a complete plan that is likelier than all open beginnings is
        the next best. The result is exact, unless a limit ends the search; then it may hold fewer than k plans.
        """
        self._check(prompt)
        start = self._row(0, prompt, named, limits, prior)
        start.constraint.forced()
        order = itertools.count()
        frontier = [_Branch(0.0, next(order), start)]
        plans: list[Ranked] = []
        with self._borrowed() as cache:
            while frontier and len(plans) < k and time.monotonic() <= start.deadline:
                if frontier[0].row.constraint.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    plans.append(Ranked(branch.row.constraint.text, float(np.exp(-branch.cost))))
                    continue
                chosen: list[_Branch] = []
                while frontier and len(chosen) < batch_size and not frontier[0].row.constraint.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    if len(branch.row.constraint.ids) < start.limit:
                        chosen.append(branch)
                rows = [branch.row for branch in chosen]
                logits = self._logits(cache, rows, [()] * len(rows)) if rows else []
                for branch, row_logits in zip(chosen, logits, strict=True):
                    branch.push_children(frontier, order, row_logits[0])
        return plans

    def likely(
        self,
        prompt: Sequence[int],
        width: int,
        *,
        limits: DecodingLimits,
        named: Sequence[str] = (),
        prior: ToolPrior | None = None,
    ) -> list[DecodedPlan]:
        """Up to `width` likely plans, likeliest first, by beam search of that width."""
        self._check(prompt)
        start = self._row(0, prompt, named, limits, prior)
        rows, ended = ([], [start]) if start.append_forced() else ([start], [])
        with self._borrowed() as cache:
            while rows:
                row_logits = self._logits(cache, rows, [()] * len(rows))
                expansions = (
                    expansion
                    for row, logits in zip(rows, row_logits, strict=True)
                    for expansion in row.expand(logits[0], width)
                )
                chosen = heapq.nlargest(width - len(ended), expansions, key=lambda expansion: expansion[0])
                rows = [row.branch(token, log) for log, row, token in chosen]
                ended += [row for row in rows if row.append_forced()]
                rows = [row for row in rows if not row.constraint.ended]
                self._tidy(cache, rows)
        plans = [decoded for row in ended if (decoded := row.progress.decoded) is not None]
        return sorted(plans, key=lambda decoded: -decoded.probability)

    # ------------------------------------------------------------ the model

    @torch.inference_mode()
    def _logits(
        self, cache: BatchCache, rows: Sequence[DecodingState], drafts: Sequence[Sequence[int]]
    ) -> list[NDArray[np.float32]]:
        """For each row, the logits after its unread tokens and after each draft token: (1 + drafts, vocabulary).

        All these tokens count as read afterwards.
        """
        chunks = [[*row.unread, *draft] for row, draft in zip(rows, drafts, strict=True)]
        counts = [len(chunk) for chunk in chunks]
        ids = torch.tensor([list(itertools.chain(*chunks))])
        positions = torch.tensor(
            [[row.slots.read + i for row, count in zip(rows, counts, strict=True) for i in range(count)]]
        )
        reservation = cache.take([row.slots for row in rows], counts)
        for row, own in zip(rows, reservation.owns, strict=True):
            row.slots = own
        ends, logit_counts = np.cumsum(counts), [1 + len(draft) for draft in drafts]
        wanted = np.concatenate([np.arange(end - count, end) for end, count in zip(ends, logit_counts, strict=True)])
        device = self._loaded.device
        output = self._loaded.model(
            input_ids=ids.to(device),
            position_ids=positions.to(device),
            attention_mask=reservation.mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.from_numpy(wanted).to(device),
        )
        return np.split(output.logits[0].float().cpu().numpy(), np.cumsum(logit_counts)[:-1])

    def _tidy(self, cache: BatchCache, rows: Sequence[DecodingState]) -> None:
        """Drop the keys of finished requests once they take more places than the open requests."""
        owns = [row.slots for row in rows]
        if rows and cache.waste(owns) > 0:
            for row, own in zip(rows, cache.keep(owns), strict=True):
                row.slots = own

    @contextmanager
    def _borrowed(self) -> Iterator[BatchCache]:
        """The cache, holding only the prefix; a second cache for a caller who comes while it is in use."""
        if self._in_use:
            yield BatchCache(self._cache.prefix)
            return
        self._in_use = True
        try:
            self._cache.clear()
            yield self._cache
        finally:
            self._in_use = False

    def _check(self, prompt: Sequence[int]) -> None:
        if len(prompt) >= self._loaded.context:
            raise PromptError(
                f"the prompt has {len(prompt)} tokens, but the model's context is {self._loaded.context}",
                where=self._loaded.source,
                remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
            )
        check_tokens(self._loaded, prompt, what="the prompt")

    def _row(
        self, index: int, prompt: Sequence[int], named: Sequence[str], limits: DecodingLimits, prior: ToolPrior | None
    ) -> DecodingState:
        """A new request, which starts from the part of the prefix that its prompt shares."""
        shared = shared_prefix_length(self._ids, prompt[:-1])
        deadline = time.monotonic() + (np.inf if limits.seconds is None else limits.seconds)
        rng = np.random.default_rng((limits.seed, index))
        limit = min(limits.max_new_tokens, self._loaded.context - len(prompt))
        state = self._constraint.start(named)
        return DecodingState(
            index, list(prompt[shared:]), state, CacheSlots(shared), limit, deadline, rng=rng, prior=prior
        )


@dataclass(order=True)
class _Branch:
    """The beginning of a plan in best-first search; its cost is minus its log-probability.

    Of the tokens after a parent, only the likeliest becomes a branch at once; the next one does when that is taken.
    """

    cost: float
    order: int
    row: DecodingState = field(compare=False)
    parent: "_Parent | None" = field(default=None, compare=False)

    def push_children(self, frontier: list["_Branch"], order: Iterator[int], logits: NDArray[np.float32]) -> None:
        """Push the likeliest continuation."""
        tokens, logs = self.row.constraint.distribution(self.row.with_prior(logits))
        _Parent(self.cost, self.row, iter(zip(tokens, logs, strict=True))).push(frontier, order)

    def push_sibling(self, frontier: list["_Branch"], order: Iterator[int]) -> None:
        """Push the next likely continuation of the same parent."""
        if self.parent is not None:
            self.parent.push(frontier, order)


@dataclass
class _Parent:
    """A beginning whose continuations are taken one by one, likeliest first; they share its keys and values."""

    cost: float
    row: DecodingState
    tokens: Iterator[tuple[int, np.float64]]

    def push(self, frontier: list[_Branch], order: Iterator[int]) -> None:
        """Push the next continuation, with the tokens that it forces."""
        for token, log in self.tokens:
            state = self.row.constraint.copy()
            state.append(token)
            state.forced()
            branch = _Branch(self.cost - float(log), next(order), replace(self.row, constraint=state), self)
            heapq.heappush(frontier, branch)
            return
