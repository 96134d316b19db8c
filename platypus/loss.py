"""The loss of encoded examples and its gradients: always a sum over answer tokens, divided by a count that is given.

So the loss of a batch doesn't depend on how it is cut into micro-batches, nor on which device computes which of them.
Knows nothing of optimizers, epochs and recipes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from platypus.model import Loaded
from platypus.prefix import NAME, common_prefix, pack, summed_loss
from platypus.prompt import NO_LABEL, Encoded


def answer_length(example: Encoded) -> int:
    """The tokens of an example that are learned."""
    return len(example.ids) - example.prompt_length


def accumulate(
    adapted: Loaded, examples: Sequence[Encoded], *, answer_tokens: int, micro_batch_size: int
) -> torch.Tensor:
    """Forward and backward of these examples, micro-batch by micro-batch; gradients add up in the adapter.

    Gives their part of the step's loss: the sum over their answer tokens, divided by the whole step's `answer_tokens`.
    """
    total = torch.zeros((), device=adapted.device)
    for part in _micro_batches(examples, micro_batch_size):
        loss = _summed_loss(adapted, part) / answer_tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def mean_loss(adapted: Loaded, examples: Sequence[Encoded], *, micro_batch_size: int) -> float:
    """The loss per answer token over all examples, without dropout."""
    adapted.model.eval()
    with torch.no_grad():
        losses = [float(_summed_loss(adapted, part)) for part in _micro_batches(examples, micro_batch_size)]
    return sum(losses) / sum(answer_length(example) for example in examples)


def _summed_loss(adapted: Loaded, part: Sequence[Encoded]) -> torch.Tensor:
    """The sum of the answer tokens' losses of one micro-batch: packed where the model shares prefixes, else padded."""
    shares = adapted.model.config._attn_implementation == NAME
    if shares and len(part) > 1 and common_prefix(part):
        return summed_loss(adapted.model, pack(part))
    return _padded_loss(adapted, part)


def _padded_loss(adapted: Loaded, part: Sequence[Encoded]) -> torch.Tensor:
    """Each example computed whole.

    Padding stands on the right, where causal attention cannot see it: a mask would only forbid the fast kernels. No
    logits are computed where every example still has its prompt.
    """
    longest = max(len(example.ids) for example in part)
    first = min(example.prompt_length for example in part)
    pad = int(adapted.tokenizer.pad_token_id)
    ids = torch.tensor([[*example.ids, *[pad] * (longest - len(example.ids))] for example in part])
    labels = torch.tensor([[*example.labels, *[NO_LABEL] * (longest - len(example.ids))] for example in part])
    model: Any = adapted.model
    logits = model(
        input_ids=ids.to(adapted.device),
        use_cache=False,
        logits_to_keep=longest - first + 1,
    ).logits[:, :-1]
    targets = labels[:, first:].to(adapted.device)
    return cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=NO_LABEL, reduction="sum")


def _micro_batches(examples: Sequence[Encoded], size: int) -> Iterator[Sequence[Encoded]]:
    """The examples by length, so that little of a micro-batch is padding."""
    ordered = sorted(examples, key=lambda example: len(example.ids))
    return (ordered[start : start + size] for start in range(0, len(ordered), size))
