"""Keys and values of a prefix, and of requests side by side behind it.

    Prefix   what all prompts begin with, once for a model and catalogue; it can lie on the disk
    Store    one row of keys for each layer: the prefix, then the tokens of all requests in the order of their reading

A mask lets each token see the prefix and what comes before it in its own request. So no request copies the prefix, one
pass of the model takes chunks of any lengths without padding, a request that is done costs nothing more, and several
continuations of one beginning share its keys. Unmodified transformers models run on it, with any attention that takes
a mask. Knows no plans and no tokens but those of the prefix.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import DynamicCache
from transformers.cache_utils import Cache

from platypus.model.loading import Loaded

ROOM = 256  # the least number of tokens behind the prefix that a store has room for


@dataclass(frozen=True)
class CachedPrefix:
    """The ids that all prompts begin with, and their keys and values: two tensors (1, heads, P, width) a layer."""

    ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    @torch.inference_mode()
    def compute(cls, loaded: Loaded, ids: Sequence[int]) -> "CachedPrefix":
        """One pass of the model over the ids."""
        cache: Any = DynamicCache()
        tensor = torch.tensor([[*ids]], device=loaded.device)
        loaded.model(input_ids=tensor, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cls(tuple(ids), tuple((layer.keys, layer.values) for layer in cache.layers))

    def save(self, path: Path, *, fingerprint: str) -> None:
        """Write it as safetensors, whole or not at all."""
        tensors = {
            f"{name}.{i}": tensor.contiguous()
            for i, layer in enumerate(self.layers)
            for name, tensor in zip("kv", layer, strict=True)
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        save_file(tensors, new, metadata={"fingerprint": fingerprint, "ids": json.dumps(self.ids)})
        new.replace(path)

    @classmethod
    def load(cls, path: Path, *, fingerprint: str, device: torch.device) -> "CachedPrefix | None":
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


def load_or_compute_prefix(loaded: Loaded, ids: Sequence[int], folder: Path | None) -> CachedPrefix:
    """The prefix from the folder if this very one is there, else computed, and written there."""
    if folder is None:
        return CachedPrefix.compute(loaded, ids)
    fingerprint = weights_fingerprint(loaded, ids)
    path = folder / f"prefix-{fingerprint}.safetensors"
    prefix = CachedPrefix.load(path, fingerprint=fingerprint, device=loaded.device)
    if prefix is None:
        prefix = CachedPrefix.compute(loaded, ids)
        prefix.save(path, fingerprint=fingerprint)
    return prefix


def weights_fingerprint(loaded: Loaded, ids: Iterable[int]) -> str:
    """16 hex digits of what keys and values depend on: sampled weights (of an adapter too), number format, ids."""
    digest = hashlib.sha256(json.dumps([str(loaded.model.dtype), *ids]).encode())
    for name, weight in loaded.model.named_parameters():
        stride = max(1, weight.numel() // 64)
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().flatten()[::stride].to(torch.float64).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class CacheSlots(NamedTuple):
    """What a request has in a store: it leaves the prefix at `begin`, and its tokens from there are at `places`."""

    begin: int
    places: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def read(self) -> int:
        """How many tokens of the request the model has read, those of the prefix among them."""
        return self.begin + len(self.places)


class Reservation(NamedTuple):
    """Places for new tokens, and what each of them sees: 0, or minus infinity, in (1, 1, tokens, places)."""

    owns: list[CacheSlots]
    mask: torch.Tensor


class BatchCache(Cache):
    """Keys and values behind a prefix: two tensors (1, heads, room, width) a layer, of which the first places are used.

    A call of the model writes what `take` has made places for, the last ones, and sees all.
    """

    def __init__(self, prefix: CachedPrefix) -> None:
        super().__init__(layers=[])
        self._ids = prefix.ids
        self._stored = [list(layer) for layer in prefix.layers]
        self._used = self._room = len(prefix.ids)
        self._new = 0

    @property
    def prefix(self) -> CachedPrefix:
        """The prefix, which stays where it is."""
        length = len(self._ids)
        return CachedPrefix(self._ids, tuple((key[:, :, :length], value[:, :, :length]) for key, value in self._stored))

    def clear(self) -> None:
        """Forget all requests."""
        self._used = len(self._ids)

    def take(self, owns: Sequence[CacheSlots], counts: Sequence[int]) -> Reservation:
        """Places for so many new tokens of each request."""
        self._new = sum(counts)
        start, self._used = self._used, self._used + self._new
        self._make_room()
        seen = np.full((self._new, self._used), -np.inf, np.float32)
        longer, first = [], 0
        for own, count in zip(owns, counts, strict=True):
            rows = seen[first : first + count]
            rows[:, : own.begin] = 0
            rows[:, own.places] = 0
            rows[:, start + first : start + first + count][np.tri(count, dtype=bool)] = 0
            longer.append(CacheSlots(own.begin, np.append(own.places, np.arange(start + first, start + first + count))))
            first += count
        key = self._stored[0][0]
        return Reservation(longer, torch.from_numpy(seen)[None, None].to(key.device, key.dtype))

    @torch.inference_mode()
    def keep(self, owns: Sequence[CacheSlots]) -> list[CacheSlots]:
        """Forget all requests but these, which move together."""
        length = len(self._ids)
        index = torch.from_numpy(np.concatenate([own.places for own in owns])).to(self._stored[0][0].device)
        self._used = length + len(index)
        for tensor in (tensor for layer in self._stored for tensor in layer):
            tensor[:, :, length : self._used] = tensor.index_select(2, index)
        ends = length + np.cumsum([len(own.places) for own in owns])
        return [
            CacheSlots(own.begin, np.arange(end - len(own.places), end)) for own, end in zip(owns, ends, strict=True)
        ]

    def waste(self, owns: Sequence[CacheSlots]) -> int:
        """How many more places are used than these requests need twice over."""
        return self._used - len(self._ids) - 2 * sum(len(own.places) for own in owns)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store what a layer computed for the new tokens, and return all that there is."""
        keys, values = self._stored[layer_idx]
        keys[:, :, self._used - self._new : self._used] = key_states
        values[:, :, self._used - self._new : self._used] = value_states
        return keys[:, :, : self._used], values[:, :, : self._used]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """What transformers asks for when it is not told the positions."""
        return self._used - self._new

    def _make_room(self) -> None:
        if self._used <= self._room:
            return
        filled = self._used - self._new
        room = len(self._ids) + max(ROOM, 2 * (self._used - len(self._ids)))
        for layer in self._stored:
            for i, tensor in enumerate(layer):
                _, heads, _, width = tensor.shape
                layer[i] = tensor.new_empty(1, heads, room, width)
                layer[i][:, :, :filled] = tensor[:, :, :filled]
        self._room = room  # last, as an interruption may come at any moment
