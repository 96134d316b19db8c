"""Language models from disk or hub: a base, a base with its adapter, a merged model; and greedy text from them.

A hub name is turned into a local folder first, and everything after that reads the folder: a local path never touches
the network. Knows tokens and texts, not plans. Weights are read from safetensors only, and code that a model ships is
never run.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from platypus.errors import ModelError
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.quantisation import keep_gradients, quantisation_config
from platypus.run.settings import Quantisation

disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for each file that is read tells nobody anything
# transformers warns of its own attribute, which PEFT still asks for.
warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Tokens that vocabularies reserve and no text contains, in the order in which they are taken for padding.
SPARE_TOKENS = ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "[PAD]", "<|reserved_special_token_0|>")

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer, ready to answer: `source` as the recipe names it, `fingerprint` of its base."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    source: str
    fingerprint: str

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def context(self) -> int:
        """The most tokens, prompt and answer together, that the model was made for."""
        return int(self.model.config.max_position_embeddings)

    @property
    def vocabulary(self) -> int:
        """How many logits the model gives; a few more than the tokenizer has tokens, for some."""
        return int(self.model.config.vocab_size)

    @property
    def end_tokens(self) -> frozenset[int]:
        """The ids of the tokens that end an answer."""
        return frozenset(_as_list(self.model.generation_config.eos_token_id))


def load_base(source: str, *, dtype: DType = "auto", device: str = "auto", quantise: Quantisation = "none") -> Loaded:
    """Open a base model. dtype "auto" is bfloat16 on CUDA, else float32. Raises ModelError with the remedy.

    `device` is one, "balanced" for layers spread over all of this host, or "meta" for a model without its weights.
    `quantise` makes its linear layers smaller as they are read, but for the output layer.
    """
    folder = base_folder(source)
    spread = device == "balanced"
    where = torch.device(best_device() if spread or device == "auto" else device)
    number = DTYPES[("bfloat16" if where.type == "cuda" else "float32") if dtype == "auto" else dtype]
    smaller = quantisation_config(quantise, dtype=number, where=source)
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=number,
            use_safetensors=True,
            device_map="balanced" if spread else str(where),
            quantization_config=smaller,
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"it cannot be opened as a causal language model: {error}",
            where=str(folder),
            remedy="It needs an architecture that the installed transformers knows, weights and a tokenizer.",
        ) from error
    if quantise == "nf4":
        keep_gradients(model)
    set_padding(tokenizer)
    model.generation_config = greedy_generation(model.config, model.generation_config, tokenizer)
    return Loaded(model=model, tokenizer=tokenizer, source=source, fingerprint=base_fingerprint(source))


def load_merged(folder: Path, *, dtype: DType = "auto", device: str = "auto") -> Loaded:
    """Open a merged model."""
    return load_base(str(folder), dtype=dtype, device=device)


def set_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give the tokenizer a padding token that is not its EOS, without a new entry in the vocabulary.

    A model whose padding is EOS learns never to stop. Padding is always masked, so any other token will do: the
    tokenizer's own, a spare one, the unknown token (as LLaMA 2 is trained), BOS. Raises ModelError when there is none.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "the tokenizer has no EOS token, so no answer would ever end",
            where=str(tokenizer.name_or_path),
            remedy="Set `eos_token` in its tokenizer_config.json.",
        )
    vocabulary = tokenizer.get_vocab()
    spare = [token for token in SPARE_TOKENS if token in vocabulary]
    for token in (tokenizer.pad_token, *spare, tokenizer.unk_token, tokenizer.bos_token):
        if token is not None and token != tokenizer.eos_token:
            tokenizer.pad_token = token
            return
    raise ModelError(
        "the tokenizer has no token for padding but EOS",
        where=str(tokenizer.name_or_path),
        remedy="Set `pad_token` in its tokenizer_config.json to a token that no text contains.",
    )


def greedy_generation(
    config: PretrainedConfig, generation: GenerationConfig, tokenizer: PreTrainedTokenizerBase
) -> GenerationConfig:
    """Generation that agrees with the tokenizer: greedy, ended by its EOS or the base's other end tokens."""
    others = [*_as_list(config.eos_token_id), *_as_list(generation.eos_token_id)]
    ends = list(dict.fromkeys([tokenizer.eos_token_id, *others]))
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
    )


def best_device() -> str:
    """The kind of device to compute on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _as_list(value: int | list[int] | None) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]
