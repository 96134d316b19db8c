"""The small files of a base, where they are on this machine: its context, and a tokenizer that opens at once.

Does not import torch or transformers, which take seconds. Opening the base itself is up to `platypus.model`.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from platypus.errors import ModelError
from platypus.files import expanded

EMBEDDED = Path(str(files("platypus") / "embedded"))  # the base that `base = "embedded"` in a recipe means
BASE_CARD = "base.json"  # in the folder of a base that Platypus made
# Where configs say how long a text may be: most, GPT-2's, MPT's, and some of BLOOM's.
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")

_REMEDY = "Restore it; without it, the base is taken for one that others made."


def local_folder(base: str) -> Path | None:
    """The local folder of the base; None for a base on the hub."""
    folder = EMBEDDED if base == "embedded" else expanded(base, error=ModelError)
    return folder if folder.is_dir() else None


def base_card(base: str) -> Mapping[str, Any]:
    """What a base that Platypus made says of itself (`base.json`); nothing for any other, and for one on the hub.

    Raises ModelError for a card that cannot be read.
    """
    folder = local_folder(base)
    if folder is None or not (folder / BASE_CARD).is_file():
        return {}
    try:
        card: Any = json.loads((folder / BASE_CARD).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"is no JSON: {error}", where=str(folder / BASE_CARD), remedy=_REMEDY) from error
    if not (isinstance(card, dict) and isinstance(card.get("suits", {}), dict)):
        raise ModelError("is no card of a base", where=str(folder / BASE_CARD), remedy=_REMEDY)
    return card


def context_of(base: str) -> int | None:
    """The most tokens that the base was made for, if its config is on this machine and says so."""
    folder = local_folder(base)
    config = folder / "config.json" if folder else cached_config(base)
    if config is None or not config.is_file():
        return None
    try:
        return context_in(json.loads(config.read_text(encoding="utf-8")))
    except ValueError:
        return None  # opening the base says what is wrong with it


def context_in(config: Mapping[str, Any]) -> int | None:
    """The context length that the keys of a config give; None if they give none."""
    return next((config[key] for key in CONTEXT_KEYS if isinstance(config.get(key), int)), None)


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
    """The tokenizer in a folder's tokenizer.json, as transformers' generic class reads it."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        config = folder / "tokenizer_config.json"
        settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        self.backend_tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.name_or_path = str(folder)
        self.bos_token_id, self.eos_token_id, self.pad_token_id = (
            self._id(settings.get(f"{name}_token")) for name in ("bos", "eos", "pad")
        )

    @classmethod
    def of(cls, base: str) -> "QuickTokenizer | None":
        """The base's; None if its files are not on this machine, or it has no tokenizer.json."""
        folder = local_folder(base)
        if folder is None and (config := cached_config(base)):
            folder = config.parent
        return cls(folder) if folder and (folder / "tokenizer.json").is_file() else None

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]:
        """The ids of a text."""
        self.backend_tokenizer.encode_special_tokens = split_special_tokens
        ids: list[int] = self.backend_tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, special tokens included."""
        return str(self.backend_tokenizer.decode(list(ids), skip_special_tokens=False))

    def _id(self, token: Any) -> int | None:
        text = token["content"] if isinstance(token, dict) else token
        return None if text is None else self.backend_tokenizer.token_to_id(text)
