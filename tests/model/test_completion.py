"""Completions: batches, padding and streaming give the greedy text, and a prompt that fills the context is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import GenerationConfig

from platypus.errors import PromptError
from platypus.model.completion import complete, stream
from platypus.model.loading import Loaded, load_base
from tests.support.tiny_models import tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return load_base(str(base))


def prompts(loaded: Loaded) -> list[list[int]]:
    texts = ["list", "a much longer prompt than the others, to be padded to", "Sum up 3 items", "ä", "zebras"]
    return [loaded.tokenizer.encode(text) for text in texts]


def greedy(loaded: Loaded, prompt: list[int], *, most: int) -> list[int]:
    """The slow reference: one whole forward pass for each token, no cache, no batch."""
    ids = list(prompt)
    while len(ids) < len(prompt) + most and (len(ids) == len(prompt) or ids[-1] not in loaded.end_tokens):
        with torch.no_grad():
            ids.append(int(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def ending_after(loaded: Loaded, prompt: list[int], *, tokens: int) -> Loaded:
    """The same model, but the token that it generates in that place is an end token."""
    model = loaded.model
    end = greedy(loaded, prompt, most=tokens)[-1]
    changed = load_base(loaded.source)
    changed.model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[end, 1], pad_token_id=model.generation_config.pad_token_id
    )
    return changed


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_completions_are_the_greedy_ones_in_order_however_they_are_batched(loaded: Loaded, batch_size: int) -> None:
    said = list(complete(loaded, prompts(loaded), max_new_tokens=6, batch_size=batch_size))
    for prompt, completion in zip(prompts(loaded), said, strict=True):
        expected = greedy(loaded, prompt, most=6)
        assert completion.text == loaded.tokenizer.decode([i for i in expected if i not in loaded.end_tokens])
        assert completion.tokens == len(expected)


def test_a_completion_ends_at_the_first_end_token_of_several(loaded: Loaded) -> None:
    prompt = prompts(loaded)[0]
    model = ending_after(loaded, prompt, tokens=4)
    expected = greedy(model, prompt, most=9)
    (said,) = complete(model, [prompt], max_new_tokens=9, batch_size=1)
    assert (said.tokens, said.finished) == (len(expected), True)
    assert said.text == loaded.tokenizer.decode(expected[:-1])


def test_a_completion_without_an_end_is_not_finished(loaded: Loaded) -> None:
    prompt = prompts(loaded)[0]
    (said,) = complete(loaded, [prompt], max_new_tokens=3, batch_size=1)
    assert not loaded.end_tokens & set(greedy(loaded, prompt, most=3))
    assert (said.tokens, said.finished) == (3, False)


def test_stream_gives_the_same_text_piece_by_piece(loaded: Loaded) -> None:
    for prompt in prompts(loaded):
        model = ending_after(loaded, prompt, tokens=5)
        (said,) = complete(model, [prompt], max_new_tokens=8, batch_size=1)
        assert "".join(stream(model, prompt, max_new_tokens=8)) == said.text


def test_stream_never_shows_half_a_character(loaded: Loaded) -> None:
    said = loaded.tokenizer.encode("aä€b", add_special_tokens=False)
    assert len(said) == 1 + 2 + 3 + 1  # a token for each byte

    class Scripted:
        """Generates these tokens, then the end token."""

        device, config, generation_config = loaded.device, loaded.model.config, loaded.model.generation_config
        script = iter([*said, loaded.tokenizer.eos_token_id])

        def __call__(self, **inputs: object) -> SimpleNamespace:
            logits = torch.nn.functional.one_hot(torch.tensor([[next(self.script)]]), len(loaded.tokenizer))
            return SimpleNamespace(logits=logits, past_key_values=None)

    pieces = list(stream(replace(loaded, model=Scripted()), [0], max_new_tokens=20))
    assert [piece for piece in pieces if piece] == ["a", "ä", "€", "b"]


def test_an_answer_ends_at_the_end_of_the_context(loaded: Loaded) -> None:
    prompt = [5] * (loaded.context - 2)
    (said,) = complete(loaded, [prompt], max_new_tokens=50, batch_size=1)
    assert said.tokens <= 2


def test_a_prompt_that_fills_the_context_is_refused(loaded: Loaded) -> None:
    with pytest.raises(PromptError, match="128 tokens, but the model's context is 128"):
        list(complete(loaded, [[5] * 128], max_new_tokens=1, batch_size=1))
    with pytest.raises(PromptError, match="context is 128"):
        list(stream(loaded, [5] * 200, max_new_tokens=1))


def test_a_stream_is_drawn_with_its_seed_from_the_likeliest_tokens(loaded: Loaded) -> None:
    prompt = prompts(loaded)[1]

    def said(**options: float) -> str:
        return "".join(stream(loaded, prompt, max_new_tokens=12, **options))  # type: ignore[arg-type]

    assert said(temperature=1.0, seed=1) == said(temperature=1.0, seed=1)
    assert len({said(temperature=1.0, seed=seed) for seed in range(4)}) > 1
    assert said(temperature=1.0, top_p=1e-9, seed=5) == said() == said(temperature=1e-4, seed=2)
