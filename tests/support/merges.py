"""Merges that go wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from platypus.merging import lora
from platypus.model.adapted_weights import AdaptedWeight


@contextmanager
def faulty_merges(*, left_out: int | None = 0, scale: float = 1.0) -> Iterator[None]:
    """In the block, merges leave out this many layers of the adapter (None: all), and scale the others wrongly."""
    real = lora.stored_parts

    def stored_parts(*arguments: Any, **options: Any) -> dict[str, AdaptedWeight]:
        parts = list(real(*arguments, **options).items())
        kept = [] if left_out is None else parts[left_out:]
        return {name: replace(weight, scale=scale * weight.scale) for name, weight in kept}

    with patch.object(lora, "stored_parts", stored_parts):
        yield
