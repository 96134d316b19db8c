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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

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
from platypus.decoding.state import Beam, Decoding, DecodingState
from platypus.decoding.tool_prior import ToolPrior
from platypus.errors import PromptError
from platypus.model.adapters import Activation
from platypus.model.loading import Loaded, check_tokens
from platypus.model.small_llama import SmallLlama

AHEAD = 32  # draft tokens in one pass, of all requests together: so few cost hardly any time
GRAMMAR = 64  # bytes that a compiled grammar takes for each letter of its text, more or less


@dataclass(frozen=True)
class Ranked:
    """One of the best plans of a request: its probability under the constrained model, and its number of tokens."""

    text: str
    probability: float
    tokens: int


class Decoder:
    """A loaded model whose answers are plans of a constraint.

    `probes` are two prompts that share only the prefix that all prompts share. `folder` is where its keys and values
    are stored; None: only in memory. `prefix` is that of another decoder of the same prompts. An adapter that is
    activated acts on all but the prefix, which then ends with the tokens of `opening`.
    """

    def __init__(
        self,
        loaded: Loaded,
        constraint: Constraint,
        probes: Sequence[Sequence[int]],
        *,
        folder: Path | None = None,
        prefix: CachedPrefix | None = None,
        opening: Sequence[int] = (),
    ) -> None:
        check_keys_and_values(loaded)
        self._loaded, self._constraint, self._context = loaded, constraint, loaded.context
        self._activation, self._frozen = Activation(loaded), bool(opening)
        self._ids = tuple(opening or probes[0][: shared_prefix_length(*probes)])
        self._cache = BatchCache(prefix or load_or_compute_prefix(loaded, self._ids, folder, frozen=self._frozen))
        self._history = PlanHistory()
        self._in_use = False

    @property
    def bytes(self) -> int:
        """The memory of the keys and values, and about that of the grammar."""
        return self._cache.bytes + GRAMMAR * len(self._constraint.grammar.lark)

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
        requests = enumerate(zip(prompts, texts_of, priors_of, strict=True))
        rows = (
            self.begin(prompt, limits, named=texts, prior=prior, index=index)
            for index, (prompt, texts, prior) in requests
        )
        for progresses in self.run(lambda: next(rows, None), batch_size=batch_size):
            yield from progresses

    def begin(
        self,
        prompt: Sequence[int],
        limits: DecodingLimits,
        *,
        named: Sequence[str] = (),
        prior: ToolPrior | None = None,
        index: int = 0,
        draw: int | None = None,
    ) -> DecodingState:
        """The state of a new request, for `run`. Raises PromptError for a prompt that fills the model's context.

        `draw` counts the samples of one seed; it is the index if it is not given.
        """
        self._check(prompt)
        shared = shared_prefix_length(self._ids, prompt[:-1])
        if self._frozen and shared < len(self._ids):
            raise PromptError("the prompt does not begin with the tools of its decoder", where=self._loaded.source)
        return DecodingState(
            index,
            list(prompt[shared:]),
            self._constraint.start(named),
            CacheSlots(shared),
            limit=min(limits.max_new_tokens, self._context - len(prompt)),
            deadline=time.monotonic() + (np.inf if limits.seconds is None else limits.seconds),
            rng=np.random.default_rng((limits.seed, index if draw is None else draw)),
            prior=prior,
            temperature=limits.temperature,
        )

    def run(self, following: Callable[[], Decoding | None], *, batch_size: int) -> Iterator[list[DecodingProgress]]:
        """The progress of all requests after each pass of the model, until none is left; closing the iterator cancels.

        `following` gives the next request, or None if there is none now; it is asked before each pass, while fewer than
        `batch_size` plans are being decoded. So requests may come at any time.
        """
        active: list[Decoding] = []
        with self._borrowed() as cache:
            while True:
                begun: list[DecodingProgress] = []
                while sum(len(one.rows) for one in active) < batch_size and (new := following()) is not None:
                    if new.append_forced():
                        begun.append(new.progress)
                    else:
                        active.append(new)
                if begun:
                    yield begun
                if not active:
                    return
                rows = [row for one in active for row in one.rows]
                self._tidy(cache, rows)
                drafts = [draft for one in active for draft in one.drafts(AHEAD // len(rows), self._history)]
                logits, at = self._logits(cache, rows, drafts), 0
                for one in active:
                    own = slice(at, at := at + len(one.rows))
                    one.advance(logits[own], drafts[own], self._history)
                yield [one.progress for one in active]
                active = [one for one in active if one.rows]

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
        start = self.begin(prompt, limits, named=named, prior=prior)
        start.constraint.forced()
        order = itertools.count()
        frontier = [_Branch(0.0, next(order), start)]
        plans: list[Ranked] = []
        with self._borrowed() as cache:
            while frontier and len(plans) < k and time.monotonic() <= start.deadline:
                if frontier[0].row.constraint.ended:
                    branch = heapq.heappop(frontier)
                    branch.push_sibling(frontier, order)
                    state = branch.row.constraint
                    plans.append(Ranked(state.text, float(np.exp(-branch.cost)), len(state.ids)))
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
        beam = Beam(self.begin(prompt, limits, named=named, prior=prior), width)
        waiting = iter([beam])
        for _ in self.run(lambda: next(waiting, None), batch_size=width):
            pass
        return beam.plans

    def probability(
        self,
        prompt: Sequence[int],
        plan: Sequence[int],
        *,
        limits: DecodingLimits,
        named: Sequence[str] = (),
        prior: ToolPrior | None = None,
    ) -> float:
        """The probability of a plan as in `best`, given as its tokens with the end token; 0 if it cannot be made."""
        row = self.begin(prompt, limits, named=named, prior=prior)
        with self._borrowed() as cache:
            (logits,) = self._logits(cache, [row], [plan[:-1]])
        state, log = row.constraint, 0.0
        state.forced()
        while state.ids == [*plan[: len(state.ids)]] and not state.ended:
            at = len(state.ids)
            if plan[at] not in state.candidates() or not state.legal(np.array([plan[at]])):
                return 0.0
            scores = row.with_prior(logits[at])
            tokens, logs = state.distribution(scores)
            log += float(logs[0] + scores[plan[at]] - scores[tokens[0]])  # it may be too unlikely to be listed
            state.append(plan[at])
            state.forced()
        return float(np.exp(log)) if state.ids == [*plan] else 0.0

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
        ids = torch.tensor(list(itertools.chain(*chunks)))
        positions = torch.tensor(
            [row.slots.read + i for row, count in zip(rows, counts, strict=True) for i in range(count)]
        )
        config: Any = self._loaded.model.config
        window = getattr(config.get_text_config(), "sliding_window", None)
        reservation = cache.take([row.slots for row in rows], counts, window=window)
        for row, own in zip(rows, reservation.owns, strict=True):
            row.slots = own
        ends, logit_counts = np.cumsum(counts), [1 + len(draft) for draft in drafts]
        wanted = np.concatenate([np.arange(end - count, end) for end, count in zip(ends, logit_counts, strict=True)])
        device = self._loaded.device
        mask = reservation.masks_for(config)
        inputs = (ids.to(device), positions.to(device), mask, cache, torch.from_numpy(wanted).to(device))
        with self._activation.everywhere() as model:
            logits = _logits_of(model)(*inputs)
        return np.split(logits.float().cpu().numpy(), np.cumsum(logit_counts)[:-1])

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
        if len(prompt) >= self._context:
            raise PromptError(
                f"the prompt has {len(prompt)} tokens, but the model's context is {self._context}",
                where=self._loaded.source,
                remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
            )
        check_tokens(self._loaded, prompt, what="the prompt")


def _logits_of(model: Any) -> Callable[..., torch.Tensor]:
    """What computes logits: the model itself, or a model of transformers over the cache."""
    if isinstance(model, SmallLlama):
        return model.logits
    from platypus.decoding.transformers_cache import logits

    return partial(logits, model)


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
