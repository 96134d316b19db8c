"""Merge a LoRA adapter into its base, shard by shard.

Weights are read, merged in float32 and written one shard after another, so merging needs the memory of one shard.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from peft import LoraConfig
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from platypus.errors import ModelError
from platypus.merging.compatibility import write_both_spellings
from platypus.model.adapters import ADAPTER_WEIGHTS, read_card
from platypus.model.bases import base_folder, weight_files
from platypus.model.loading import DTYPES, Loaded
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
    adapted: Loaded, prompt: Prompt, folder: Path, *, dtype: str, requests: Sequence[str] = ("1", "Plan")
) -> tuple[str, ...]:
    """Write config, generation config, tokenizer and chat template, with the same special tokens in each.

    A base that was trained through its own chat template keeps it. Returns what transformers before release 5 will not
    read as it is meant. Raises ModelError when the chat template does not give the prompt's tokens for these requests.
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
    write_tokenizer(prompt, adapted.tokenizer, folder, requests=requests)
    return write_both_spellings(folder, texts=requests)


def merge_weights(base: Path, adapter: Path, folder: Path, *, dtype: str, max_shard_size: str) -> MergedWeights:
    """Write the base's tensors with the adapter added, shard by shard, in place of any weights in the folder.

    Raises ModelError if base and adapter don't fit.
    """
    deltas = _read_deltas(adapter)
    shapes: dict[str, list[int]] = {}
    files: dict[str, Path] = {}
    for file in weight_files(base):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # not a mapping
                shapes[name], files[name] = tensors.get_slice(name).get_shape(), file
    missing = sorted(deltas.keys() - files.keys())
    if missing:
        raise ModelError(
            f"{len(missing)} of its layers are not stored in the base under their names, the first: {missing[0]}",
            where=str(adapter),
            remedy="Set `target_modules` under [train] to layers that the base stores separately, and train again.",
        )
    empty = {name: torch.empty(shape, dtype=DTYPES[dtype], device="meta") for name, shape in shapes.items()}
    if folder.resolve() == base.resolve():
        raise ModelError("a base cannot be merged in its own folder", where=str(base), remedy="Name another folder.")
    for stale in (*weight_files(folder), *folder.glob("*.safetensors.index.json")):
        stale.unlink()
    split = split_torch_state_dict_into_shards(empty, max_shard_size=max_shard_size)
    for filename, names in split.filename_to_tensors.items():
        shard = {name: _merge_tensor(files[name], name, deltas.get(name), dtype=dtype) for name in names}
        save_file(shard, folder / filename, metadata={"format": "pt"})
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return MergedWeights(len(split.filename_to_tensors), int(split.metadata["total_size"]), len(deltas))


@dataclass(frozen=True)
class _Delta:
    """What an adapter adds to a weight: scale · up @ down, with up (out, rank) and down (rank, in)."""

    down: torch.Tensor
    up: torch.Tensor
    scale: float


def _read_deltas(adapter: Path) -> dict[str, _Delta]:
    """What the adapter adds to each weight, by the name of that weight in the base."""
    config: Any = LoraConfig.from_pretrained(str(adapter))
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    layers = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith(".lora_A.weight")]
    return {
        f"{layer.removeprefix('base_model.model.')}.weight": _Delta(
            weights[f"{layer}.lora_A.weight"], weights[f"{layer}.lora_B.weight"], config.lora_alpha / config.r
        )
        for layer in layers
    }


def _merge_tensor(file: Path, name: str, delta: _Delta | None, *, dtype: str) -> torch.Tensor:
    """One tensor of the merged model. Raises ModelError if a value does not fit into the dtype."""
    with safe_open(file, framework="pt") as tensors:
        weight: torch.Tensor = tensors.get_tensor(name)
    if delta is not None:
        weight = weight.float() + delta.scale * (delta.up.float() @ delta.down.float())
    merged = weight.to(DTYPES[dtype])
    if not merged.isfinite().all():
        raise ModelError(
            f"{name} has values that {dtype} cannot hold",
            where="[merge] dtype",
            remedy='Set dtype = "bfloat16" or "float32" under [merge].',
        )
    return merged.contiguous()
