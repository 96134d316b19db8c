"""Decoding plans: a model and a constraint, requests in, valid plans out.

The catalogue's keys and values are computed once (`Prefix`), kept in memory and, on wish, on disk. Requests take their
place behind them in slots: each slot of the cache holds the prefix, and a request only writes what comes after it, so
that a slot is free for the next request without anything being copied. What the constraint forces is never asked of
the model: it rides along, in one chunk, with the next token that is a decision. When a limit is reached, the plan is
brought to its soonest valid end without the model. Knows ids and texts, not plans.
"""

import hashlib
import heapq
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import DynamicCache
from transformers.cache_utils import Cache

from platypus.errors import PromptError
from platypus.model import Loaded
from platypus.walk import Constraint, Walk

EndedBy = Literal["model", "length", "time"]


@dataclass(frozen=True)
class Limits:
    """How far and how a plan is decoded. Temperature 0 takes the best token, else one is drawn with the seed."""

    max_new_tokens: int = 512
    seconds: float | None = None
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Decoded:
    """A plan's text, its tokens with the end token, how often the model was asked, and what ended it."""

    text: str
    tokens: int
    decisions: int
    ended_by: EndedBy


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


@dataclass(frozen=True)
class Prefix:
    """The ids that all prompts begin with, and their keys and values: two tensors (1, heads, P, width) a layer."""

    ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def save(self, path: Path, *, fingerprint: str) -> None:
        """Write it as safetensors, whole or not at all."""
        tensors = {f"{name}.{i}": t for i, layer in enumerate(self.layers) for name, t in zip("kv", layer, strict=True)}
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        save_file(tensors, new, metadata={"fingerprint": fingerprint, "ids": json.dumps(self.ids)})
        new.replace(path)

    @classmethod
    def load(cls, path: Path, *, fingerprint: str, device: torch.device) -> "Prefix | None":
        """Read it; None when there is none, or another one, or a broken one."""
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                about = file.metadata() or {}
                if about.get("fingerprint") != fingerprint:
                    return None
                count = len(list(file.keys())) // 2
                layers = tuple((file.get_tensor(f"k.{i}"), file.get_tensor(f"v.{i}")) for i in range(count))
                return cls(tuple(json.loads(about["ids"])), layers)
        except (FileNotFoundError, SafetensorError):
            return None


class _Slots(Cache):
    """Keys and values of several requests behind one prefix; rows are of different lengths.

    Each layer has two tensors (slots, heads, capacity, width). A call of the model writes each row's tokens to
    `places` and sees the first `length` positions; the last position takes what only fills up a shorter row.
    """

    def __init__(self, prefix: Prefix, slots: int, capacity: int) -> None:
        super().__init__(layers=[])
        self.slots, self.capacity = slots, capacity
        self._prefix, self._spoilt = prefix, set[int]()
        self.length = len(prefix.ids)
        self.places = torch.empty(0, 0, dtype=torch.long)
        self._stored = [tuple(self._room(tensor) for tensor in layer) for layer in prefix.layers]

    def _room(self, tensor: torch.Tensor) -> torch.Tensor:
        _, heads, length, width = tensor.shape
        room = tensor.new_zeros(self.slots, heads, self.capacity, width)
        room[:, :, :length] = tensor
        return room

    def make_ready(self, slot: int, read: int) -> None:
        """Put the prefix back where the last request had to begin within it; this one begins at `read`."""
        if slot in self._spoilt:
            for stored, layer in zip(self._stored, self._prefix.layers, strict=True):
                for room, tensor in zip(stored, layer, strict=True):
                    room[slot, :, : tensor.shape[2]] = tensor[0]
        self._spoilt = self._spoilt - {slot} | ({slot} if read < len(self._prefix.ids) else set())

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store what a layer computed for the present rows, and return all that they may see."""
        rows = torch.arange(len(self.places), device=self.places.device)[:, None]
        keys, values = self._stored[layer_idx]
        keys[rows, :, self.places] = key_states.transpose(1, 2)
        values[rows, :, self.places] = value_states.transpose(1, 2)
        return keys[: len(self.places), :, : self.length], values[: len(self.places), :, : self.length]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """What transformers asks for when it is not told the positions."""
        return self.length


@dataclass
class _Row:
    """A request in a slot: its plan, the tokens that the model has not read, and how many it has."""

    index: int
    walk: Walk
    unread: list[int]
    read: int
    limit: int
    deadline: float
    decisions: int = 0
    ended_by: EndedBy = "model"
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def settle(self) -> bool:
        """Append what is forced; at a limit, all that is needed to end. Returns whether the plan is complete."""
        self.unread += self.walk.forced()
        if not self.walk.ended and len(self.walk.ids) >= self.limit:
            self.ended_by = "length"
        elif not self.walk.ended and time.monotonic() > self.deadline:
            self.ended_by = "time"
        while not self.walk.ended and self.ended_by != "model":
            self.walk.append(self.walk.shortest())
        return self.walk.ended

    def decide(self, logits: NDArray[np.float32], temperature: float) -> None:
        """Append the token that the model wants, or one drawn (by Gumbel noise: the best of the legal ones counts)."""
        scores = logits
        if temperature:
            scores = logits / temperature + self.rng.gumbel(size=len(logits)).astype(np.float32)
        token = self.walk.best(scores)
        self.walk.append(token)
        self.unread = [token]
        self.decisions += 1


class Decoder:
    """A loaded model whose answers are plans of a constraint.

    `probes` are two prompts that have in common what all prompts have; `folder` is where the prefix is kept on disk.
    """

    def __init__(
        self, loaded: Loaded, constraint: Constraint, probes: Sequence[Sequence[int]], *, folder: Path | None = None
    ) -> None:
        self._loaded, self._constraint = loaded, constraint
        ids = [a for a, b in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*probes, strict=False))]
        self.prefix = self._prefix(tuple(ids), folder)
        self._slots: _Slots | None = None

    def decode(self, prompts: Sequence[Sequence[int]], *, limits: Limits, batch_size: int = 16) -> Iterator[Decoded]:
        """The plan of each prompt, in order."""
        waiting: dict[int, Decoded] = {}
        wanted = 0
        for progress in self.stream(prompts, limits=limits, batch_size=batch_size):
            if progress.decoded is not None:
                waiting[progress.index] = progress.decoded
            while wanted in waiting:
                yield waiting.pop(wanted)
                wanted += 1

    def stream(self, prompts: Sequence[Sequence[int]], *, limits: Limits, batch_size: int = 1) -> Iterator[Progress]:
        """The plans as they grow: after each token that is a decision, and when one is complete. Closing it cancels.

        Raises PromptError for a prompt that fills the model's context.
        """
        queue = iter([self._row(index, prompt, limits) for index, prompt in enumerate(prompts)])
        slots = self._room(prompts, min(batch_size, max(1, len(prompts))), limits.max_new_tokens)
        rows: list[_Row | None] = [None] * slots.slots
        while True:
            for slot, row in enumerate(rows):
                while row is None or row.settle():
                    if row is not None:
                        yield Progress(row.index, row.walk.text, _decoded(row))
                    row = next(queue, None)
                    if row is None:
                        break
                    slots.make_ready(slot, row.read)
                rows[slot] = row
            active = [row for row in rows if row is not None]
            if not active:
                return
            for row, logits in zip(active, self._logits(slots, rows), strict=True):
                row.decide(logits, limits.temperature)
                yield Progress(row.index, row.walk.text, None)

    def best(self, prompt: Sequence[int], k: int, *, limits: Limits, batch_size: int = 8) -> list[Ranked]:
        """The k likeliest plans and their probabilities, likeliest first, found by best-first search.

        Probabilities only fall as a plan grows, so a plan that is complete before all likelier beginnings are
        followed up is among the best: the result is exact, unless a limit ends the search; then it may be short.
        """
        start = self._row(0, prompt, limits)
        slots = self._room([prompt], batch_size, limits.max_new_tokens)
        order = itertools.count()
        start.walk.forced()
        frontier = [_Branch(0.0, next(order), start.walk)]
        found: list[Ranked] = []
        while frontier and len(found) < k and time.monotonic() <= start.deadline:
            if frontier[0].walk.ended:
                branch = heapq.heappop(frontier)
                branch.push_sibling(frontier, order)
                found.append(Ranked(branch.walk.text, float(np.exp(-branch.cost))))
                continue
            chosen: list[_Branch] = []
            while frontier and len(chosen) < batch_size and not frontier[0].walk.ended:
                branch = heapq.heappop(frontier)
                branch.push_sibling(frontier, order)
                if len(branch.walk.ids) < start.limit:
                    chosen.append(branch)
            rows: list[_Row | None] = [self._row(0, [*prompt, *branch.walk.ids], limits) for branch in chosen]
            for slot, row in enumerate(rows):
                slots.make_ready(slot, row.read if row else 0)
            for branch, logits in zip(chosen, self._logits(slots, rows) if rows else (), strict=True):
                branch.push_children(frontier, order, logits)
        return found

    # ------------------------------------------------------------ the model

    @torch.inference_mode()
    def _logits(self, slots: _Slots, rows: Sequence[_Row | None]) -> list[NDArray[np.float32]]:
        """What the model says after each row's unread tokens, which count as read from then on."""
        device = self._loaded.device
        used = max(slot for slot, row in enumerate(rows) if row is not None) + 1
        width = max(len(row.unread) for row in rows[:used] if row is not None)
        ids = torch.zeros(used, width, dtype=torch.long)
        positions = torch.zeros(used, width, dtype=torch.long)
        places = torch.full((used, width), slots.capacity - 1)
        for slot, row in enumerate(rows[:used]):
            if row is not None:
                count = len(row.unread)
                ids[slot, width - count :] = torch.tensor(row.unread)
                positions[slot, width - count :] = torch.arange(row.read, row.read + count)
                places[slot, width - count :] = positions[slot, width - count :]
                row.read, row.unread = row.read + count, []
        slots.length = max(row.read for row in rows if row is not None)
        slots.places = places.to(device)
        seen = torch.arange(slots.length)[None, None, :] <= positions[:, :, None]
        output = self._loaded.model(
            input_ids=ids.to(device),
            position_ids=positions.to(device),
            attention_mask=seen[:, None].to(device),
            past_key_values=slots,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = output.logits[:, -1].float().cpu().numpy()
        return [logits[slot] for slot, row in enumerate(rows) if row is not None]

    def _room(self, prompts: Sequence[Sequence[int]], slots: int, new_tokens: int) -> _Slots:
        """A cache that is large enough; the last one, if it is."""
        capacity = min(max(map(len, prompts), default=0) + new_tokens, self._loaded.context) + 1
        old = self._slots
        if old is None or old.slots != slots or old.capacity < capacity:
            self._slots = None  # so that two need not fit at once
            self._slots = _Slots(self.prefix, slots, capacity)
        assert self._slots is not None
        return self._slots

    def _row(self, index: int, prompt: Sequence[int], limits: Limits) -> _Row:
        room = self._loaded.context - len(prompt)
        if room <= 0:
            raise PromptError(
                f"the prompt has {len(prompt)} tokens, but the model's context is {self._loaded.context}",
                where=self._loaded.source,
                remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
            )
        alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(self.prefix.ids, prompt[:-1], strict=False))
        shared = sum(1 for _ in alike)
        deadline = time.monotonic() + (np.inf if limits.seconds is None else limits.seconds)
        rng = np.random.default_rng((limits.seed, index))
        limit = min(limits.max_new_tokens, room)
        return _Row(index, self._constraint.start(), list(prompt[shared:]), shared, limit, deadline, rng=rng)

    def _prefix(self, ids: tuple[int, ...], folder: Path | None) -> Prefix:
        """The prefix from disk if this very one is there, else computed."""
        if folder is None:
            return self._computed(ids)
        fingerprint = weights_fingerprint(self._loaded, ids)
        path = folder / f"prefix-{fingerprint}.safetensors"
        prefix = Prefix.load(path, fingerprint=fingerprint, device=self._loaded.device)
        if prefix is None:
            prefix = self._computed(ids)
            prefix.save(path, fingerprint=fingerprint)
        return prefix

    @torch.inference_mode()
    def _computed(self, ids: tuple[int, ...]) -> Prefix:
        cache: Any = DynamicCache()
        tensor = torch.tensor([ids], device=self._loaded.device)
        self._loaded.model(input_ids=tensor, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return Prefix(ids, tuple((layer.keys.contiguous(), layer.values.contiguous()) for layer in cache.layers))


@dataclass(order=True)
class _Branch:
    """The beginning of a plan in the search for the best: its cost is minus the logarithm of its probability.

    Of the tokens after its parent only the likeliest becomes a branch at once; the next one when that is taken.
    """

    cost: float
    order: int
    walk: Walk = field(compare=False)
    parent: "_Parent | None" = field(default=None, compare=False)

    def push_children(self, frontier: list["_Branch"], order: Iterator[int], logits: NDArray[np.float32]) -> None:
        """The likeliest continuation joins the frontier."""
        tokens, logs = self.walk.distribution(logits)
        _Parent(self.cost, self.walk, iter(zip(tokens, logs, strict=True))).push(frontier, order)

    def push_sibling(self, frontier: list["_Branch"], order: Iterator[int]) -> None:
        """The next likely continuation of the same parent joins the frontier."""
        if self.parent is not None:
            self.parent.push(frontier, order)


@dataclass
class _Parent:
    """A beginning whose continuations are taken one after the other, likeliest first."""

    cost: float
    walk: Walk
    tokens: Iterator[tuple[int, np.float64]]

    def push(self, frontier: list[_Branch], order: Iterator[int]) -> None:
        """The next continuation, with what it forces, joins the frontier."""
        for token, log in self.tokens:
            walk = self.walk.copy()
            walk.append(token)
            walk.forced()
            heapq.heappush(frontier, _Branch(self.cost - float(log), next(order), walk, self))
            return


def weights_fingerprint(loaded: Loaded, ids: Iterable[int]) -> str:
    """16 hex digits of what keys and values depend on: sampled weights (of an adapter too), number format, ids."""
    digest = hashlib.sha256(json.dumps([str(loaded.model.dtype), *ids]).encode())
    for name, weight in loaded.model.named_parameters():
        stride = max(1, weight.numel() // 64)
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().flatten()[::stride].to(torch.float64).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _decoded(row: _Row) -> Decoded:
    return Decoded(row.walk.text, len(row.walk.ids), row.decisions, row.ended_by)
