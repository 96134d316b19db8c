"""A key-value cache for a common prefix and many requests after it.

    CachedPrefix   keys and values of the tokens that all prompts begin with; can be stored on disk
    BatchCache     one row of keys per layer: the prefix, then the tokens of all requests in the order they were read

A mask lets each token attend to the prefix and to the earlier tokens of its own request. So no request copies the
prefix, one pass of the model takes chunks of any length without padding, a finished request costs nothing more, and
several continuations of one beginning share its keys. Unmodified transformers models run on it
(`transformers_cache.py`), with any attention that takes a mask. This module knows no plans, and no tokens except those
of the prefix.
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

from platypus.errors import ModelError
from platypus.files import say
from platypus.model.adapters import without_activation
from platypus.model.loading import Loaded
from platypus.model.small_llama import SmallLlama

ROOM = 256  # tokens after the prefix for which a cache makes room at least


def check_keys_and_values(loaded: Loaded) -> None:
    """Raises ModelError for a model that does not compute its logits from keys, values and a mask alone."""
    model: Any = loaded.model
    if isinstance(model, SmallLlama):
        return
    model = getattr(model, "get_base_model", lambda: model)()  # without PEFT's wrapper
    reason = ""
    if model._is_stateful:  # as transformers marks them
        reason = "some of its layers keep a state instead of keys and values"
    elif model.config.model_type == "bloom" or model.config.to_dict().get("alibi"):
        reason = "the biases of its attention (ALiBi) leave no room for a mask for each request"
    if reason:
        raise ModelError(
            f"{model.config.model_type} models cannot plan under a grammar: {reason}",
            where=loaded.source,
            remedy='Set decoding = "free" under [decode], or use another base.',
        )


@dataclass(frozen=True)
class CachedPrefix:
    """The ids that all prompts begin with, and their keys and values: per layer two tensors (1, heads, ids, width)."""

    ids: tuple[int, ...]
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    @torch.inference_mode()
    def compute(cls, loaded: Loaded, ids: Sequence[int]) -> "CachedPrefix":
        """Compute the keys and values in one pass of the model; an activated adapter does not act on them."""
        model = without_activation(loaded)
        tensor = torch.tensor([*ids], device=loaded.device)
        if isinstance(model, SmallLlama):
            return cls(tuple(ids), tuple(model.keys_and_values(tensor)))
        from transformers import DynamicCache

        cache: Any = DynamicCache()
        model(input_ids=tensor[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
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
        """Read it; None if the file is missing, broken, or of another model or prefix."""
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                metadata = file.metadata() or {}
                if metadata.get("fingerprint") != fingerprint:
                    return None
                layer_count = len(list(file.keys())) // 2
                layers = tuple((file.get_tensor(f"k.{i}"), file.get_tensor(f"v.{i}")) for i in range(layer_count))
                return cls(tuple(json.loads(metadata["ids"])), layers)
        except (FileNotFoundError, SafetensorError):
            return None


def load_or_compute_prefix(
    loaded: Loaded, ids: Sequence[int], folder: Path | None, *, frozen: bool = False
) -> CachedPrefix:
    """The prefix, read from the folder if it is there, else computed and, if there is a folder, written to it.

    A `frozen` one is its base's own, whatever adapter is on it. The last of these stays in memory, for the base's next
    planner and those of its adapters.
    """
    if folder is None and not frozen:
        return CachedPrefix.compute(loaded, ids)
    fingerprint = (frozen_fingerprint if frozen else weights_fingerprint)(loaded, ids)
    key = f"{fingerprint} {loaded.device}"
    if frozen and key in _LAST:
        return _LAST[key]
    path = None if folder is None else folder / f"prefix-{fingerprint}.safetensors"
    prefix = None if path is None else CachedPrefix.load(path, fingerprint=fingerprint, device=loaded.device)
    if prefix is None:
        prefix = CachedPrefix.compute(loaded, ids)
        if path is not None:
            _save(prefix, path, fingerprint)
    if frozen:
        _LAST.clear()
        _LAST[key] = prefix
    return prefix


_LAST: dict[str, CachedPrefix] = {}  # the last frozen prefix, by its fingerprint and device


def _save(prefix: CachedPrefix, path: Path, fingerprint: str) -> None:
    try:
        prefix.save(path, fingerprint=fingerprint)
    except OSError as error:  # a run that can only be read is answered all the same
        say(f"{path}: the prefix cannot be kept there ({error.strerror}), so the next process computes it again")


def weights_fingerprint(loaded: Loaded, ids: Iterable[int]) -> str:
    """16 hex digits over what keys and values depend on: sampled weights (adapters included), dtype, ids."""
    digest = hashlib.sha256(json.dumps([str(loaded.model.dtype), *ids]).encode())
    for name, weight in loaded.model.named_parameters():
        stride = max(1, weight.numel() // 64)
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(weight.detach().flatten()[::stride].to(torch.float64).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def frozen_fingerprint(loaded: Loaded, ids: Iterable[int]) -> str:
    """As `weights_fingerprint` for the base's own keys and values: the same without an adapter and under any."""
    quantisation = str(getattr(loaded.model.config, "quantization_config", None))
    known = [loaded.fingerprint, str(loaded.model.dtype), quantisation, *ids]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


class CacheSlots(NamedTuple):
    """Where the tokens of a request are: the first `begin` are those of the prefix, the rest is at `places`."""

    begin: int
    places: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def read(self) -> int:
        """How many tokens of the request the model has read, including those of the prefix."""
        return self.begin + len(self.places)


class Reservation(NamedTuple):
    """Places for new tokens, and their attention mask: 0 or minus infinity, (1, 1, tokens, places).

    `near` is the mask of layers that see a window only; None if no request is longer than the window.
    """

    owns: list[CacheSlots]
    mask: torch.Tensor
    near: torch.Tensor | None = None

    def masks_for(self, config: Any) -> torch.Tensor | dict[str, torch.Tensor]:
        """The mask as a model with this config takes it; where only some layers have a window, one for each kind."""
        kinds = getattr(config.get_text_config(), "layer_types", None) or ("sliding_attention",)
        if self.near is None or "sliding_attention" not in kinds:
            return self.mask
        return {"full_attention": self.mask, "sliding_attention": self.near} if len({*kinds}) > 1 else self.near


class BatchCache:
    """Keys and values of a prefix, then of requests: per layer two tensors (1, heads, room, width).

    They are filled from the front. A call of the model writes to the places that the last `take` reserved, and reads
    all filled places.
    """

    def __init__(self, prefix: CachedPrefix) -> None:
        self._ids = prefix.ids
        self._stored = [list(layer) for layer in prefix.layers]
        self._used = self._room = len(prefix.ids)
        self._new = 0

    @property
    def prefix(self) -> CachedPrefix:
        """The prefix; its tensors are views into this cache."""
        length = len(self._ids)
        return CachedPrefix(self._ids, tuple((key[:, :, :length], value[:, :, :length]) for key, value in self._stored))

    @property
    def bytes(self) -> int:
        """The memory that the keys and values take."""
        return sum(tensor.nbytes for layer in self._stored for tensor in layer)

    def clear(self) -> None:
        """Drop all requests."""
        self._used = len(self._ids)

    def take(self, owns: Sequence[CacheSlots], counts: Sequence[int], *, window: int | None = None) -> Reservation:
        """Reserve places for `counts[i]` new tokens of request i; windowed layers see the last `window` tokens."""
        self._new = sum(counts)
        start, self._used = self._used, self._used + self._new
        self._make_room()
        mask = np.full((self._new, self._used), -np.inf, np.float32)
        extended, first = [], 0
        for own, count in zip(owns, counts, strict=True):
            rows = mask[first : first + count]
            rows[:, : own.begin] = 0
            rows[:, own.places] = 0
            rows[:, start + first : start + first + count][np.tri(count, dtype=bool)] = 0
            extended.append(
                CacheSlots(own.begin, np.append(own.places, np.arange(start + first, start + first + count)))
            )
            first += count
        masks = [mask]
        if window and any(own.read > window for own in extended):
            masks.append(_within(window, mask, extended, counts))
        key = self._stored[0][0]
        return Reservation(extended, *(torch.from_numpy(one)[None, None].to(key.device, key.dtype) for one in masks))

    @torch.inference_mode()
    def keep(self, owns: Sequence[CacheSlots]) -> list[CacheSlots]:
        """Drop all other requests, and move the places of these together."""
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
        """The number of filled places beyond twice what these requests need; may be negative."""
        return self._used - len(self._ids) - 2 * sum(len(own.places) for own in owns)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's keys and values for the new tokens, and return all that are filled."""
        keys, values = self._stored[layer_idx]
        keys[:, :, self._used - self._new : self._used] = key_states
        values[:, :, self._used - self._new : self._used] = value_states
        return keys[:, :, : self._used], values[:, :, : self._used]

    @property
    def earlier(self) -> int:
        """The filled places before those that the last `take` reserved."""
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
        self._room = room  # set last, since an interruption may come at any moment


def _within(
    window: int, mask: NDArray[np.float32], owns: Sequence[CacheSlots], counts: Sequence[int]
) -> NDArray[np.float32]:
    """The mask of layers that see the last `window` tokens only; `owns` include the new tokens."""
    near, first = mask.copy(), 0
    for own, count in zip(owns, counts, strict=True):
        age = np.arange(own.read - count, own.read)[:, None] - np.arange(own.read)
        row, token = np.nonzero(age >= window)
        near[first + row, np.append(np.arange(own.begin), own.places)[token]] = -np.inf
        first += count
    return near
