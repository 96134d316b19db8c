"""A file that llama.cpp cannot read, and a llama.cpp that is not there, are errors with a remedy."""

import sys
from pathlib import Path

import pytest

from platypus.errors import ModelError
from platypus.exporting.llama_server import LlamaServer


def test_a_file_that_is_none_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="pip install 'platypus-llm[export]'")
    (tmp_path / "model.gguf").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"llama.cpp cannot read it"):
        LlamaServer.open(tmp_path / "model.gguf", context=64)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelError) as refused:
        LlamaServer.open(tmp_path / "model.gguf", context=64)
    assert "pip install 'platypus-llm[export]'" in str(refused.value)
