"""Many continuations of one prefix, the prefix computed once: exact attention for packed rows.

A packed row is the prefix (P tokens) followed by suffixes; each suffix sees the whole prefix and, causally, itself.
The suffixes' attention to the prefix is one non-causal flash call for all of them, merged with each suffix's own causal
call by log-sum-exp, forward and backward. So no mask of T by T exists, and unmodified transformers models run on it
through the attention interface. Without a `Shared` layout the implementation is transformers' own `sdpa`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from platypus.prompt import NO_LABEL, Encoded

NAME = "shared_prefix"  # what a model's `attn_implementation` is set to
VERIFIED = ("llama", "mistral", "qwen2", "qwen3")  # model types whose gradients a test compares
NO_MASK = torch.empty(1, 1, 1, 1)  # a 4-D mask goes through untouched, so transformers builds none


def can_share(model: PreTrainedModel) -> bool:
    """Whether this computation is known to be right for the model: full attention, on a CPU (CUDA is not verified)."""
    config = model.config
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return config.model_type in VERIFIED and not windowed and model.device.type == "cpu"


@dataclass(frozen=True)
class Shared:
    """The layout of a packed row: the prefix's length and each suffix's."""

    prefix: int
    suffixes: tuple[int, ...]

    def slices(self) -> Iterator[slice]:
        """Where each suffix stands in the row."""
        start = self.prefix
        for length in self.suffixes:
            yield slice(start, start + length)
            start += length


class Packed(NamedTuple):
    """Rows behind one copy of their common prefix, T tokens in all, and what is to be learned from them."""

    ids: torch.Tensor  # (1, T)
    positions: torch.Tensor  # (1, T)
    predicting: torch.Tensor  # (A,) the tokens whose next one is learned
    targets: torch.Tensor  # (A,) what comes next there
    layout: Shared


def common_prefix(rows: Sequence[Encoded]) -> int:
    """The length of the longest prefix of all rows that ends before the last token of the shortest prompt."""
    limit = max(0, min(row.prompt_length for row in rows) - 1)
    first, last = min(row.ids for row in rows), max(row.ids for row in rows)
    return next((i for i in range(limit) if first[i] != last[i]), limit)


def pack(rows: Sequence[Encoded]) -> Packed:
    """The rows behind their longest common prefix."""
    shared = common_prefix(rows)
    ids, positions = list(rows[0].ids[:shared]), list(range(shared))
    predicting: list[int] = []
    targets: list[int] = []
    for row in rows:
        offset = len(ids) - shared
        learned = [i for i in range(shared, len(row.ids) - 1) if row.labels[i + 1] != NO_LABEL]
        predicting += [offset + i for i in learned]
        targets += [row.ids[i + 1] for i in learned]
        ids += row.ids[shared:]
        positions += range(shared, len(row.ids))
    layout = Shared(shared, tuple(len(row.ids) - shared for row in rows))
    tensor = torch.tensor
    return Packed(tensor([ids]), tensor([positions]), tensor(predicting), tensor(targets), layout)


def summed_loss(model: Any, batch: Packed) -> torch.Tensor:
    """The sum of the targets' cross entropies; `model` has this attention implementation (`NAME`)."""
    logits = model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        attention_mask=NO_MASK,
        logits_to_keep=batch.predicting,
        use_cache=False,
        shared=batch.layout,
    ).logits[0]
    # Half precision is summed in float32; float64 stays.
    return cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), batch.targets, reduction="sum")


class _Partial(NamedTuple):
    """Attention over some of the keys: the output and the log-sum-exp of its scores, per row."""

    output: torch.Tensor
    lse: torch.Tensor


def _flash(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, causal: bool, scale: float | None) -> _Partial:
    return _Partial(*torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, scale=scale))


def _flash_backward(
    gradient: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    merged: _Partial,
    *,
    causal: bool,
    scale: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """dq, dk, dv of one part. With the *merged* output and log-sum-exp these are exactly that part's share."""
    dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        gradient, q, k, v, merged.output, merged.lse, 0.0, causal, scale=scale
    )
    return dq, dk, dv


class SharedPrefixAttention(torch.autograd.Function):
    """Attention of a packed row: q, k, v of shape (1, heads, T, width), as many key heads as query heads or fewer."""

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: Shared, scale: float | None
    ) -> torch.Tensor:
        """The output, (1, heads, T, width)."""
        p = layout.prefix
        prefix, rest = slice(0, p), slice(p, None)
        lse = q.new_empty(q.shape[:3], dtype=torch.promote_types(q.dtype, torch.float32))
        output = torch.empty_like(q)
        output[:, :, prefix], lse[:, :, prefix] = _flash(
            q[:, :, prefix], k[:, :, prefix], v[:, :, prefix], causal=True, scale=scale
        )
        before = _flash(q[:, :, rest], k[:, :, prefix], v[:, :, prefix], causal=False, scale=scale)
        for rows in layout.slices():
            own = _flash(q[:, :, rows], k[:, :, rows], v[:, :, rows], causal=True, scale=scale)
            there = slice(rows.start - p, rows.stop - p)
            weight = torch.sigmoid(own.lse - before.lse[:, :, there])[..., None].to(q.dtype)
            output[:, :, rows] = torch.lerp(before.output[:, :, there], own.output, weight)
            lse[:, :, rows] = torch.logaddexp(own.lse, before.lse[:, :, there])
        ctx.save_for_backward(q, k, v, output, lse)
        ctx.layout, ctx.scale = layout, scale
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Flash backward of each part; the prefix's keys and values collect from all."""
        (gradient,) = gradients
        q, k, v, output, lse = ctx.saved_tensors
        p, scale = ctx.layout.prefix, ctx.scale
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)

        def part(rows: slice, keys: slice, *, causal: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            merged = _Partial(output[:, :, rows], lse[:, :, rows])
            return _flash_backward(
                gradient[:, :, rows], q[:, :, rows], k[:, :, keys], v[:, :, keys], merged, causal=causal, scale=scale
            )

        prefix, rest = slice(0, p), slice(p, None)
        dq[:, :, prefix], dk[:, :, prefix], dv[:, :, prefix] = part(prefix, prefix, causal=True)
        dq[:, :, rest], more_dk, more_dv = part(rest, prefix, causal=False)
        dk[:, :, prefix] += more_dk
        dv[:, :, prefix] += more_dv
        for rows in ctx.layout.slices():
            own_dq, dk[:, :, rows], dv[:, :, rows] = part(rows, rows, causal=True)
            dq[:, :, rows] += own_dq
        return dq, dk, dv, None, None


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    shared: Shared | None = None,
    **others: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What transformers calls in each layer; `shared` comes from the model's call."""
    if shared is None:
        result: tuple[torch.Tensor, torch.Tensor | None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **others
        )
        return result
    output: torch.Tensor = SharedPrefixAttention.apply(query, key, value, shared, scaling)  # type: ignore[no-untyped-call]
    return output.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)  # ordinary calls (evaluation, generation) keep working
