"""The tensors that a base has on disk, and which of them hold a parameter of the loaded model.

transformers renames, stacks and joins weights as it reads them (the experts of a layer become one tensor); the ways
back are its own. Knows nothing of adapters.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from platypus.errors import ModelError
from platypus.model.bases import weight_files


@dataclass(frozen=True)
class StoredWeights:
    """The shape of each stored tensor, and the file it is in."""

    shapes: Mapping[str, tuple[int, ...]]
    files: Mapping[str, Path]
    dtypes: Mapping[str, str]  # as safetensors spells them: "BF16"

    @classmethod
    def of(cls, folder: Path) -> "StoredWeights":
        """The tensors of a model's folder; only the files' headers are read. Raises ModelError for a damaged file."""
        shapes: dict[str, tuple[int, ...]] = {}
        files: dict[str, Path] = {}
        dtypes: dict[str, str] = {}
        for file in weight_files(folder):
            with _opened(file) as tensors:
                for name in tensors.keys():  # noqa: SIM118  # not a mapping
                    part = tensors.get_slice(name)
                    shapes[name], files[name], dtypes[name] = tuple(part.get_shape()), file, part.get_dtype()
        return cls(shapes, files, dtypes)

    def tensor(self, name: str) -> torch.Tensor:
        """A stored tensor, mapped from its file: it takes memory as it is read, until it is released."""
        with _opened(self.files[name]) as tensors:
            found: torch.Tensor = tensors.get_tensor(name)
        return found

    def names(self, model: PreTrainedModel, parameter: str) -> list[str]:
        """The stored names of a parameter, whatever its shape."""
        return [self._name(model, name) for name in as_stored(model, parameter, torch.empty(0, device="meta"))]

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


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except SafetensorError as error:
        raise ModelError(
            f"it is damaged or was cut off: {error}", where=str(file), remedy="Copy or download it again."
        ) from error
