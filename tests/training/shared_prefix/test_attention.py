"""Attention behind a prefix, against the plain formula; the CUDA path against the kernels' own shape rules."""

import pytest
import torch

from platypus.training.shared_prefix import attention as flash
from platypus.training.shared_prefix.attention import Partial, flash_attention

LENGTHS = (5, 1, 9)


def tensors(
    *, prefix: int, heads: int = 4, key_heads: int = 2, width: int = 8, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    """query, key, value of rows of LENGTHS side by side, and a prefix's key and value."""
    draw = torch.Generator().manual_seed(0)
    sizes = [(heads, sum(LENGTHS)), *[(key_heads, sum(LENGTHS))] * 2, *[(key_heads, prefix)] * 2]
    made = (torch.randn(1, number, tokens, width, generator=draw, dtype=torch.float64) for number, tokens in sizes)
    return [tensor.to(dtype).requires_grad_() for tensor in made]


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, before: list[torch.Tensor]
) -> torch.Tensor:
    """The slow reference: the plain formula, one row after another."""
    outputs = []
    start = 0
    repeats = query.shape[1] // key.shape[1]
    for length in LENGTHS:
        rows = slice(start, start + length)
        start += length
        keys, values = (
            torch.cat([*part, tensor[:, :, rows]], 2).repeat_interleave(repeats, 1)
            for part, tensor in zip([before[:1], before[1:]], (key, value), strict=True)
        )
        scores = query[:, :, rows] @ keys.transpose(2, 3) * 0.3
        ahead = torch.ones(scores.shape[2:], dtype=torch.bool, device=scores.device)
        ahead = ahead.triu(keys.shape[2] - length + 1)
        outputs.append(scores.masked_fill(ahead, float("-inf")).softmax(-1) @ values)
    return torch.cat(outputs, 2)


@pytest.mark.parametrize("prefix", [0, 1, 33])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_outputs_and_gradients_equal_those_of_the_plain_formula(prefix: int, key_heads: int) -> None:
    results = []
    for way in ("flash", "written out"):
        query, key, value, *before = tensors(prefix=prefix, key_heads=key_heads)
        learned = [query, key, value, *(before if prefix else [])]
        if way == "flash":
            behind = (before[0], before[1]) if prefix else None
            output = flash_attention(query, key, value, behind, lengths=LENGTHS, scale=0.3)
        else:
            output = written_out(query, key, value, before if prefix else [])
        (output * torch.arange(output.numel()).view(output.shape)).sum().backward()
        results.append([output, *(tensor.grad for tensor in learned)])
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_behind_keys_that_nothing_is_propagated_to_the_other_gradients_are_the_same(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flash, "AT_ONCE", 4)
    results = []
    for learned in (True, False):
        query, key, value, *before = tensors(prefix=33, dtype=dtype)
        behind = (before[0].requires_grad_(learned), before[1].requires_grad_(learned))
        flash_attention(query, key, value, behind, lengths=LENGTHS, scale=None).square().sum().backward()
        assert (before[0].grad is None) != learned
        results.append([query.grad, key.grad, value.grad])
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("lengths", [LENGTHS, None])
def test_the_cuda_path_calls_the_kernels_with_the_right_shapes(lengths: tuple[int, ...] | None) -> None:
    """On the meta device torch checks the call and gives shapes; more cannot be tested without a GPU."""
    query, key, value, *before = (tensor.detach().to("meta") for tensor in tensors(prefix=33, dtype=torch.bfloat16))
    keys = (key, value) if lengths else before
    partial = flash._cuda_forward(query, *keys, lengths=lengths, scale=None)
    assert partial.output.shape == query.shape
    assert (partial.lse.shape, partial.lse.dtype) == (query.shape[:3], torch.float32)
    gradients = flash._cuda_backward(query, query, *keys, Partial(*partial), lengths=lengths, scale=None)
    assert [gradient.shape for gradient in gradients] == [query.shape, keys[0].shape, keys[1].shape]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("prefix", [0, 33])
def test_on_a_gpu_outputs_and_gradients_are_those_of_attention_written_out(prefix: int) -> None:
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        query, key, value, *before = (
            tensor.detach().to("cuda", dtype).requires_grad_() for tensor in tensors(prefix=prefix, width=64)
        )
        learned = [query, key, value, *(before if prefix else [])]
        if dtype == torch.bfloat16:
            behind = (before[0], before[1]) if prefix else None
            output = flash_attention(query, key, value, behind, lengths=LENGTHS, scale=0.3)
        else:
            output = written_out(query, key, value, before if prefix else [])
        output.float().square().sum().backward()
        results.append([tensor.float() for tensor in (output, *(tensor.grad for tensor in learned))])
    for found, expected in zip(*results, strict=True):
        assert float((found - expected).norm() / expected.norm()) < 0.02
