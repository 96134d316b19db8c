"""Text from a loaded model: greedy and whole, or streamed. Knows tokens and texts, not plans."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from platypus.errors import PromptError
from platypus.model.loading import Loaded, check_tokens, through_transformers


@dataclass(frozen=True)
class Completion:
    """A model's answer: its text without special tokens, its length, and whether it reached an end token."""

    text: str
    tokens: int
    finished: bool


def complete(
    loaded: Loaded,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    seconds: float | None = None,
) -> Iterator[Completion]:
    """The greedy answer to each prompt, in order; prompts of a batch are padded on the left.

    An answer ends at an end token, after `max_new_tokens`, at the end of the context, or once its batch has taken
    `seconds`. Raises PromptError for a prompt that fills the context, or with a
    token that the model has no embedding for.
    """
    loaded = through_transformers(loaded)
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        longest = max(len(prompt) for prompt in batch)
        limit = min(max_new_tokens, _room(loaded, longest))
        for prompt in batch:
            check_tokens(loaded, prompt, what="the prompt")
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in batch])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in batch])
        with torch.inference_mode():
            output = loaded.model.generate(  # type: ignore[operator]
                input_ids=ids.to(loaded.device),
                attention_mask=mask.to(loaded.device),
                max_new_tokens=limit,
                max_time=seconds,
            )
        for row in output[:, longest:].tolist():
            yield _completion(loaded, row)


def stream(
    loaded: Loaded,
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Iterator[str]:
    """The answer to one prompt, yielded in pieces as it is generated. Raises PromptError like `complete`.

    Greedy at temperature 0; otherwise tokens are drawn with the seed, among the likeliest with `top_p` of the
    probability.
    """
    loaded = through_transformers(loaded)
    check_tokens(loaded, prompt, what="the prompt")
    ids = torch.tensor([list(prompt)], device=loaded.device)
    cache = None
    answer: list[int] = []
    yielded = ""
    generator = torch.Generator(loaded.device).manual_seed(seed)
    for _ in range(min(max_new_tokens, _room(loaded, len(prompt)))):
        with torch.inference_mode():
            output = loaded.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        ids = _next(output.logits[:, -1].float(), temperature, top_p, generator)
        if ids.item() in loaded.end_tokens:
            break
        answer.append(int(ids.item()))
        text = _decode(loaded, answer)
        if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # the last character lacks some of its bytes
            yield text[len(yielded) :]
            yielded = text
    yield _decode(loaded, answer)[len(yielded) :]


def _next(logits: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator) -> torch.Tensor:
    """The next token, (1, 1), for the logits after the last one, (1, vocabulary)."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    none = torch.empty(1, 0, dtype=torch.long, device=logits.device)
    scores = TopPLogitsWarper(top_p)(none, TemperatureLogitsWarper(temperature)(none, logits))
    return torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=generator)


def _completion(loaded: Loaded, row: Sequence[int]) -> Completion:
    """The answer in a row of generated ids, which is padded after its end token."""
    end = next((at for at, token in enumerate(row) if token in loaded.end_tokens), None)
    answer = row if end is None else row[:end]
    return Completion(text=_decode(loaded, answer), tokens=len(answer) + (end is not None), finished=end is not None)


def _decode(loaded: Loaded, ids: Sequence[int]) -> str:
    return str(loaded.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _room(loaded: Loaded, length: int) -> int:
    """The number of tokens that fit behind a prompt of `length` tokens. Raises PromptError if none does."""
    if length >= loaded.context:
        raise PromptError(
            f"the prompt has {length} tokens, but the model's context is {loaded.context}",
            where=loaded.source,
            remedy="Use a smaller catalogue, a shorter request, or a base with a longer context.",
        )
    return loaded.context - length
