"""Merge a LoRA adapter into its base, shard by shard.

Weights are read, merged in float32 and written one shard after another, so merging needs the memory of one shard.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from platypus.catalogue.tools import Catalogue
from platypus.errors import ModelError
from platypus.merging.compatibility import write_both_spellings
from platypus.model.adapted_weights import AdaptedWeight, stored_parts, with_adapter_structure
from platypus.model.adapters import ADAPTER_WEIGHTS, read_card
from platypus.model.bases import base_folder
from platypus.model.loading import DTYPES, Loaded
from platypus.model.pretrained import read_config
from platypus.model.stored_weights import StoredWeights
from platypus.prompt.chat_template import write_tokenizer
from platypus.prompt.prompt import Prompt
from platypus.run.settings import MergeSettings


@dataclass(frozen=True)
class MergedWeights:
    """What `merge_weights` wrote: files, bytes of weights, and how many layers have an adapter in them."""

    shards: int
    size: int
    layers: int


def merge_adapter(
    adapted: Loaded, prompt: Prompt, adapter: Path, folder: Path, *, dtype: str = "float32"
) -> MergedWeights:
    """Write base and adapter into a new folder as one Hugging Face model with tokenizer and chat template."""
    folder.mkdir()
    write_settings(adapted, prompt, folder, dtype=dtype)
    base = base_folder(read_card(adapter).base)
    return merge_weights(base, adapter, folder, dtype=dtype, max_shard_size=MergeSettings().max_shard_size)


def write_settings(
    adapted: Loaded,
    prompt: Prompt,
    folder: Path,
    *,
    dtype: str,
    requests: Sequence[str] = ("1", "Plan"),
    shown: Callable[[str], Catalogue] | None = None,
) -> tuple[str, ...]:
    """Write config, generation config, tokenizer and chat template, with the same special tokens in each.

    A base that was trained through its own chat template keeps it; `shown` as in `write_tokenizer`. Returns what
    transformers before release 5 will not read as it is meant. Raises ModelError when the chat template does not give
    the prompt's tokens for these requests.
    """
    if prompt.template == "chat":
        adapted.end_answers_with(prompt.chat.end)
    generation = adapted.model.generation_config
    config = adapted.model.config
    config.dtype = DTYPES[dtype]
    config.bos_token_id, config.eos_token_id = generation.bos_token_id, generation.eos_token_id
    config.pad_token_id = generation.pad_token_id
    config.save_pretrained(folder)
    generation.save_pretrained(folder)
    write_tokenizer(prompt, adapted.tokenizer, folder, requests=requests, shown=shown)
    return write_both_spellings(folder, texts=requests)


def merge_weights(base: Path, adapter: Path, folder: Path, *, dtype: str, max_shard_size: str) -> MergedWeights:
    """Write the base's tensors with the adapter added, shard by shard, in place of any weights in the folder.

    Raises ModelError if base and adapter don't fit.
    """
    stored = StoredWeights.of(base)
    changes = _Changes.of(base, stored, adapter)
    empty = {name: torch.empty(shape, dtype=DTYPES[dtype], device="meta") for name, shape in stored.shapes.items()}
    if folder.resolve() == base.resolve():
        raise ModelError("a base cannot be merged in its own folder", where=str(base), remedy="Name another folder.")
    for stale in (*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")):
        stale.unlink()
    split = split_torch_state_dict_into_shards(empty, max_shard_size=max_shard_size)
    for filename, names in split.filename_to_tensors.items():
        shard = {name: _merge_tensor(stored.files[name], name, changes, dtype=dtype) for name in names}
        save_file(shard, folder / filename, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    layers = len(set(changes.parts.values()))
    return MergedWeights(len(split.filename_to_tensors), int(split.metadata["total_size"]), layers)


class _Changes:
    """What an adapter adds to the tensors of its base's files."""

    def __init__(
        self,
        model: PreTrainedModel,
        stored: StoredWeights,
        parts: Mapping[str, AdaptedWeight],
        tensors: Mapping[str, torch.Tensor],
    ) -> None:
        self.parts = parts
        self._model, self._stored, self._tensors = model, stored, tensors
        # The parts of a layer's experts come one after another, and two stacks of them by turns.
        self._of_weight = lru_cache(maxsize=2)(self._compute)

    @classmethod
    def of(cls, base: Path, stored: StoredWeights, adapter: Path) -> Self:
        """The changes of a saved adapter. Raises ModelError if the base stores an adapted weight in another way."""
        config = read_config(base)
        model = AutoModelForCausalLM.from_pretrained(base, config=config, device_map="meta", dtype=torch.float32)
        parts = stored_parts(with_adapter_structure(model, adapter), stored, where=str(adapter))
        return cls(model, stored, parts, load_file(adapter / ADAPTER_WEIGHTS))

    def get(self, name: str) -> torch.Tensor | None:
        """What is added to a stored tensor, in float32; None for one that stays as it is."""
        return self._of_weight(self.parts[name])[name] if name in self.parts else None

    def _compute(self, weight: AdaptedWeight) -> dict[str, torch.Tensor]:
        return self._stored.parts(self._model, weight.parameter, weight.change(self._tensors)) or {}


def _merge_tensor(file: Path, name: str, changes: _Changes, *, dtype: str) -> torch.Tensor:
    """One tensor of the merged model. Raises ModelError if a value does not fit into the dtype."""
    with safe_open(file, framework="pt") as tensors:
        weight: torch.Tensor = tensors.get_tensor(name)
    change = changes.get(name)
    if change is not None:
        weight = weight.float() + change
    merged = weight.to(DTYPES[dtype])
    if not merged.isfinite().all():
        raise ModelError(
            f"{name} has values that {dtype} cannot hold",
            where="[merge] dtype",
            remedy='Set dtype = "bfloat16" or "float32" under [merge].',
        )
    return merged.contiguous()
