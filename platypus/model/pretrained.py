"""Open a model with its tokenizer through transformers, checked and ready to answer greedily.

Weights are read from safetensors only, and code that a model ships is never run.
"""

import warnings
from pathlib import Path

import torch
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
from platypus.model.bases import context_length, end_ids
from platypus.model.quantisation import keep_gradients, quantisation_config
from platypus.prompt.base_files import CONTEXT_KEYS
from platypus.run.settings import Quantisation

disable_progress_bar()  # type: ignore[no-untyped-call]  # no progress bar for each file
# PEFT corrects this itself, and still reads an attribute that transformers has deprecated.
warnings.filterwarnings("ignore", message="fan_in_fan_out is set to", category=UserWarning)
warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)

# Reserved tokens that no text contains, in the order in which they are tried as the padding token.
SPARE_TOKENS = ("<pad>", "<|finetune_right_pad_id|>", "<|pad|>", "[PAD]", "<|reserved_special_token_0|>")


def open_pretrained(
    folder: Path, source: str, *, dtype: torch.dtype, device_map: str, quantise: Quantisation
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and the tokenizer of a folder. Raises ModelError with the remedy, where `source` names the base."""
    quantisation = quantisation_config(quantise, dtype=dtype, where=source)
    try:
        config = read_config(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            device_map=device_map,
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
    return model, tokenizer


def read_config(folder: Path) -> PretrainedConfig:
    """A base's config, perhaps without its padding token. Raises ModelError if it gives no context length.

    Padding is masked by its place. But transformers makes no model at all if the embedding has no row for the token,
    and warns of every prompt that begins or ends with it.
    """
    config: PretrainedConfig = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    pad = text.pad_token_id
    if pad is not None and (pad >= text.vocab_size or pad in [text.bos_token_id, *end_ids(text.eos_token_id)]):
        text.pad_token_id = None
    if context_length(config) is None:
        raise ModelError(
            f"its config.json gives no context length ({', '.join(CONTEXT_KEYS)})",
            where=str(folder),
            remedy="Use a transformer with attention in all layers; for one without a limit, add one of these keys.",
        )
    return config


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


def greedy_generation(
    config: PretrainedConfig, generation: GenerationConfig, tokenizer: PreTrainedTokenizerBase
) -> GenerationConfig:
    """A greedy generation config, ended by the tokenizer's EOS or any other end token of the base."""
    text = config.get_text_config()  # a config of text and images keeps its tokens there
    ends = end_ids(tokenizer.eos_token_id, text.eos_token_id, generation.eos_token_id)
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=tokenizer.pad_token_id,
    )


def _id(tokenizer: PreTrainedTokenizerBase, token: str | None) -> int:
    return int(tokenizer.convert_tokens_to_ids(token))  # type: ignore[arg-type]
