"""Count the memory of torch code that runs without data, on the "meta" device.

Attention and experts are counted as real devices compute them, in one kernel each. (Without data, torch would use the
plain attention, which keeps all scores, and has no kernel for experts in all dtypes.) Knows nothing of models. What
kernels need internally and what allocators keep is not counted.
"""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten


class PeakCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors created in the block: those alive now (`live`), and the most at once (`peak`).

    Storages are counted, so views are not. The `known` tensors and views of them are never counted. Code that reads a
    number from a tensor without data gets 1 (transformers asks whether rows are unpacked and unpadded: yes).
    """

    def __init__(self, known: Sequence[torch.Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._storages: dict[int, Any] = {tensor.untyped_storage()._cdata: None for tensor in known}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is _aten._local_scalar_dense.default and args[0].is_meta:
            return 1
        output = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                self._count(tensor.untyped_storage())
        return output

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return

        def release(reference: Any) -> None:
            self.live -= size
            del self._storages[key]

        self._storages[key] = weakref.ref(storage, release)
        self.live += size
        self.peak = max(self.peak, self.live)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    mask = attn_mask if attn_mask is None else attn_mask.to(query.dtype)  # as torch does with boolean masks
    if enable_gqa:
        key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], 1) for part in (key, value))
    if value.shape[-1] != query.shape[-1]:  # then torch has no fused kernel on a CPU either
        plain = _aten._scaled_dot_product_attention_math
        kept: torch.Tensor = plain(query, key, value, mask, dropout_p, is_causal, scale=scale)[0]
        return kept
    fused = _aten._scaled_dot_product_flash_attention_for_cpu
    output: torch.Tensor = fused(query, key, value, dropout_p, is_causal, attn_mask=mask, scale=scale)[0]
    return output


def _grouped(
    rows: torch.Tensor,
    weights: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """The product of each row with the matrix of its expert; without data, with that of the first one."""
    return rows @ weights[0]


@contextmanager
def no_autocast() -> Iterator[None]:
    """In the block, torch.autocast does nothing on the meta device, where it otherwise raises an error.

    PEFT turns autocast off around experts, on whichever device they are.
    """
    real: Any = torch.autocast
    torch.autocast = lambda device_type, *args, **options: (  # type: ignore[assignment, misc]
        nullcontext() if device_type == "meta" else real(device_type, *args, **options)
    )
    try:
        yield
    finally:
        torch.autocast = real  # type: ignore[misc]


_META = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]  # in effect as long as this object lives
_META.impl("scaled_dot_product_attention", _attention, "AutogradMeta")  # type: ignore[no-untyped-call]
_META.impl("_grouped_mm", _grouped, "AutogradMeta")  # type: ignore[no-untyped-call]
