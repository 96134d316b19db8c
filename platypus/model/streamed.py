"""A model that is larger than the memory: each layer's weights are read from its files as it computes, and released.

It gives the same logits, as slowly as its files are read, once for each pass. Not for training.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import cpu_offload, init_empty_weights
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from platypus.errors import ModelError
from platypus.model.adapted_weights import PREFIX, with_adapter_structure
from platypus.model.adapters import ADAPTER_WEIGHTS
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.loading import Loaded, best_device
from platypus.model.pretrained import greedy_generation, read_config, set_padding
from platypus.model.stored_weights import StoredWeights

ROOM = 0.8  # the share of the free memory that a model's weights may take


def fits(source: str) -> bool:
    """Whether there is memory for the whole model, as `load_base` loads it."""
    values = sum(torch.Size(shape).numel() for shape in StoredWeights.of(base_folder(source)).shapes.values())
    if best_device() == "cuda":
        return bool(2 * values <= ROOM * torch.cuda.mem_get_info()[0])
    return bool(4 * values <= ROOM * psutil.virtual_memory().available)


def load_streamed(source: str, *, adapter: Path | None = None) -> Loaded:
    """A base or merged model on the CPU in float32, with a saved LoRA adapter on it, which cannot be turned off.

    Raises ModelError for a model whose files hold parameters in several parts, as those of many experts.
    """
    folder = base_folder(source)
    config, stored = read_config(folder), StoredWeights.of(folder)
    with init_empty_weights(include_buffers=False):
        bare: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32
        )
    tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
    set_padding(tokenizer, rows=config.get_text_config().vocab_size)
    written = folder / "generation_config.json"
    own = GenerationConfig.from_pretrained(folder) if written.is_file() else GenerationConfig()  # type: ignore[no-untyped-call]
    bare.generation_config = greedy_generation(config, own, tokenizer)
    places = _places(bare, stored, where=str(folder))
    model: Any = bare if adapter is None else with_adapter_structure(bare, adapter)
    lora = {} if adapter is None else load_file(adapter / ADAPTER_WEIGHTS)
    cpu_offload(model.eval(), torch.device("cpu"), state_dict=_Weights(places, stored, lora))
    return Loaded(model, tokenizer, str(adapter or source), base_fingerprint(source))


def _places(model: PreTrainedModel, stored: StoredWeights, *, where: str) -> dict[str, str]:
    """The stored name of each parameter; for a tied head that of the embedding."""
    typed: Any = model
    tied = {id(typed.get_output_embeddings().weight): typed.get_input_embeddings().weight}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        parts = stored.parts(model, name, parameter)
        if parts is None and id(parameter) in tied:
            parts = stored.parts(model, names[id(tied[id(parameter)])], parameter)
        if parts is None or len(parts) > 1:
            raise ModelError(
                f"it does not fit into the memory, and {name} cannot be read in parts",
                where=where,
                remedy="Use a machine with more memory, or stop other programs.",
            )
        found[name] = next(iter(parts))
    return found


class _Weights(Mapping[str, torch.Tensor]):
    """Parameters by the names that they have under an adapter, read when they are asked for."""

    def __init__(self, places: Mapping[str, str], stored: StoredWeights, lora: Mapping[str, torch.Tensor]) -> None:
        self._places, self._stored = places, stored
        self._lora = {name.replace(".weight", ".default.weight"): value for name, value in lora.items()}

    def __getitem__(self, name: str) -> torch.Tensor:
        if name in self._lora:
            return self._lora[name]
        return self._stored.tensor(self._places[name.removeprefix(PREFIX).replace(".base_layer", "")]).float()

    def __iter__(self) -> Iterator[str]:
        return iter({**self._lora, **self._places})

    def __len__(self) -> int:
        return len(self._lora) + len(self._places)
