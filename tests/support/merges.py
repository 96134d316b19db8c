"""Merges that go wrong, and adapters as other programs save them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from platypus.merging import sources
from platypus.model.adapted_weights import StoredChanges


@contextmanager
def faulty_merges(*, left_out: int | None = 0, scale: float = 1.0) -> Iterator[None]:
    """In the block, merges leave out this many layers of the adapter (None: all), and scale the others wrongly."""
    real = sources.stored_changes

    def stored_changes(*arguments: Any, **options: Any) -> StoredChanges:
        changes = real(*arguments, **options)
        parts = list(changes.parts.items())
        kept = [] if left_out is None else parts[left_out:]
        return replace(changes, parts={name: replace(weight, scale=scale * weight.scale) for name, weight in kept})

    with patch.object(sources, "stored_changes", stored_changes):
        yield


def peft_adapter(base: Path, folder: Path, *, rows: int | None = None, seed: int = 0, **options: Any) -> PeftModel:
    """A random adapter that PEFT saves, of rank 3 and for all linear layers unless `options` of its config say else.

    `rows` is what the embedding is resized to before. Returns the model with the adapter, as PEFT computes it.
    """
    bare: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if rows:
        bare.resize_token_embeddings(rows)
    plain = {"r": 3, "lora_alpha": 6, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    model: PeftModel = get_peft_model(bare, LoraConfig(**(plain | options)))
    draw = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn(parameter.shape, generator=draw) / 10
    model.save_pretrained(str(folder))
    return model
