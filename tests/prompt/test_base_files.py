"""The small files of a base: its context, and a tokenizer that opens without transformers."""

import json
from pathlib import Path

from platypus.model.loading import load_base
from platypus.prompt.base_files import QuickTokenizer, context_of, local_folder
from tests.support.tiny_models import tiny_llama


def test_the_quick_tokenizer_counts_as_the_real_one() -> None:
    quick, real = QuickTokenizer.of("embedded"), load_base("embedded", device="meta").tokenizer
    assert quick is not None
    for text in ("search(query, limit?: integer)", "  Finds things.\n", "Grüße 🦆"):
        ids = real.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert quick.encode(text, add_special_tokens=False, split_special_tokens=True) == ids


def test_a_context_is_found_under_any_of_its_names(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base", context=640)
    assert context_of(str(base)) == 640 and context_of("embedded") == 8192
    (base / "config.json").write_text(json.dumps({"n_positions": 77}))
    assert context_of(str(base)) == 77
    (base / "config.json").write_text("{")
    assert context_of(str(base)) is None


def test_a_base_that_is_not_here_has_no_files() -> None:
    assert local_folder("nobody/nothing") is None
    assert context_of("nobody/nothing") is None and QuickTokenizer.of("nobody/nothing") is None
