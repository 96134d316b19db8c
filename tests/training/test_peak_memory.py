"""Bytes counted on tensors without data, against counts by hand."""

import torch

from platypus.training.peak_memory import PeakCounter, no_autocast


def test_a_chain_of_products_by_hand() -> None:
    """x (10, 20) is known; w1 (20, 30) and w2 (30, 5) cost 2,400 and 600 bytes, x @ w1 1,200, the last product 200."""
    x = torch.empty(10, 20, device="meta")
    with PeakCounter([x]) as counted:
        hidden = x @ torch.empty(20, 30, device="meta")  # w1 is released after this line
        assert (counted.live, counted.peak) == (1200, 3600)
        output = hidden @ torch.empty(30, 5, device="meta")
        assert (counted.live, counted.peak) == (1400, 3600)
        del hidden
        assert counted.live == 200
    assert output.shape == (10, 5) and counted.peak == 3600


def test_a_graph_keeps_what_its_backward_pass_needs() -> None:
    """exp keeps its output (400 bytes) until backward, which adds the sum's gradient (4) and two tensors of 400."""
    x = torch.empty(100, device="meta", requires_grad=True)
    with PeakCounter([x]) as counted:
        loss = x.exp().sum()
        assert counted.live == 404
        loss.backward()
        del loss
        assert counted.live == 400  # x's gradient remains
    assert 800 < counted.peak <= 1208


def test_views_and_known_tensors_are_not_counted() -> None:
    weight = torch.empty(8, 8, device="meta")
    with PeakCounter([weight]) as counted:
        kept = [weight.t(), weight[2:4].view(-1), weight.detach()]
        assert counted.peak == 0
        made = torch.empty(16, device="meta")
        kept += [made[:4], made.view(4, 4)]
        assert (counted.live, counted.peak) == (64, 64)
        del made
        assert counted.live == 64  # its views still hold it
        kept.clear()
        assert counted.live == 0


def test_attention_keeps_no_scores() -> None:
    """Queries, keys and values of 1,000 tokens; a million scores would be 4 MB for each of two heads."""
    parts = [torch.empty(1, 2, 1000, 8, device="meta", requires_grad=True) for _ in range(3)]
    with PeakCounter(parts) as counted:
        torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True).sum().backward()
    assert 4 * 64_000 <= counted.peak < 1_000_000


def test_values_may_have_another_width_than_keys() -> None:
    """As in DeepSeek's attention; no fused kernel takes that, so the scores (2 * 100 * 100 floats) are kept."""
    query, key = (torch.empty(1, 2, 100, 8, device="meta", requires_grad=True) for _ in range(2))
    value = torch.empty(1, 2, 100, 4, device="meta", requires_grad=True)
    with PeakCounter([query, key, value]) as counted:
        output = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        assert output.shape == (1, 2, 100, 4)
    assert counted.peak >= 80_000


def test_experts_are_counted_by_the_rows_that_they_compute() -> None:
    """Six rows of 16 values for two experts, whose matrices are known: 6 * 8 floats. Autocast does nothing."""
    rows = torch.empty(6, 16, device="meta", requires_grad=True)
    experts = torch.empty(2, 16, 8, device="meta")
    ends = torch.empty(2, dtype=torch.int32, device="meta")
    with no_autocast(), PeakCounter([rows, experts, ends]) as counted, torch.autocast("meta", enabled=False):
        output = torch.nn.functional.grouped_mm(rows, experts, offs=ends)
        assert (output.shape, counted.live) == ((6, 8), 6 * 8 * 4)
    with no_autocast(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
