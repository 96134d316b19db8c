"""Models opened through transformers: generation settings and padding; an unknown architecture is refused."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    PreTrainedTokenizerBase,
)

from platypus.errors import ModelError
from platypus.model.loading import Loaded, load_base
from platypus.model.pretrained import greedy_generation, set_padding
from tests.support.tiny_bases import END, end_only_tokenizer, tiny
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return load_base(str(base))


# ---------------------------------------------------------------- opening


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


def test_the_end_tokens_of_a_model_of_text_and_images_are_those_of_its_text(loaded: Loaded) -> None:
    config = LlavaConfig(text_config=LlamaConfig(eos_token_id=[1, 9]))
    assert greedy_generation(config, GenerationConfig(), loaded.tokenizer).eos_token_id == [1, 9]


# ---------------------------------------------------------------- padding


def test_padding_is_not_the_end_if_there_is_another_token_and_never_a_new_one(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path)
    size = len(tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    set_padding(tokenizer, rows=size)
    assert (tokenizer.pad_token, tokenizer.pad_token_id, len(tokenizer)) == ("<unk>", 0, size)


def test_a_tokenizer_keeps_the_padding_that_it_has() -> None:
    tokenizer = byte_bpe_tokenizer()
    set_padding(tokenizer, rows=len(tokenizer))
    assert tokenizer.pad_token == "<pad>"


@pytest.mark.parametrize("roles", [{"pad": True}, {"begins": True}, {}], ids=["Qwen", "GPT-2", "Falcon"])
def test_the_end_pads_if_there_is_nothing_else(roles: dict[str, bool]) -> None:
    tokenizer = end_only_tokenizer(**roles)
    set_padding(tokenizer, rows=len(tokenizer))
    assert tokenizer.pad_token == tokenizer.eos_token == END


def test_padding_without_a_row_is_replaced() -> None:
    tokenizer = byte_bpe_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    assert tokenizer.pad_token_id == 512
    set_padding(tokenizer, rows=512)
    assert tokenizer.pad_token == "<pad>"


@pytest.mark.parametrize("role", ["eos_token", "bos_token"])
def test_a_beginning_or_end_without_a_row_is_refused_by_name(role: str) -> None:
    tokenizer = byte_bpe_tokenizer()
    tokenizer.add_special_tokens({role: "<|new|>"})
    with pytest.raises(ModelError, match=r"no row for the token <\|new\|>.* its id is 512, and there are 512 rows"):
        set_padding(tokenizer, rows=512)


def test_a_base_whose_config_pads_with_a_token_without_a_row_is_opened(tmp_path: Path, base: Path) -> None:
    folder = shutil.copytree(base, tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "pad_token_id": 512}))
    assert load_base(str(folder)).model.generation_config.pad_token_id == 2


def test_a_config_without_a_context_length_is_refused(tmp_path: Path) -> None:
    folder = tiny(tmp_path / "bloom", BloomForCausalLM, BloomConfig, byte_bpe_tokenizer(), n_layer=1, n_head=2)
    assert load_base(str(folder)).context == 1024
    config = json.loads((folder / "config.json").read_text())
    del config["max_position_embeddings"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"no context length \(max_position_embeddings"):
        load_base(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "seq_length": 77}))
    assert load_base(str(folder)).context == 77


def without(tokenizer: PreTrainedTokenizerBase, *tokens: str) -> PreTrainedTokenizerBase:
    for token in tokens:
        setattr(tokenizer, token, None)
    return tokenizer


def test_a_tokenizer_without_an_end_is_refused() -> None:
    with pytest.raises(ModelError, match="no EOS token"):
        set_padding(without(byte_bpe_tokenizer(), "eos_token"), rows=512)
