"""Loading models: dtypes, generation settings and padding; an unknown architecture is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig, PreTrainedTokenizerBase

from platypus.errors import ModelError
from platypus.model.loading import Loaded, greedy_generation, load_base, set_padding
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return load_base(str(base))


# ---------------------------------------------------------------- opening


def test_a_base_loads_without_dropout_in_the_requested_dtype(base: Path) -> None:
    assert load_base(str(base)).model.dtype == (torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    loaded = load_base(str(base), dtype="bfloat16", device="cpu")
    assert loaded.model.dtype == torch.bfloat16
    assert not loaded.model.training


def test_an_architecture_that_transformers_does_not_know_is_refused(tmp_path: Path, base: Path) -> None:
    save_file(load_file(base / "model.safetensors"), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "abacus"}))
    with pytest.raises(ModelError, match="abacus"):
        load_base(str(tmp_path))


def test_generation_has_the_end_tokens_of_tokenizer_config_and_base_once(loaded: Loaded) -> None:
    config = loaded.model.config
    sampling = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, eos_token_id=[1, 7])
    generation = greedy_generation(config, sampling, loaded.tokenizer)
    assert generation.eos_token_id == [1, 7]
    assert (generation.do_sample, generation.temperature, generation.top_p) == (False, None, None)
    assert generation.pad_token_id == loaded.tokenizer.convert_tokens_to_ids("<pad>")


# ---------------------------------------------------------------- padding


def test_padding_is_never_the_end_and_never_a_new_token(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path)
    size = len(tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    set_padding(tokenizer)
    assert (tokenizer.pad_token, tokenizer.pad_token_id, len(tokenizer)) == ("<unk>", 0, size)


def test_a_tokenizer_keeps_the_padding_that_it_has() -> None:
    tokenizer = byte_bpe_tokenizer()
    set_padding(tokenizer)
    assert tokenizer.pad_token == "<pad>"


def without(tokenizer: PreTrainedTokenizerBase, *tokens: str) -> PreTrainedTokenizerBase:
    for token in tokens:
        setattr(tokenizer, token, None)
    return tokenizer


def test_a_tokenizer_without_an_end_or_anything_for_padding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no EOS token"):
        set_padding(without(byte_bpe_tokenizer(), "eos_token"))
    monkeypatch.setattr("platypus.model.loading.SPARE_TOKENS", ())
    with pytest.raises(ModelError, match="no token for padding except EOS"):
        set_padding(without(byte_bpe_tokenizer(bos=False), "pad_token"))
