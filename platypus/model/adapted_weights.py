"""What a LoRA adapter changes in each weight of its base, and whether the base's files can take it.

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

PREFIX = "base_model.model."  # of the names in an adapter's file


@dataclass(frozen=True)
class AdaptedWeight:
    """A weight of the base that an adapter changes."""

    parameter: str  # its name in the base
    shape: tuple[int, ...]
    layer: str  # the layer's name in the adapter's file
    kind: str  # "linear", "transposed" (in, out), "embedding" or "experts"
    scale: float
    magnitudes: bool = False  # DoRA: the file also says how long each row (else column) of the weight is to be

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of its tensors in the adapter's file: down, up and, for DoRA, the magnitudes."""
        part = "lora_embedding_{}" if self.kind == "embedding" else "lora_{}.weight"
        names = [part.format("A"), part.format("B"), *(["lora_magnitude_vector"] if self.magnitudes else [])]
        return tuple(f"{PREFIX}{self.layer}.{name}" for name in names)

    def factors(self, adapter: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """`up` and `down` of `change` = up @ down, float32, with the scale in `up`; not for experts and DoRA."""
        down, up = (adapter[name].float() for name in self.tensors[:2])
        return (self.scale * up, down) if self.kind == "linear" else (down.T, self.scale * up.T)

    def change(self, adapter: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """What LoRA adds to the weight: scale · up @ down, float32, in the weight's shape. Knows no magnitudes."""
        if self.kind != "experts":
            up, down = self.factors(adapter)
            return up @ down
        down, up = (adapter[name].float() for name in self.tensors[:2])
        number = self.shape[0]  # as PEFT's ParamWrapper has them: A by expert and rank, B by rank and expert
        downs = down.reshape(number, -1, down.shape[-1])
        ups = (self.scale * up).reshape(up.shape[0], -1, number).permute(2, 0, 1)
        product = ups @ downs
        return product if product.shape == self.shape else product.transpose(1, 2)

    def merged(self, weight: torch.Tensor, adapter: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The weight with the adapter in it, float32. DoRA (arXiv 2402.09353) gives its rows the learned lengths.

        Not for experts: their files have other parts.
        """
        changed = weight.to(torch.float32, copy=True).addmm_(*self.factors(adapter))
        if not self.magnitudes:
            return changed
        along = 1 if self.kind == "linear" else 0
        lengths = torch.linalg.vector_norm(changed, dim=along, keepdim=True)
        return changed.mul_(adapter[self.tensors[2]].float().reshape(lengths.shape) / lengths)


@dataclass(frozen=True)
class StoredChanges:
    """What an adapter changes in the files of its base, by stored name."""

    parts: Mapping[str, AdaptedWeight]  # each tensor that changes, and the weight that it is, or is a part of
    replaced: Mapping[str, str]  # tensors that the adapter's file holds whole, by their names there
    untied: Mapping[str, str]  # new tensors, and the stored ones that they begin as: a head that is no longer tied

    @property
    def names(self) -> set[str]:
        """All stored tensors that become others."""
        return {*self.parts, *self.replaced}


def adapted_weights(model: PeftModel) -> list[AdaptedWeight]:
    """The weights that the model's adapter changes, in the order of the layers."""
    base: Any = model.get_base_model()
    return [_adapted_weight(name, module) for name, module in base.named_modules() if isinstance(module, LoraLayer)]


def _adapted_weight(name: str, module: Any) -> AdaptedWeight:
    wrapper = module  # of any type still
    layer, whole = module.get_base_layer(), name.replace(".base_layer", "")
    adapter = module.active_adapters[0]
    scale = module.scaling[adapter]
    if isinstance(module, ParamWrapper):
        value = wrapper.get_param()
        kind = "experts" if value.dim() == 3 else "linear"
        return AdaptedWeight(f"{whole}.{module.parameter_name}", tuple(value.shape), name, kind, scale)
    kind = "embedding" if isinstance(module, Embedding) else "transposed" if isinstance(layer, Conv1D) else "linear"
    magnitudes = bool(module.use_dora[adapter])
    return AdaptedWeight(f"{whole}.weight", tuple(layer.weight.shape), name, kind, scale, magnitudes)


def with_adapter_structure(base: PreTrainedModel, adapter: Path) -> PeftModel:
    """A base without data with the layers of a saved adapter, also without data.

    Raises ModelError if it has layers that this base does not have.
    """
    config = LoraConfig.from_pretrained(str(adapter))
    config.base_model_name_or_path = None  # PEFT warns if the base lies elsewhere now
    config.init_lora_weights = True  # their values come from the file; other ways would compute them from the base
    try:
        model: PeftModel = get_peft_model(base, config, low_cpu_mem_usage=True)
    except (ValueError, TypeError) as error:
        raise ModelError(
            f"PEFT cannot put it on this base: {error}",
            where=str(adapter),
            remedy="Name the base that the adapter was trained on.",
        ) from error
    return model


def stored_changes(
    model: PeftModel, stored: StoredWeights, *, where: str, replaced: Mapping[str, tuple[int, ...]] | None = None
) -> StoredChanges:
    """What the model's adapter changes in the files of its base.

    `replaced` are the shapes of the weights that the adapter's file holds whole, by their names there: modules that
    were trained whole, or embeddings with rows for added tokens. Raises ModelError if the base stores a weight in
    another way.
    """
    base: Any = model.get_base_model()
    ends = _Ends.of(base, stored)
    parts: dict[str, AdaptedWeight] = {}
    missing: list[tuple[str, tuple[int, ...]]] = []
    for weight in adapted_weights(model):
        found = ends.parts(weight.parameter, weight.shape)
        if found is None or (weight.magnitudes and len(found) > 1):
            missing.append((weight.parameter, weight.shape))
        else:
            parts |= dict.fromkeys(found, weight)
    whole: dict[str, str] = {}
    for name, shape in (replaced or {}).items():
        found = ends.parts(name.removeprefix(PREFIX), shape)
        if found is None or len(found) > 1:
            missing.append((name.removeprefix(PREFIX), shape))
        else:
            whole[found[0]] = name
    if missing:
        raise _not_stored(missing, where=where)
    return StoredChanges(parts, whole, ends.untied({*parts, *whole}))


def _not_stored(missing: list[tuple[str, tuple[int, ...]]], *, where: str) -> ModelError:
    name, shape = missing[0]
    return ModelError(
        f"{len(missing)} of the layers with an adapter are not stored in the base under their names and in their"
        f" shapes, the first: {name} {list(shape)}; a merge would find nothing to add them to",
        where=where,
        remedy="Set `target_modules` under [train] to layers that the base stores separately.",
    )


@dataclass(frozen=True)
class _Ends:
    """The names of parameters in a base's files, and what becomes of its embedding and its head, if they are one."""

    base: Any
    stored: StoredWeights
    embedding: str
    head: str
    tied: bool

    @classmethod
    def of(cls, base: Any, stored: StoredWeights) -> "_Ends":
        names = {id(module): name for name, module in base.named_modules()}
        ends = (base.get_input_embeddings(), base.get_output_embeddings())
        embedding, head = (f"{names[id(module)]}.weight" for module in ends)
        return cls(base, stored, embedding, head, bool(base.config.get_text_config().tie_word_embeddings))

    def parts(self, parameter: str, shape: tuple[int, ...]) -> list[str] | None:
        """The stored names of a parameter; the head's own, which is new, if it is stored as the embedding."""
        if parameter in (self.embedding, self.head):
            names = self.stored.names(self.base, self.embedding if self.tied else parameter)
            known = self.stored.shapes.get(names[0])
            rows = known is not None and known[1:] == shape[1:] and known[0] <= shape[0]
            if not rows:
                return None
            return [self._head_name()] if self.tied and parameter == self.head else names
        found = self.stored.parts(self.base, parameter, torch.empty(shape, device="meta"))
        return None if found is None else list(found)

    def untied(self, changed: set[str]) -> dict[str, str]:
        """The head as a tensor of its own, if it is tied to an embedding and only one of them changes, or both do."""
        embedding = self.stored.names(self.base, self.embedding)[0]
        return {self._head_name(): embedding} if self.tied and changed & {embedding, self._head_name()} else {}

    def _head_name(self) -> str:
        return self.stored.names(self.base, self.head)[0]
