"""The loss of encoded examples and its gradients: always a sum over answer tokens, divided by a given count.

So the loss of a batch does not depend on how it is split into micro-batches, nor on which device computes which of
them. What the examples have in common is computed once (`prefix.py`) if the model supports it, else with each example;
what an activated adapter leaves to the base (`frozen.py`), once for as long as it is kept.
Knows nothing of optimizers, epochs and recipes.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from platypus.model.loading import Loaded
from platypus.prompt.prompt import NO_LABEL, EncodedExample
from platypus.training.shared_prefix.frozen import FrozenPrefixes, behind_one_prefix
from platypus.training.shared_prefix.prefix import DENSE, FLASH, SharedPrefix, common_prefix, prefix_pass, suffix_pass


def answer_length(example: EncodedExample) -> int:
    """The number of tokens of an example that are learned."""
    return len(example.ids) - example.prompt_length - sum(map(len, example.gaps))


def shares(adapted: Loaded) -> bool:
    """Whether the model computes the common prefix of examples once."""
    return adapted.model.config._attn_implementation in (FLASH, DENSE)


def accumulate(
    adapted: Loaded,
    examples: Sequence[EncodedExample],
    *,
    answer_tokens: int,
    micro_batch_size: int,
    share: bool = True,
    kept: FrozenPrefixes | None = None,
) -> torch.Tensor:
    """Forward and backward of these examples, one micro-batch after another; gradients add up in the adapter.

    Returns their part of the step's loss: the sum over their answer tokens, divided by the whole step's
    `answer_tokens`. Without `share`, no prefix is shared: processes that wait for one another must all make the same
    passes. `kept` holds frozen prefixes from one step to the next.
    """
    total = torch.zeros((), device=adapted.device)
    with closing(_losses(adapted, examples, micro_batch_size, share, kept)) as losses:
        for summed in losses:
            loss = summed / answer_tokens
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().to(total.device)
    return total


def summed_loss(
    adapted: Loaded,
    examples: Sequence[EncodedExample],
    *,
    micro_batch_size: int,
    share: bool = True,
    kept: FrozenPrefixes | None = None,
) -> float:
    """The sum of the losses of all answer tokens, without dropout and without gradients."""
    adapted.model.eval()
    with torch.no_grad():
        return sum(float(summed) for summed in _losses(adapted, examples, micro_batch_size, share, kept))


def _losses(
    adapted: Loaded, examples: Sequence[EncodedExample], size: int, share: bool, kept: FrozenPrefixes | None
) -> Generator[torch.Tensor]:
    """The summed loss of each micro-batch. Its backward pass, if any, must be done before the next one is requested.

    The prefix is computed before the first micro-batch. Its own backward pass follows the last one.
    """
    if not examples:
        return
    if examples[0].frozen:
        kept = kept or FrozenPrefixes()
        for ids, rows in behind_one_prefix(examples).items():
            yield from _behind(adapted, rows, size, kept.of(adapted, ids))
        return
    if not shares(adapted):
        yield from (_padded_loss(adapted, part) for part in _by_length(examples, size))
        return
    shared = common_prefix(examples) if share and len(examples) > 1 else 0
    prefix_forward = prefix_pass(examples[0].ids[:shared]) if shared else None
    if prefix_forward:
        with prefix_forward.spare_last_layer(adapted.model):
            prefix_forward.logits(adapted.model)
    prefix = prefix_forward.prefix if prefix_forward else None
    if prefix:
        prefix.detach()
    yield from _behind(adapted, examples, size, prefix)
    if prefix_forward and prefix:
        with prefix_forward.spare_last_layer(adapted.model):
            prefix.backward()


def _behind(
    adapted: Loaded, rows: Sequence[EncodedExample], size: int, prefix: SharedPrefix | None
) -> Iterator[torch.Tensor]:
    """The summed loss of each micro-batch of what rows have behind their prefix."""
    for start in range(0, len(rows), size):
        forward, targets = suffix_pass(rows[start : start + size], prefix)
        with forward.spare_last_layer(adapted.model):
            yield _summed(forward.logits(adapted.model), targets)


def _padded_loss(adapted: Loaded, part: Sequence[EncodedExample]) -> torch.Tensor:
    """The summed loss of examples that are computed whole.

    Padding is on the right, where causal attention does not see it; a mask would rule out the fast kernels. Logits are
    computed only from the end of the shortest prompt on.
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
    return _summed(logits.flatten(0, 1), labels[:, first:].flatten())


def _summed(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The sum of the targets' cross entropies, in float32 or higher precision."""
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return cross_entropy(precise, targets.to(logits.device), ignore_index=NO_LABEL, reduction="sum")


def _by_length(examples: Sequence[EncodedExample], size: int) -> Iterator[Sequence[EncodedExample]]:
    """The examples in micro-batches of similar length, so that there is little padding."""
    ordered = sorted(examples, key=lambda example: len(example.ids))
    return (ordered[start : start + size] for start in range(0, len(ordered), size))
