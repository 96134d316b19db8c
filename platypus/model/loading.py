"""Load a base or a merged model from a folder or the hub, with its tokenizer.

Weights are read from safetensors only, and code that a model ships is never run. Knows tokens and texts, not plans.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from platypus.errors import PromptError
from platypus.model.bases import base_fingerprint, base_folder, context_length, end_ids
from platypus.model.small_llama import SmallLlama, small_llama_in
from platypus.prompt.base_files import QuickTokenizer
from platypus.run.settings import Quantisation

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
DType = Literal["auto", "float32", "bfloat16", "float16"]


def limit_threads(most: int, exactly: int | None = None) -> None:
    """Compute with `most` threads at most, fewer if the environment says so (`OMP_NUM_THREADS`), or with `exactly`."""
    torch.set_num_threads(exactly or min(torch.get_num_threads(), most))


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer: `source` is its name in the recipe, `fingerprint` that of its base."""

    model: "PreTrainedModel | PeftModel"
    tokenizer: "PreTrainedTokenizerBase"
    source: str
    fingerprint: str

    @property
    def device(self) -> torch.device:
        """The device that the model computes on."""
        return self.model.device

    @property
    def context(self) -> int:
        """The most tokens, prompt and answer together, that the model was made for."""
        return context_length(self.model.config) or 0

    @property
    def vocabulary(self) -> int:
        """The number of tokens with an embedding and a logit; tokenizers may have a few fewer, or even more."""
        return int(self.model.config.get_text_config().vocab_size)

    @property
    def end_tokens(self) -> frozenset[int]:
        """The ids of the tokens that end an answer."""
        return frozenset(end_ids(self.model.generation_config.eos_token_id))

    def end_answers_with(self, token: int) -> None:
        """Let this token end answers too: the EOS of many bases is not what ends a turn in their chat template."""
        self.model.generation_config.eos_token_id = end_ids(self.model.generation_config.eos_token_id, token)


def load_base(
    source: str,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    quantise: Quantisation = "none",
    light: bool = False,
) -> Loaded:
    """Load a base model. dtype "auto" is bfloat16 on CUDA, else float32. Raises ModelError with the remedy.

    `device` is "auto", a torch device, "balanced" for layers spread over all devices of this host, or "meta" for a
    model without its weights. `quantise` quantises the linear layers, except the output layer, as they are read.
    `light`: to plan with, so a small Llama on the CPU is opened without transformers.
    """
    folder = base_folder(source)
    spread = device == "balanced"
    target = torch.device(best_device() if spread or device == "auto" else device)
    number_type = DTYPES[("bfloat16" if target.type == "cuda" else "float32") if dtype == "auto" else dtype]
    if light and target.type == "cpu" and number_type == torch.float32 and quantise == "none":
        small = _small(folder, source)
        if small is not None:
            return small
    from platypus.model.pretrained import open_pretrained

    device_map = "balanced" if spread else str(target)
    model, tokenizer = open_pretrained(folder, source, dtype=number_type, device_map=device_map, quantise=quantise)
    return Loaded(model=model, tokenizer=tokenizer, source=source, fingerprint=base_fingerprint(source))


def _small(folder: Path, source: str) -> Loaded | None:
    """The model as a `SmallLlama`; None if it is none, or its tokenizer does not fit it."""
    if not small_llama_in(folder):
        return None
    model, tokenizer = SmallLlama(folder), QuickTokenizer(folder)
    ends = end_ids(tokenizer.eos_token_id, model.generation_config.eos_token_id)
    rows = model.config.vocab_size
    if tokenizer.eos_token_id is None or any(token >= rows for token in [*ends, tokenizer.bos_token_id or 0]):
        return None  # transformers' way says what is wrong
    model.generation_config.eos_token_id = ends
    known: Any = {"model": model, "tokenizer": tokenizer}
    return Loaded(**known, source=source, fingerprint=base_fingerprint(source))


def through_transformers(loaded: Loaded) -> Loaded:
    """The same model to generate text with: a `SmallLlama` opened again by transformers."""
    model: Any = loaded.model
    return replace(_reopened(model.folder), source=loaded.source) if isinstance(model, SmallLlama) else loaded


@lru_cache(maxsize=1)
def _reopened(folder: Path) -> Loaded:
    return load_base(str(folder))


def load_merged(folder: Path, *, dtype: DType = "auto", device: str = "auto", light: bool = False) -> Loaded:
    """Load a merged model; dtype, device and light as for `load_base`."""
    return load_base(str(folder), dtype=dtype, device=device, light=light)


def check_tokens(loaded: Loaded, ids: Sequence[int], *, what: str) -> None:
    """Raises PromptError, with the name `what` of the text, for a token that the embedding has no row for.

    Some tokenizers have more tokens than their model: words that were added without resizing the model.
    """
    rows = loaded.vocabulary
    beyond = next((token for token in ids if token >= rows), None)
    if beyond is not None:
        text = loaded.tokenizer.decode([beyond])
        raise PromptError(
            f"{what} has the token {text!r}, but the embedding has no row for it: its id is {beyond}, and there are"
            f" {rows} rows",
            where=loaded.source,
            remedy="Use the tokenizer that belongs to these weights, resize the model's embedding to it, or leave such"
            " texts out.",
        )


def best_device() -> str:
    """The type of device to compute on: "cuda" if there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"
