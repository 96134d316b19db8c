"""Exact attention of rows side by side behind a shared prefix, from torch's own flash kernels.

Two partial attentions, one over the prefix's keys and one over each row's own, are merged by their log-sum-exp. In the
backward pass each part is computed with the *merged* output and log-sum-exp, which gives exactly that part's share of
the gradients (FlashAttention-2, arXiv:2307.08691, section 3). Knows nothing of models.
"""

import math
from collections.abc import Iterator
from itertools import accumulate, product
from typing import Any, NamedTuple

import torch

AT_ONCE = 512  # queries, and keys, whose scores are in memory at once where they are written out: 1 MB, for the cache

_aten = torch.ops.aten


class Partial(NamedTuple):
    """Attention over some of the keys: output (1, heads, T, width) and log-sum-exp of the scores (1, heads, T)."""

    output: torch.Tensor
    lse: torch.Tensor


class Gradients(NamedTuple):
    """The gradients of queries, keys and values, in their shapes."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


def flash_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor] | None,
    *,
    lengths: tuple[int, ...],
    scale: float | None,
) -> torch.Tensor:
    """Attention of rows side by side: each row sees all of `before` (keys and values) and, causally, itself.

    query (1, heads, T, width); key and value (1, key heads, T, width), where key heads divides heads; `lengths` of the
    rows, which sum to T. Returns (1, heads, T, width).
    """
    before_key, before_value = before or (None, None)
    output: torch.Tensor = _Attention.apply(query, key, value, before_key, before_value, lengths, scale)  # type: ignore[no-untyped-call]
    return output


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        before_key: torch.Tensor | None,
        before_value: torch.Tensor | None,
        lengths: tuple[int, ...],
        scale: float | None,
    ) -> torch.Tensor:
        output, lse = _forward(query, key, value, lengths=lengths, scale=scale)
        if before_key is not None and before_value is not None:
            prefix = _forward(query, before_key, before_value, lengths=None, scale=scale)
            weight = torch.sigmoid(lse - prefix.lse)[..., None].to(output.dtype)
            output = torch.lerp(prefix.output, output, weight)
            lse = torch.logaddexp(lse, prefix.lse)
        ctx.save_for_backward(query, key, value, before_key, before_value, output, lse)
        ctx.lengths, ctx.scale = lengths, scale
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, before_key, before_value, output, lse = ctx.saved_tensors
        merged = Partial(output, lse)
        own = _backward(gradients[0], query, key, value, merged, lengths=ctx.lengths, scale=ctx.scale)
        if before_key is None:
            return *own, None, None, None, None
        if not any(ctx.needs_input_grad[3:5]):
            own.query.add_(_query_gradient(gradients[0], query, before_key, before_value, merged, scale=ctx.scale))
            return *own, None, None, None, None
        prefix = _backward(gradients[0], query, before_key, before_value, merged, lengths=None, scale=ctx.scale)
        return own.query.add_(prefix.query), own.key, own.value, prefix.key, prefix.value, None, None


def _forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: tuple[int, ...] | None, scale: float | None
) -> Partial:
    """Causal attention within rows of these lengths. If lengths is None, every query sees every key."""
    if query.is_cuda:
        return _cuda_forward(query, key, value, lengths=lengths, scale=scale)
    flash = _aten._scaled_dot_product_flash_attention_for_cpu
    if lengths is None or len(lengths) == 1:
        return Partial(*flash(query, key, value, 0.0, lengths is not None, scale=scale))
    output = torch.empty_like(query)
    lse = query.new_empty(query.shape[:3], dtype=torch.promote_types(query.dtype, torch.float32))
    for rows in _spans(lengths):
        parts = (tensor[:, :, rows] for tensor in (query, key, value))
        output[:, :, rows], lse[:, :, rows] = flash(*parts, 0.0, True, scale=scale)
    return Partial(output, lse)


def _backward(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    merged: Partial,
    *,
    lengths: tuple[int, ...] | None,
    scale: float | None,
) -> Gradients:
    """The part of the gradients that flows through `_forward` with the same arguments."""
    if query.is_cuda:
        return _cuda_backward(gradient, query, key, value, merged, lengths=lengths, scale=scale)
    flash = _aten._scaled_dot_product_flash_attention_for_cpu_backward
    if lengths is None or len(lengths) == 1:
        return Gradients(*flash(gradient, query, key, value, *merged, 0.0, lengths is not None, scale=scale))
    whole = Gradients(torch.empty_like(query), torch.empty_like(key), torch.empty_like(value))
    for rows in _spans(lengths):
        parts = (tensor[:, :, rows] for tensor in (gradient, query, key, value, *merged))
        for into, part in zip(whole, flash(*parts, 0.0, True, scale=scale), strict=True):
            into[:, :, rows] = part
    return whole


def _query_gradient(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    merged: Partial,
    *,
    scale: float | None,
) -> torch.Tensor:
    """The queries' part alone, for keys and values that nothing is propagated to: three products instead of five.

    The flash kernels always compute all parts, so this one is written out, for a head, some keys and some queries at a
    time. The log-sum-exp, and what a row of gradients has in common, are subtracted within the products, by one more
    column.
    """
    if query.is_cuda or query.dtype not in (torch.float32, torch.float64):
        return _backward(gradient, query, key, value, merged, lengths=None, scale=scale).query
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    queries = torch.cat((query * scale, -merged.lse[..., None].to(query.dtype)), -1)[0]
    gradients = torch.cat((gradient, -(gradient * merged.output).sum(-1, keepdim=True)), -1)[0]
    keys, values = (torch.cat((part, part.new_ones(*part.shape[:3], 1)), -1)[0].mT for part in (key, value))
    whole, repeats = torch.zeros_like(query), query.shape[1] // key.shape[1]
    scores, slopes = query.new_empty(2, min(AT_ONCE, query.shape[2]) * min(AT_ONCE, key.shape[2]))
    for head, start in product(range(query.shape[1]), range(0, key.shape[2], AT_ONCE)):
        own, seen = head // repeats, slice(start, start + AT_ONCE)
        for some in range(0, query.shape[2], AT_ONCE):
            at = slice(some, some + AT_ONCE)
            shape = len(queries[head, at]), len(key[0, own, seen])
            weights, changes = (buffer[: math.prod(shape)].view(shape) for buffer in (scores, slopes))
            torch.mm(queries[head, at], keys[own, :, seen], out=weights).exp_()
            torch.mm(gradients[head, at], values[own, :, seen], out=changes)
            whole[0, head, at].addmm_(weights.mul_(changes), key[0, own, seen])
    return whole.mul_(scale)


def _spans(lengths: tuple[int, ...]) -> Iterator[slice]:
    return (slice(end - length, end) for length, end in zip(lengths, accumulate(lengths), strict=True))


# ---------------------------------------------------------------- CUDA: follows the kernels' signatures, not run so far


class _Ends(NamedTuple):
    """Where rows end in a packed tensor, for FlashAttention's variable-length kernels."""

    ends: torch.Tensor  # (rows + 1,) int32, from 0
    longest: int


def _ends(lengths: tuple[int, ...], device: torch.device) -> _Ends:
    return _Ends(torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device), max(lengths))


def _packed(tensor: torch.Tensor) -> torch.Tensor:
    """(1, heads, T, width) as (T, heads, width), without a copy; `_packed(x).transpose(0, 1)[None]` is the inverse."""
    return tensor[0].transpose(0, 1)


def _cuda_forward(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, lengths: tuple[int, ...] | None, scale: float | None
) -> Partial:
    queries = _ends(lengths or (query.shape[2],), query.device)
    keys = _ends(lengths or (key.shape[2],), query.device)
    output, lse, *_ = _aten._flash_attention_forward(
        *map(_packed, (query, key, value)),
        *(queries.ends, keys.ends, queries.longest, keys.longest, 0.0, lengths is not None, False),
        scale=scale,
    )
    return Partial(output.transpose(0, 1)[None], lse[None])


def _cuda_backward(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    merged: Partial,
    *,
    lengths: tuple[int, ...] | None,
    scale: float | None,
) -> Gradients:
    queries = _ends(lengths or (query.shape[2],), query.device)
    keys = _ends(lengths or (key.shape[2],), query.device)
    no_dropout = torch.zeros(2, dtype=torch.uint64, device=query.device)
    packed = _aten._flash_attention_backward(
        *map(_packed, (gradient, query, key, value, merged.output)),
        merged.lse[0],
        *(queries.ends, keys.ends, queries.longest, keys.longest, 0.0, lengths is not None),
        *(no_dropout, no_dropout[:0]),
        scale=scale,
    )
    return Gradients(*(part.transpose(0, 1)[None] for part in packed))
