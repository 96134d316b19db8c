"""Load a base or a merged model from a folder or the hub, with its tokenizer.

Weights are read from safetensors only, and code that a model ships is never run. Knows tokens and texts, not plans.
"""

import warnings
from collections.abc import Sequence
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

from platypus.errors import ModelError, PromptError
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.quantisation import keep_gradients, quantisation_config
from platypus.run.settings import Quantisation

disable_progress_bar()  # type: ignore[no-untyped-call]  # no progress bar for each file
# PEFT corrects this itself, and still reads an attribute that transformers has deprecated.
warnings.filterwarnings("ignore", message="fan_in_fan_out is set to", category=UserWarning)
warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Where configs say how long a text may be: most, GPT-2's, MPT's, and some of BLOOM's.
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
# Reserved tokens that no text contains, in the order in which they are tried as the padding token.
SPARE_TOKENS = ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "[PAD]", "<|reserved_special_token_0|>")

DType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer: `source` is its name in the recipe, `fingerprint` that of its base."""

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
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
        return frozenset(_as_list(self.model.generation_config.eos_token_id))

    def end_answers_with(self, token: int) -> None:
        """Let this token end answers too: the EOS of many bases is not what ends a turn in their chat template."""
        ends = _as_list(self.model.generation_config.eos_token_id)
        self.model.generation_config.eos_token_id = ends if token in ends else [*ends, token]


def load_base(source: str, *, dtype: DType = "auto", device: str = "auto", quantise: Quantisation = "none") -> Loaded:
    """Load a base model. dtype "auto" is bfloat16 on CUDA, else float32. Raises ModelError with the remedy.

    `device` is "auto", a torch device, "balanced" for layers spread over all devices of this host, or "meta" for a
    model without its weights. `quantise` quantises the linear layers, except the output layer, as they are read.
    """
    folder = base_folder(source)
    spread = device == "balanced"
    target = torch.device(best_device() if spread or device == "auto" else device)
    number_type = DTYPES[("bfloat16" if target.type == "cuda" else "float32") if dtype == "auto" else dtype]
    quantisation = quantisation_config(quantise, dtype=number_type, where=source)
    try:
        config = read_config(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=number_type,
            use_safetensors=True,
            device_map="balanced" if spread else str(target),
            quantization_config=quantisation,
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"it cannot be loaded as a causal language model: {error}",
            where=str(folder),
            remedy="It needs an architecture that the installed transformers knows, weights and a tokenizer.",
        ) from error
    if quantise == "nf4":
        keep_gradients(model)
    set_padding(tokenizer, rows=config.get_text_config().vocab_size)
    model.generation_config = greedy_generation(model.config, model.generation_config, tokenizer)
    return Loaded(model=model, tokenizer=tokenizer, source=source, fingerprint=base_fingerprint(source))


def read_config(folder: Path) -> PretrainedConfig:
    """A base's config, perhaps without its padding token. Raises ModelError if it gives no context length.

    Padding is masked by its place. But transformers makes no model at all if the embedding has no row for the token,
    and warns of every prompt that begins or ends with it.
    """
    config: PretrainedConfig = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    pad = text.pad_token_id
    if pad is not None and (pad >= text.vocab_size or pad in [text.bos_token_id, *_as_list(text.eos_token_id)]):
        text.pad_token_id = None
    if context_length(config) is None:
        raise ModelError(
            f"its config.json gives no context length ({', '.join(CONTEXT_KEYS)})",
            where=str(folder),
            remedy="Use a transformer with attention in all layers; for one without a limit, add one of these keys.",
        )
    return config


def load_merged(folder: Path, *, dtype: DType = "auto", device: str = "auto") -> Loaded:
    """Load a merged model; dtype and device as for `load_base`."""
    return load_base(str(folder), dtype=dtype, device=device)


def set_padding(tokenizer: PreTrainedTokenizerBase, *, rows: int) -> None:
    """Give the tokenizer a padding token that the embedding has a row for, without a new entry in the vocabulary.

    Padding is masked by its place, in training and in generation, so any token will do: the tokenizer's own, a reserved
    one, the unknown token (as LLaMA 2 was trained), BOS. EOS is the last choice, for tokenizers that have nothing else
    (GPT-2, Qwen): other programs that mask padding by its token would never teach the model to stop. Raises ModelError
    if EOS or BOS, which every text has, are missing or have no row.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "the tokenizer has no EOS token, so no answer would ever end",
            where=str(tokenizer.name_or_path),
            remedy="Set `eos_token` in its tokenizer_config.json.",
        )
    for token in (tokenizer.eos_token, tokenizer.bos_token):
        if token is not None and _id(tokenizer, token) >= rows:
            raise ModelError(
                f"the embedding has no row for the token {token}, which every text has: its id is"
                f" {_id(tokenizer, token)}, and there are {rows} rows",
                where=str(tokenizer.name_or_path),
                remedy="Use the tokenizer that belongs to these weights, or resize the model's embedding to it.",
            )
    vocabulary = tokenizer.get_vocab()
    reserved = [token for token in SPARE_TOKENS if token in vocabulary]
    candidates = (tokenizer.pad_token, *reserved, tokenizer.unk_token, tokenizer.bos_token)
    fit = [token for token in candidates if token not in (None, tokenizer.eos_token) and _id(tokenizer, token) < rows]
    tokenizer.pad_token = next(iter(fit), tokenizer.eos_token)


def check_tokens(loaded: "Loaded", ids: Sequence[int], *, what: str) -> None:
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


def greedy_generation(
    config: PretrainedConfig, generation: GenerationConfig, tokenizer: PreTrainedTokenizerBase
) -> GenerationConfig:
    """A greedy generation config, ended by the tokenizer's EOS or any other end token of the base."""
    others = [*_as_list(config.eos_token_id), *_as_list(generation.eos_token_id)]
    ends = list(dict.fromkeys([tokenizer.eos_token_id, *others]))
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
    )


def best_device() -> str:
    """The type of device to compute on: "cuda" if there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _as_list(value: int | list[int] | None) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


def context_length(config: PretrainedConfig) -> int | None:
    """The context length that a config gives; None if it gives none."""
    given = config.get_text_config().to_dict()
    return next((given[key] for key in CONTEXT_KEYS if isinstance(given.get(key), int)), None)


def _id(tokenizer: PreTrainedTokenizerBase, token: str | None) -> int:
    return int(tokenizer.convert_tokens_to_ids(token))  # type: ignore[arg-type]
