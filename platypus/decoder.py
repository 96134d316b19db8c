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
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from platypus.cache import Own, Prefix, Store, kept_prefix
from platypus.errors import PromptError
from platypus.guess import Earlier, alike, copied
from platypus.model import Loaded
from platypus.walk import FEW, Constraint, Walk

AHEAD = 32  # guessed tokens in one pass, of all requests together: so few cost hardly any time
COPIED = 8  # from a request at most: a value ends sooner

EndedBy = Literal["model", "length", "time"]  # as in `platypus.planner`


@dataclass(frozen=True)
class Limits:
    """How far and how a plan is decoded. Temperature 0 takes the best token, else one is drawn with the seed.

    The seconds of a request begin when its turn has come.
    """

    max_new_tokens: int = 512
    seconds: float | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Decoded:
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
class Progress:
    """How far the plan of request `index` has come; `decoded` when it is complete."""

    index: int
    text: str
    decoded: Decoded | None


@dataclass(frozen=True)
class Ranked:
    """One of the best plans of a request, with the probability that the constrained model gives it."""

    text: str
    probability: float


@dataclass
class _Row:
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
        allowed = logits[self.walk.candidates()]
        token = self.walk.best(scores)
        self.log += float(logits[token] - allowed.max() - np.log(np.exp(allowed - allowed.max()).sum()))
        self.walk.append(token)
        self.decisions += 1

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        walk, decoded = self.walk, None
        if walk.ended:
            decoded = Decoded(walk.text, len(walk.ids), self.decisions, self.ended_by, float(np.exp(self.log)))
        return Progress(self.index, walk.text, decoded)


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
        rows: list[_Row] = []
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

    # ------------------------------------------------------------ the model

    @torch.inference_mode()
    def _logits(
        self, store: Store, rows: Sequence[_Row], guesses: Sequence[Sequence[int]]
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

    def _tidy(self, store: Store, rows: Sequence[_Row]) -> None:
        """Forget the requests that are done, when they take more places than those under way."""
        owns = [row.own for row in rows]
        if store.waste(owns) > 0:
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

    def _row(self, index: int, prompt: Sequence[int], named: Sequence[str], limits: Limits) -> _Row:
        """The request at its beginning: it shares the prefix as far as that goes."""
        shared = alike(self._ids, prompt[:-1])
        deadline = time.monotonic() + (np.inf if limits.seconds is None else limits.seconds)
        rng = np.random.default_rng((limits.seed, index))
        limit = min(limits.max_new_tokens, self._loaded.context - len(prompt))
        walk = self._constraint.start(named)
        return _Row(index, list(prompt[shared:]), walk, Own(shared), limit, deadline, rng=rng)


@dataclass(order=True)
class _Branch:
    """The beginning of a plan in the search for the best: its cost is minus the logarithm of its probability.

    Of the tokens after its parent only the likeliest becomes a branch at once; the next one when that is taken.
    """

    cost: float
    order: int
    row: _Row = field(compare=False)
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
    row: _Row
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
