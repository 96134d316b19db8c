"""The small files of a base, where they are on this machine: its context, and a tokenizer that opens at once.

Does not import torch or transformers, which take seconds. Opening the base itself is up to `platypus.model`.
"""

import json
from importlib.resources import files
from pathlib import Path

CONTEXT = ("max_position_embeddings", "n_positions", "seq_length")  # its names in config.json


def local_folder(base: str) -> Path | None:
    """The local folder of the base; None for a base on the hub."""
    folder = Path(str(files("platypus") / "embedded")) if base == "embedded" else Path(base).expanduser()
    return folder if folder.is_dir() else None


def context_of(base: str) -> int | None:
    """The most tokens that the base was made for, if its config is on this machine and says so."""
    folder = local_folder(base)
    config = folder / "config.json" if folder else cached_config(base)
    if config is None or not config.is_file():
        return None
    try:
        known = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return None  # opening the base says what is wrong with it
    return next((known[name] for name in CONTEXT if isinstance(known.get(name), int)), None)


def cached_config(base: str) -> Path | None:
    """The config of a base on the hub, if it was downloaded before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(base, "config.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


class QuickTokenizer:
    """The tokenizer in a base's tokenizer.json, to count tokens. The text of a special token counts as one token."""

    bos_token_id = None
    eos_token_id = None

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(file))

    @classmethod
    def of(cls, base: str) -> "QuickTokenizer | None":
        """The base's; None if its files are not on this machine, or it has no such file."""
        config = cached_config(base) if (folder := local_folder(base)) is None else folder / "config.json"
        file = config.parent / "tokenizer.json" if config else None
        return cls(file) if file and file.is_file() else None

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]:
        """The token ids of a text."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids
