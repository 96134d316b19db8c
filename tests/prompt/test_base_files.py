"""The small files of a base: its context, and a tokenizer that opens without transformers."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from platypus.prompt.base_files import EMBEDDED, QuickTokenizer, context_of, local_folder
from tests.support.tiny_models import tiny_llama


@pytest.mark.parametrize("text", ["", " a  b", "</s> is text", "Zażółć 漢字 🦆\n\ttab", "x" * 300])
def test_the_quick_tokenizer_gives_the_ids_of_the_real_one(text: str) -> None:
    quick, whole = QuickTokenizer(EMBEDDED), AutoTokenizer.from_pretrained(EMBEDDED)
    ends = (quick.bos_token_id, quick.eos_token_id, quick.pad_token_id)
    assert ends == (whole.bos_token_id, whole.eos_token_id, whole.pad_token_id)
    for split in (True, False):
        ids = quick.encode(text, add_special_tokens=False, split_special_tokens=split)
        assert ids == whole.encode(text, add_special_tokens=False, split_special_tokens=split)
        assert quick.decode(ids) == whole.decode(ids)


def test_a_context_is_found_under_any_of_its_names(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base", context=640)
    assert context_of(str(base)) == 640 and context_of("embedded") == 8192
    (base / "config.json").write_text(json.dumps({"n_positions": 77}))
    assert context_of(str(base)) == 77
    (base / "config.json").write_text(json.dumps({"max_seq_len": 88}))
    assert context_of(str(base)) == 88
    (base / "config.json").write_text("{")
    assert context_of(str(base)) is None


def test_a_base_that_is_not_here_has_no_files() -> None:
    assert local_folder("nobody/nothing") is None
    assert context_of("nobody/nothing") is None and QuickTokenizer.of("nobody/nothing") is None
