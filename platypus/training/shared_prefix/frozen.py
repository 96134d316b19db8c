"""Prefixes that no adapter acts on: the base's own keys and values, computed once and kept.

An activated adapter acts only on what stands behind the tools (`EncodedExample.frozen`). What stands before does not
change while it is trained, and nothing is propagated back through it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from peft import PeftModel

from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.training.shared_prefix.prefix import SharedPrefix, prefix_pass


class LatestPrefixes:
    """Which prefixes are kept: those needed last, up to `room` in total, and the very last one in any case."""

    def __init__(self, room: float) -> None:
        self.room = room
        self.used = self.most = 0  # now, and at any time
        self._sizes: OrderedDict[tuple[int, ...], int] = OrderedDict()

    def __contains__(self, ids: tuple[int, ...]) -> bool:
        return ids in self._sizes

    def need(self, ids: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
        """Note that a prefix of this size is needed; returns those that are dropped for it."""
        dropped = []
        if ids not in self:
            self._sizes[ids] = size
            self.used += size
            while self.used > self.room and len(self._sizes) > 1:
                oldest, its_size = self._sizes.popitem(last=False)
                dropped.append(oldest)
                self.used -= its_size
            self.most = max(self.most, self.used)
        self._sizes.move_to_end(ids)
        return dropped


class FrozenPrefixes:
    """The prefixes of a base that were needed last, up to `room` bytes."""

    def __init__(self, room: float = 0.0) -> None:
        self._latest = LatestPrefixes(room)
        self._kept: dict[tuple[int, ...], SharedPrefix] = {}

    def of(self, adapted: Loaded, ids: tuple[int, ...]) -> SharedPrefix:
        """The prefix of these tokens, computed with the adapter switched off unless it is kept."""
        if ids not in self._latest:
            self._kept[ids] = compute(adapted, ids)
        for dropped in self._latest.need(ids, size(self._kept[ids])):
            del self._kept[dropped]
        return self._kept[ids]


def compute(adapted: Loaded, ids: Sequence[int]) -> SharedPrefix:
    """Keys and values of these tokens without the adapter and without gradients."""
    forward, model = prefix_pass(ids), adapted.model
    alone: AbstractContextManager[None] = model.disable_adapter() if isinstance(model, PeftModel) else nullcontext()
    with torch.no_grad(), alone, forward.spare_last_layer(model):
        forward.logits(model)
    prefix = forward.prefix
    assert prefix is not None  # as of each prefix pass
    prefix.detach()
    prefix.computed.clear()
    prefix.end.clear()
    return prefix


def size(prefix: SharedPrefix) -> int:
    """The bytes of its keys and values."""
    return sum(part.nbytes for pair in prefix.leaves.values() for part in pair)


def behind_one_prefix(examples: Sequence[EncodedExample]) -> dict[tuple[int, ...], list[EncodedExample]]:
    """The examples by their frozen prefix, in the order in which the prefixes first occur."""
    groups: dict[tuple[int, ...], list[EncodedExample]] = {}
    for example in examples:
        groups.setdefault(example.ids[: example.frozen], []).append(example)
    return groups
