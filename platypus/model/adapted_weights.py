"""What a LoRA adapter adds to each weight of its base, and whether the base's files can take it.

PEFT's own modules say which weight each layer of an adapter belongs to, so a model without data is enough to know all
names and shapes: what a merge would refuse is known before a training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.layer import Embedding, ParamWrapper
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from platypus.errors import ModelError
from platypus.model.stored_weights import StoredWeights


@dataclass(frozen=True)
class AdaptedWeight:
    """A weight of the base that an adapter changes."""

    parameter: str  # its name in the base
    shape: tuple[int, ...]
    layer: str  # the layer's name in the adapter's file
    kind: str  # "linear", "transposed" (in, out), "embedding" or "experts"
    scale: float

    def change(self, adapter: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What the adapter's tensors add to the weight: scale · up @ down, float32, in the weight's shape."""
        part = "lora_embedding_{}" if self.kind == "embedding" else "lora_{}.weight"
        down, up = (adapter[f"base_model.model.{self.layer}.{part.format(side)}"].float() for side in "AB")
        if self.kind == "experts":  # as PEFT's ParamWrapper has them: A by expert and rank, B by rank and expert
            number = self.shape[0]
            downs = down.reshape(number, -1, down.shape[-1])
            ups = up.reshape(up.shape[0], -1, number).permute(2, 0, 1)
            product = ups @ downs
            return self.scale * (product if product.shape == self.shape else product.transpose(1, 2))
        product = self.scale * (up @ down)
        return product.T if self.kind in ("transposed", "embedding") else product


def adapted_weights(model: PeftModel) -> list[AdaptedWeight]:
    """The weights that the model's adapter changes, in the order of the layers."""
    base: Any = model.get_base_model()
    return [_adapted_weight(name, module) for name, module in base.named_modules() if isinstance(module, LoraLayer)]


def _adapted_weight(name: str, module: Any) -> AdaptedWeight:
    wrapper = module  # of any type still
    layer, whole = module.get_base_layer(), name.replace(".base_layer", "")
    scale = module.scaling[module.active_adapters[0]]
    if isinstance(module, ParamWrapper):
        value = wrapper.get_param()
        kind = "experts" if value.dim() == 3 else "linear"
        return AdaptedWeight(f"{whole}.{module.parameter_name}", tuple(value.shape), name, kind, scale)
    kind = "embedding" if isinstance(module, Embedding) else "transposed" if isinstance(layer, Conv1D) else "linear"
    return AdaptedWeight(f"{whole}.weight", tuple(layer.weight.shape), name, kind, scale)


def with_adapter_structure(base: PreTrainedModel, adapter: Path) -> PeftModel:
    """A base without data with the layers of a saved adapter, also without data."""
    config = LoraConfig.from_pretrained(str(adapter))
    config.base_model_name_or_path = None  # PEFT warns if the base lies elsewhere now
    model: PeftModel = get_peft_model(base, config, low_cpu_mem_usage=True)
    return model


def stored_parts(model: PeftModel, stored: StoredWeights, *, where: str) -> dict[str, AdaptedWeight]:
    """The stored tensors that a merge changes, each with the weight that it is, or is a part of.

    Raises ModelError if the base stores an adapted weight in another way.
    """
    base: Any = model.get_base_model()
    parts: dict[str, AdaptedWeight] = {}
    missing = []
    for weight in adapted_weights(model):
        found = stored.parts(base, weight.parameter, torch.empty(weight.shape, device="meta"))
        if found is None:
            missing.append(weight)
        else:
            parts |= dict.fromkeys(found, weight)
    if missing:
        first = missing[0]
        raise ModelError(
            f"{len(missing)} of the layers with an adapter are not stored in the base under their names and in their"
            f" shapes, the first: {first.parameter} {list(first.shape)}; a merge would find nothing to add them to",
            where=where,
            remedy="Set `target_modules` under [train] to layers that the base stores separately.",
        )
    return parts
