"""Merge a LoRA adapter into its base, as a Hugging Face folder with tokenizer and chat template."""

from collections.abc import Callable, Sequence
from pathlib import Path

from platypus.catalogue.tools import Catalogue
from platypus.errors import ModelError
from platypus.merging.combining import ALONE, MergedWeights, facts_of, merge_sources
from platypus.merging.compatibility import write_both_spellings
from platypus.merging.sources import AdapterSource
from platypus.model.adapters import check_acts_everywhere, read_card
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.loading import DTYPES, Loaded
from platypus.model.stored_weights import StoredWeights
from platypus.prompt.chat_template import write_tokenizer
from platypus.prompt.prompt import Prompt
from platypus.run.merge_settings import MergeSettings


def merge_adapter(
    adapted: Loaded, prompt: Prompt, adapter: Path, folder: Path, *, dtype: str = "float32"
) -> MergedWeights:
    """Write base and adapter into a new folder as one Hugging Face model with tokenizer and chat template.

    Raises ModelError if there is such a folder, or if base and adapter don't fit.
    """
    if folder.exists():
        raise ModelError("there is such a folder already", where=str(folder), remedy="Name a new one.")
    folder.mkdir(parents=True)
    write_settings(adapted, prompt, folder, dtype=dtype)
    base = base_folder(read_card(adapter).base)
    return merge_weights(base, adapter, folder, dtype=dtype, max_shard_size=MergeSettings().max_shard_size)


def write_settings(
    adapted: Loaded,
    prompt: Prompt,
    folder: Path,
    *,
    dtype: str,
    requests: Sequence[str] = ("1", "Plan"),
    shown: Callable[[str], Catalogue] | None = None,
) -> tuple[str, ...]:
    """Write config, generation config, tokenizer and chat template, with the same special tokens in each.

    A base that was trained through its own chat template keeps it; `shown` as in `write_tokenizer`. Returns what
    transformers before release 5 will not read as it is meant. Raises ModelError when the chat template does not give
    the prompt's tokens for these requests.
    """
    if prompt.template == "chat":
        adapted.end_answers_with(prompt.chat.end)
    generation = adapted.model.generation_config
    config = adapted.model.config
    config.dtype = DTYPES[dtype]
    config.bos_token_id, config.eos_token_id = generation.bos_token_id, generation.eos_token_id
    config.pad_token_id = generation.pad_token_id
    config.save_pretrained(folder)
    generation.save_pretrained(folder)
    write_tokenizer(prompt, adapted.tokenizer, folder, requests=requests, shown=shown)
    return write_both_spellings(folder, texts=requests)


def merge_weights(
    base: Path, adapter: Path, folder: Path, *, dtype: str, max_shard_size: str, name: str | None = None
) -> MergedWeights:
    """Write the base's tensors with the adapter added, as `merge_sources` does; `name` is what the base is called.

    Raises ModelError, before anything is written, if base and adapter don't fit, or if the adapter acts on some tokens
    only.
    """
    check_acts_everywhere(adapter)
    sources = [AdapterSource.of(base, StoredWeights.of(base), adapter)]
    facts = facts_of(name or str(base), base_fingerprint(str(base)), sources, combination=ALONE, dtype=dtype)
    return merge_sources(
        base, sources, folder, combination=ALONE, dtype=dtype, max_shard_size=max_shard_size, facts=facts
    )
