"""A model of transformers over a `BatchCache`: what it computes is stored there."""

from typing import Any

import torch
from transformers.cache_utils import Cache

from platypus.decoding.kv_cache import BatchCache


class TransformersCache(Cache):
    """A `BatchCache` as the cache that a model of transformers expects."""

    def __init__(self, cache: BatchCache) -> None:
        super().__init__(layers=[])
        self._cache = cache

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's keys and values for the new tokens, and return all that are filled."""
        return self._cache.update(key_states, value_states, layer_idx)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """The tokens before the current call; transformers asks for it where it gets no positions."""
        return self._cache.earlier


def logits(model: Any, ids: torch.Tensor, positions: torch.Tensor, mask: Any, *rest: Any) -> torch.Tensor:
    """As `SmallLlama.logits`, by any model of transformers; `rest` are the cache and the wanted tokens.

    `mask` is that of all layers, or one for each kind: transformers takes a whole mask as it is, without a window.
    """
    cache, wanted = rest
    inputs = {"input_ids": ids[None], "position_ids": positions[None], "attention_mask": mask}
    output = model(**inputs, past_key_values=TransformersCache(cache), use_cache=True, logits_to_keep=wanted)
    found: torch.Tensor = output.logits[0]
    return found
