"""A sentence encoder: texts as vectors, so that a request finds tools described in other words.

Takes any folder or hub name of a BERT-like encoder that uses the mean of its token vectors at unit length, such as
all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv 1908.10084). Encoders with another pooling are refused.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from platypus.errors import ModelError
from platypus.model.bases import base_folder

POOLING = Path("1_Pooling") / "config.json"  # where sentence-transformers stores the kind of pooling
MAX_TOKENS = 256  # the rest of a longer text is ignored
BATCH_SIZE = 32


class SentenceEncoder:
    """A loaded encoder, on the CPU."""

    def __init__(self, source: str) -> None:
        """Load a folder or hub name. Raises ModelError."""
        folder = _folder(source)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self._model: Any = AutoModel.from_pretrained(folder, use_safetensors=True).eval()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The texts as unit vectors, (texts, width)."""
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # similar lengths need little padding
        vectors: dict[int, NDArray[np.float64]] = {}
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            vectors |= zip(batch, self._encode([texts[number] for number in batch]), strict=True)
        return np.stack([vectors[number] for number in range(len(texts))])

    def _encode(self, texts: list[str]) -> NDArray[np.float64]:
        batch = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        means = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        vectors: NDArray[np.float64] = means.double().numpy()
        return vectors


def _folder(source: str) -> Path:
    remedy = "Set `encoder` under [decode] to a folder or hub name such as sentence-transformers/all-MiniLM-L6-v2."
    try:
        folder = base_folder(source)
    except ModelError as error:
        raise ModelError(
            f"is not a sentence encoder: {error.what}", where=f"encoder {source!r}", remedy=remedy
        ) from error
    pooling = json.loads((folder / POOLING).read_text("utf-8")) if (folder / POOLING).is_file() else {}
    if not pooling.get("pooling_mode_mean_tokens", True):
        raise ModelError("does not use the mean of its tokens", where=f"encoder {source!r}", remedy=remedy)
    return folder
