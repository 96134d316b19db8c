"""Loading models: the dtype asked for, and a small Llama without transformers where it is only to plan."""

from pathlib import Path

import pytest
import torch

from platypus.errors import ModelError, PromptError
from platypus.model.completion import complete
from platypus.model.loading import check_tokens, load_base
from platypus.model.small_llama import SmallLlama
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


def test_a_base_loads_without_dropout_in_the_requested_dtype(base: Path) -> None:
    assert load_base(str(base)).model.dtype == (torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    loaded = load_base(str(base), dtype="bfloat16", device="cpu")
    assert loaded.model.dtype == torch.bfloat16
    assert not loaded.model.training


def test_a_text_with_a_token_without_a_row_is_refused_by_name(base: Path) -> None:
    loaded = load_base(str(base), device="meta")
    check_tokens(loaded, [0, 511], what="row 3")
    loaded.tokenizer.add_tokens(["heron"])
    with pytest.raises(PromptError, match=r"row 3 has the token 'heron'.* its id is 512, and there are 512 rows"):
        check_tokens(loaded, [5, 512, 6], what="row 3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="on CUDA, models are opened through transformers")
def test_a_small_llama_is_opened_without_transformers_to_plan_with(base: Path) -> None:
    whole, light = load_base(str(base)), load_base(str(base), light=True)
    assert isinstance(light.model, SmallLlama)
    assert (light.context, light.vocabulary, light.end_tokens) == (whole.context, whole.vocabulary, whole.end_tokens)
    assert (light.source, light.fingerprint, light.device) == (whole.source, whole.fingerprint, whole.device)
    assert not isinstance(load_base(str(base), light=True, dtype="bfloat16").model, SmallLlama)


def test_a_small_llama_is_opened_again_to_write_text(base: Path) -> None:
    whole, light = load_base(str(base)), load_base(str(base), light=True)
    answers = [list(complete(one, [[0, 5, 7]], max_new_tokens=8, batch_size=1)) for one in (whole, light)]
    assert answers[0] == answers[1]


def test_other_tokenizers_are_left_to_transformers(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "base", tokenizer=sentencepiece_tokenizer(tmp_path / "tokenizer"))
    assert not isinstance(load_base(str(folder), light=True).model, SmallLlama)


def test_a_tokenizer_without_an_end_is_refused_in_the_same_words(tmp_path: Path) -> None:
    folder, tokenizer = tiny_llama(tmp_path / "base"), byte_bpe_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="no EOS token"):
        load_base(str(folder), light=True)
