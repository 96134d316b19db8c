"""The tokenizer of a new base: short prompts, digits one by one, and every text comes back as it was."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from platypus.generation.tasks import random_task
from platypus.pretraining.tokenizer import prompt_of, train_tokenizer
from platypus.prompt.templates import shared_frame
from platypus.run.recipe import Recipe

RECIPE = Recipe.model_validate({"prompt": {"notation": "calls", "markers": True}, "pretrain": {"vocabulary": 500}})


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(RECIPE, tasks=8)


def test_digits_are_tokens_of_their_own(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("DEVU-1234")[-4:] == ["1", "2", "3", "4"]


def test_the_text_that_all_prompts_share_is_three_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer) == RECIPE.pretrain.vocabulary
    drawn = random_task("short", tools=5, requests=1)
    ids = prompt_of(RECIPE, tokenizer, drawn).ids("find 'it'")
    common = [tokenizer.convert_tokens_to_ids(text) for text in shared_frame("calls", markers=True)]
    assert ids[:2] == [tokenizer.bos_token_id, common[0]] and ids[-1] == common[2]
    assert [token for token in ids if token in common] == common
    assert tokenizer.decode(ids[1:]) == prompt_of(RECIPE, tokenizer, drawn).text("find 'it'")


@given(text=st.text())
def test_every_text_comes_back_as_it_was(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    """Also text with characters that never occurred in training: there is a token for each byte."""
    for special in (*tokenizer.all_special_tokens, *shared_frame("calls", markers=True)):
        assume(special not in text)
    ids = tokenizer.encode(text)
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == text
