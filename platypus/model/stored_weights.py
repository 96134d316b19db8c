"""The tensors that a base has on disk, and which of them hold a parameter of the loaded model.

transformers renames, stacks and joins weights as it reads them (the experts of a layer become one tensor); the ways
back are its own. Knows nothing of adapters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from platypus.model.bases import weight_files


@dataclass(frozen=True)
class StoredWeights:
    """The shape of each stored tensor, and the file it is in."""

    shapes: Mapping[str, tuple[int, ...]]
    files: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> "StoredWeights":
        """The tensors of a model's folder; only the files' headers are read."""
        shapes: dict[str, tuple[int, ...]] = {}
        files: dict[str, Path] = {}
        for file in weight_files(folder):
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118  # not a mapping
                    shapes[name], files[name] = tuple(tensors.get_slice(name).get_shape()), file
        return cls(shapes, files)

    def parts(self, model: PreTrainedModel, parameter: str, value: torch.Tensor) -> dict[str, torch.Tensor] | None:
        """A parameter's value as the base stores it, by stored name; None if it stores the parameter in no such way.

        What holds for values also holds for what is added to them: transformers only renames, splits and transposes.
        """
        for found in (as_stored(model, parameter, value), {parameter: value}):
            named = {self._name(model, name): part for name, part in found.items()}
            if all(self.shapes.get(name) == tuple(part.shape) for name, part in named.items()):
                return named
        return None

    def _name(self, model: PreTrainedModel, name: str) -> str:
        """The stored name: some bases (GPT-2) lack the model's prefix, others have it where the model has none."""
        prefix = f"{model.base_model_prefix}."
        names = (name, name.removeprefix(prefix), prefix + name)
        return next((each for each in names if each in self.shapes), name)


def as_stored(model: PreTrainedModel, parameter: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    """A parameter's value under the names, and in the parts, that checkpoints of this architecture have."""
    parts: dict[str, torch.Tensor] = revert_weight_conversion(model, {parameter: value})
    return parts
