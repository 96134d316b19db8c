"""Texts as unit vectors: the means of their own tokens, whatever else is in the batch; other models are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from platypus.catalogue.reading import catalogue_from_json
from platypus.errors import ModelError
from platypus.inference.planner import Planner
from platypus.inference.sentence_encoder import SentenceEncoder
from platypus.model.loading import load_base
from platypus.plan.plan import Plan
from platypus.prompt.prompt import Prompt
from platypus.run.settings import DecodeSettings
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

TEXTS = ["List my tickets", "x", "Summarize what CustomerABC waits for, please", "List my tickets"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT."""
    path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=512, max_position_embeddings=300, **sizes)).save_pretrained(path)
    byte_bpe_tokenizer().save_pretrained(path)
    return path


def test_a_vector_is_the_mean_of_the_texts_tokens_at_unit_length(folder: Path) -> None:
    vectors = SentenceEncoder(str(folder))(TEXTS)
    assert vectors.shape == (4, 16)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), byte_bpe_tokenizer()
    for text, vector in zip(TEXTS, vectors, strict=True):
        with torch.inference_mode():
            mean = model(torch.tensor([tokenizer(text).input_ids])).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, (mean / mean.norm()).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_other_encoders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not a sentence encoder.*\n.*`encoder` under \[decode\]"):
        SentenceEncoder(str(tmp_path / "nothing"))
    other = tmp_path / "other"
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "1_Pooling").mkdir()
    (other / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": False}))
    with pytest.raises(ModelError, match="does not use the mean"):
        SentenceEncoder(str(other))


def test_a_planner_finds_tools_with_it(folder: Path, tmp_path: Path) -> None:
    loaded = load_base(str(tiny_llama(tmp_path / "base")))
    tools = catalogue_from_json([{"name": f"tool_{i}"} for i in range(20)] + [{"name": "book_flight"}])
    settings = DecodeSettings(max_tools=1, max_steps=2, encoder=str(folder))
    (answer,) = Planner(loaded, Prompt(loaded.tokenizer, tools, "calls"), settings).plan(["book a flight"])
    assert isinstance(answer.plan, Plan) and {step.tool for step in answer.plan} <= {"book_flight"}
