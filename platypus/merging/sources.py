"""What a merge adds to a base: the changes of a LoRA adapter, or of another model of the same shapes, tensor by tensor.

All that can be known from names, shapes and an adapter's values is checked before a tensor of the base is read.
"""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from platypus.errors import ModelError
from platypus.model.adapted_weights import (
    PREFIX,
    AdaptedWeight,
    StoredChanges,
    stored_changes,
    with_adapter_structure,
)
from platypus.model.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from platypus.model.bases import INCIDENTAL, base_fingerprint, weight_files
from platypus.model.pretrained import read_config
from platypus.model.stored_weights import StoredWeights
from platypus.run.provenance import digest_of, header_of

# What PEFT's LoRA can do besides, which changes more than `scale · up @ down` says, or what the base itself is.
UNKNOWN = {
    "alora_invocation_tokens": "an activated LoRA, which computes only behind its invocation, so no weights do that",
    "layer_replication": "it repeats layers of the base",
    "lora_bias": "it trains biases of its own",
    "trainable_token_indices": "it trains single rows of the embedding",
    "ensure_weight_tying": "it shares one adapter between embedding and head",
    "megatron_config": "it is for Megatron's layers",
    "use_qalora": "it pools its input",
    "use_bdlora": "it is made of blocks",
    "velora_config": "it is a VeLoRA",
    "monteclora_config": "it is a MonteCLoRA",
    "arrow_config": "it routes between adapters",
    "kasa_config": "it is a KaSA",
}
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
PACKED = frozenset({"U8", "I8", "I32", "F8_E4M3", "F8_E5M2"})  # what quantised weights are stored as
BENEATH = ".base_layer.weight"  # the end of the name of a weight that lies under an adapter
_Parts = Callable[[str, torch.Tensor], Mapping[str, torch.Tensor]]  # a parameter's value by stored names
PLAIN_STARTS = ("gaussian", "orthogonal", "eva")  # ways to initialise that leave the base's weights as they are


class Source(ABC):
    """Something that changes the tensors of a base."""

    name: str
    digest: str
    changed: Collection[str]  # the stored names of the tensors that it changes
    layers: Collection[str]  # the parameters of the base that it changes
    shapes: Mapping[str, tuple[int, ...]]  # of changed tensors that it holds whole, which may have new rows
    untied: Mapping[str, str]  # tensors that the base does not have, and those that they begin as

    @abstractmethod
    def merged(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """The tensor as it is with this source alone; float32 where it changes."""

    @abstractmethod
    def change(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """What it adds to the tensor, float32."""

    @abstractmethod
    def factors(self, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
        """`up` and `down` of a change of low rank, float32; None for another one."""


class AdapterSource(Source):
    """A LoRA adapter: plain, rank-stabilised or DoRA, with weights that it holds whole."""

    def __init__(
        self, adapter: Path, digest: str, changes: StoredChanges, tensors: Mapping[str, torch.Tensor], stored: _Parts
    ) -> None:
        self.name, self.digest, self.changes = str(adapter), digest, changes
        self.changed, self.untied = changes.names, changes.untied
        self.layers = {part.parameter for part in changes.parts.values()} | {*changes.replaced}
        self.shapes = {name: tuple(tensors[own].shape) for name, own in changes.replaced.items()}
        self._tensors, self._stored = tensors, stored
        self._parts = Counter(part.parameter for part in changes.parts.values())
        # The parts of a layer's experts come one after another, and two stacks of them by turns.
        self._parts_of = lru_cache(maxsize=2)(self._compute)

    @classmethod
    def of(cls, base: Path, stored: StoredWeights, adapter: Path) -> "AdapterSource":
        """A saved adapter. Raises ModelError if it is not for this base, damaged, or of a kind that has no merge."""
        check_kind(adapter)
        digest = digest_of(adapter / ADAPTER_WEIGHTS, adapter / ADAPTER_CONFIG)
        _check_not_in(base, digest, adapter)
        tensors = _loaded(adapter / ADAPTER_WEIGHTS)
        check_plain(base, stored)
        bare = _bare(base)
        model = with_adapter_structure(bare, adapter)
        expected = get_peft_model_state_dict(model, save_embedding_layers=False)
        used = {name: tuple(value.shape) for name, value in expected.items() if "lora_" in name.removeprefix(PREFIX)}
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        _check_tensors(shapes, used, where=str(adapter))
        _check_values(tensors, where=str(adapter))
        whole = {name: shape for name, shape in shapes.items() if name not in used and not name.endswith(BENEATH)}
        changes = stored_changes(model, stored, where=str(adapter), replaced=whole)
        _check_beneath(changes, tensors, stored, where=str(adapter))
        changes = _still_tied(changes, tensors, stored)
        return cls(adapter, digest, changes, tensors, lambda name, value: stored.parts(bare, name, value) or {})

    def merged(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """See `Source`."""
        if name in self.changes.replaced:
            return self._tensors[self.changes.replaced[name]]
        part = self.changes.parts.get(name)
        if part is None:
            return weight
        if part.kind == "experts" or self._parts[part.parameter] > 1:
            return self._change(name, part) + weight
        return part.merged(weight, self._tensors)

    def change(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """See `Source`."""
        part = self.changes.parts.get(name)
        if part is None or part.magnitudes:
            return self.merged(name, weight).float() - weight
        return self._change(name, part)

    def factors(self, name: str) -> tuple[torch.Tensor, torch.Tensor] | None:
        """See `Source`."""
        part = self.changes.parts.get(name)
        if part is None or part.magnitudes or part.kind == "experts":
            return None
        return part.factors(self._tensors)

    def _change(self, name: str, part: AdaptedWeight) -> torch.Tensor:
        """What is added to a tensor; kept for a while if its parameter is stored in several."""
        return (self._parts_of if self._parts[part.parameter] > 1 else self._compute)(part)[name]

    def _compute(self, weight: AdaptedWeight) -> Mapping[str, torch.Tensor]:
        change = weight.change(self._tensors)
        own = [name for name in self.untied if self.changes.parts.get(name) == weight]
        return {own[0]: change} if own else self._stored(weight.parameter, change)


class ModelSource(Source):
    """Another model of the same shapes: what it adds to the base is the difference of their tensors."""

    def __init__(self, folder: Path, base: Path, stored: StoredWeights) -> None:
        """Raises ModelError if it has other tensors than the base, or the same ones in other shapes."""
        self.name, self.digest = str(folder), base_fingerprint(str(folder))
        self._own = StoredWeights.of(folder)
        check_plain(base, stored)
        check_plain(folder, self._own)
        self.shapes, self.untied = {}, {}
        self.changed = self.layers = [name for name, kind in self._own.dtypes.items() if kind in FLOATS]
        own, shapes = self._own.shapes, stored.shapes
        other = sorted(own.keys() ^ shapes.keys()) or sorted(name for name in shapes if own[name] != shapes[name])
        if other:
            sides = [f"{list(side[other[0]])}" if other[0] in side else "missing" for side in (own, shapes)]
            raise ModelError(
                f"{len(other)} of its tensors are not those of the base, the first: {other[0]} is {sides[0]},"
                f" in the base {sides[1]}",
                where=str(folder),
                remedy=f"Merge only fine-tunes of the base, {base}, with its vocabulary.",
            )
        unlike = _unlike_settings(folder, base)
        if unlike:
            raise ModelError(
                f"its config.json has another {unlike} than that of the base, so its weights mean something else",
                where=str(folder),
                remedy=f"Merge only fine-tunes of the base, {base}.",
            )

    def merged(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """See `Source`."""
        return self._own.tensor(name)

    def change(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """See `Source`."""
        return self._own.tensor(name).float() - weight

    def factors(self, name: str) -> None:
        """See `Source`."""


# ---------------------------------------------------------------- what is refused


def check_kind(adapter: Path) -> None:
    """Raises ModelError for an adapter that does more than LoRA and DoRA, which a merge would lose without a word."""
    path = adapter / ADAPTER_CONFIG
    if not path.is_file() or not (adapter / ADAPTER_WEIGHTS).is_file():
        raise ModelError(
            f"there is no {ADAPTER_CONFIG} with {ADAPTER_WEIGHTS}, so it is no adapter that can be merged",
            where=str(adapter),
            remedy="Name a folder that PEFT saved, with safetensors.",
        )
    config = json.loads(path.read_text(encoding="utf-8"))
    start = config.get("init_lora_weights", True)
    why = next((text for key, text in UNKNOWN.items() if config.get(key)), None)
    if config.get("peft_type") != "LORA":
        why = f"it is of the type {config.get('peft_type')}"
    elif config.get("bias", "none") != "none":
        why = f'it trains biases (bias = "{config["bias"]}")'
    elif isinstance(start, str) and start not in PLAIN_STARTS:
        why = f'it began with init_lora_weights = "{start}", which changes the base itself'
    if why:
        raise ModelError(
            f"this adapter cannot be merged: {why}",
            where=str(path),
            remedy="Merge it with the library that trained it, save the whole model, and name that.",
        )


def check_plain(base: Path, stored: StoredWeights) -> None:
    """Raises ModelError for a model whose own weights are quantised, or are no floating-point numbers."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    method = (config.get("quantization_config") or {}).get("quant_method")
    packed = next((name for name, kind in stored.dtypes.items() if kind in PACKED and name.endswith("weight")), None)
    if method or packed:
        raise ModelError(
            "its weights are quantised"
            + (f" ({method})" if method else f": {packed} is {stored.dtypes[packed or '']}"),
            where=str(base),
            remedy="Name the model in full precision that it was made from.",
        )


def _unlike_settings(one: Path, other: Path) -> str | None:
    """A setting of two models that is not the same, apart from those that say nothing about what is computed."""
    first, second = (read_config(folder).to_dict() for folder in (one, other))
    keys = sorted((first.keys() | second.keys()) - INCIDENTAL)
    return next((key for key in keys if "token_id" not in key and first.get(key) != second.get(key)), None)


def _check_not_in(base: Path, digest: str, adapter: Path) -> None:
    merged = header_of(weight_files(base)[0])
    if any(source["digest"] == digest for source in merged.get("sources", ())):
        raise ModelError(
            f"this adapter is merged into it already: {adapter}",
            where=str(base),
            remedy="Name the base that the adapter was trained on.",
        )


def _bare(base: Path) -> PreTrainedModel:
    """The base without its weights."""
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base, config=read_config(base), device_map="meta", dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"its weights are not those of its config.json: {error}",
            where=str(base),
            remedy="Copy or download it again.",
        ) from error
    return model


def _loaded(file: Path) -> Mapping[str, torch.Tensor]:
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ModelError(
            f"it is damaged or was cut off: {error}", where=str(file), remedy="Copy it again, or train it again."
        ) from error


def _check_tensors(found: Mapping[str, Any], expected: Mapping[str, Any], *, where: str) -> None:
    """Raises ModelError if tensors of LoRA are missing, are not known, or have other shapes than this base needs."""
    of_lora = {name: shape for name, shape in found.items() if "lora_" in name.removeprefix(PREFIX)}
    unlike = sorted(name for name in of_lora.keys() | expected if of_lora.get(name) != expected.get(name))
    if unlike:
        sides = [f"{list(side[unlike[0]])}" if unlike[0] in side else "not there" for side in (of_lora, expected)]
        raise ModelError(
            f"{len(unlike)} of its tensors do not fit its base and its {ADAPTER_CONFIG}, the first:"
            f" {unlike[0]} is {sides[0]}, and should be {sides[1]}",
            where=where,
            remedy="Name the base that the adapter was trained on, or copy the adapter again.",
        )


def _check_values(tensors: Mapping[str, torch.Tensor], *, where: str) -> None:
    bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if bad:
        raise ModelError(
            f"{len(bad)} of its tensors have values that are not finite, the first: {bad[0]}",
            where=where,
            remedy="Train it again, with a smaller learning rate.",
        )


def _check_beneath(
    changes: StoredChanges, tensors: Mapping[str, torch.Tensor], stored: StoredWeights, *, where: str
) -> None:
    """Raises ModelError if the embedding or head beneath an adapter, which PEFT saves with it, is not the base's."""
    beneath = {
        name.replace(BENEATH, ".weight").removeprefix(PREFIX): name for name in tensors if name.endswith(BENEATH)
    }
    for name, part in changes.parts.items():
        own = beneath.pop(part.parameter, None)
        if own is not None:
            weight = stored.tensor(changes.untied.get(name, name))
            if not torch.equal(tensors[own].to(weight.dtype), weight):
                beneath[part.parameter] = own
    if beneath:
        raise ModelError(
            f"it was trained on another base: {min(beneath)} is saved with it, and is not that of this base",
            where=where,
            remedy="Name the base that the adapter was trained on.",
        )


def _still_tied(changes: StoredChanges, tensors: Mapping[str, torch.Tensor], stored: StoredWeights) -> StoredChanges:
    """Without a head of its own where the adapter holds embedding and head whole, and equal, or with new rows."""
    for head, embedding in changes.untied.items():
        own, other = changes.replaced.get(embedding), changes.replaced.get(head)
        if own is None or head in changes.parts:
            continue
        grown = other is None and tensors[own].shape[0] > stored.shapes[embedding][0]
        if grown or (other is not None and torch.equal(tensors[own], tensors[other])):
            replaced = {name: tensor for name, tensor in changes.replaced.items() if name != head}
            return replace(changes, replaced=replaced, untied={})
    return changes
