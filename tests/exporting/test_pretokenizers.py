"""A tokenizer's splits are found among those of llama.cpp, and others are not taken for them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, pre_tokenizers

from platypus.exporting.pretokenizers import KNOWN, pretokenizer_of
from platypus.prompt.base_files import EMBEDDED
from tests.support.tiny_models import byte_bpe_tokenizer

BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
NO_SPLIT = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
ATOMS = r"\d|(?<=[a-z])(?=[A-Z])"
LLAMA3, QWEN2 = (next(splits[0] for (splits, _), name in KNOWN.items() if name == wanted)
                 for wanted in ("llama-bpe", "qwen2"))  # fmt: skip


def split(pattern: str, then: Any) -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), then])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (BYTES, "gpt-2"),
        (split(ATOMS, BYTES), "smollm"),
        (split(r"\d", BYTES), "smollm"),
        (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]), "smollm"),
        (split(LLAMA3, NO_SPLIT), "dbrx"),
        (split(QWEN2, NO_SPLIT), "qwen2"),
        (split(r"\w{1,5}", BYTES), None),
        (pre_tokenizers.ByteLevel(add_prefix_space=True), None),
    ],
)
def test_splits_have_a_name_or_none(tmp_path: Path, words: Any, name: str | None) -> None:
    byte_bpe_tokenizer(words=words).save_pretrained(tmp_path)
    assert pretokenizer_of(tmp_path) == name


def test_words_looked_up_whole_are_those_of_llama_3(tmp_path: Path) -> None:
    byte_bpe_tokenizer(words=split(LLAMA3, NO_SPLIT)).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "model": {**data["model"], "ignore_merges": True}}))
    assert pretokenizer_of(tmp_path) == "llama-bpe"


def test_a_split_that_merges_cross_makes_a_difference(tmp_path: Path) -> None:
    """Trained without the split before capitals, `aB` is a token, and the split would break it."""
    tokenizer = byte_bpe_tokenizer(texts=["workItem aBaB camelCase"] * 50)
    tokenizer.backend_tokenizer.pre_tokenizer = split(ATOMS, BYTES)
    tokenizer.save_pretrained(tmp_path)
    assert pretokenizer_of(tmp_path) is None


def test_the_embedded_base_splits_as_smollm_does() -> None:
    assert pretokenizer_of(EMBEDDED) == "smollm"
