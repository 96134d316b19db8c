"""The initial weights of a base: it copies from the context in any shape, and spellings have similar embeddings."""

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from platypus.pretraining.initial_weights import new_model
from platypus.pretraining.tokenizer import train_tokenizer
from platypus.run.recipe import Recipe

RECIPE = Recipe.model_validate({"prompt": {"notation": "calls", "markers": True}, "pretrain": {"vocabulary": 500}})


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(RECIPE, tasks=8)


@pytest.mark.parametrize(("width", "heads"), [(32, 2), (48, 3), (96, 3), (64, 4)])
def test_a_new_base_of_any_shape_copies_from_its_context(
    width: int, heads: int, tokenizer: PreTrainedTokenizerFast
) -> None:
    table = RECIPE.pretrain.model_copy(update={"hidden_size": width, "heads": heads, "intermediate_size": 64})
    model = new_model(table, tokenizer, seed=0)
    orders = [torch.randperm(200, generator=torch.Generator().manual_seed(seed))[:60].repeat(2) for seed in range(16)]
    ids = torch.stack(orders)
    losses = torch.nn.functional.cross_entropy(model(ids).logits[:, :-1].mT, ids[:, 1:], reduction="none")
    assert losses[:, 60:].mean() < losses[:, :59].mean() - 0.3


def test_spellings_of_a_word_have_similar_embeddings(tokenizer: PreTrainedTokenizerFast) -> None:
    embedding = new_model(RECIPE.pretrain, tokenizer, seed=0).get_input_embeddings().weight
    spaced, bare, other = embedding[tokenizer.convert_tokens_to_ids(["Ġt", "t", "u"])]
    likeness = torch.nn.functional.cosine_similarity
    assert likeness(spaced, bare, dim=0) > 0.5 > likeness(spaced, other, dim=0) + 0.2


def test_equal_seeds_give_equal_weights() -> None:
    """Bit for bit: the order in which a tokenizer lists its vocabulary is random, and a mean depends on it."""
    one, other = (new_model(RECIPE.pretrain, train_tokenizer(RECIPE, tasks=2), seed=0).state_dict() for _ in range(2))
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []
