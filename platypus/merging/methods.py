"""How the changes that several sources make to one weight become one: pure functions, one weight at a time.

A method prunes each change, or not, and combines what is left. Weights of sources are used as they are: only `mean` and
`arc` divide by their sum. Knows no files.

Task arithmetic: arXiv 2212.04089. TIES: 2306.01708. DARE: 2311.03099. Core Space: 2509.17786.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

Factors = tuple[torch.Tensor, torch.Tensor]  # `up` (out, rank) and `down` (rank, in) of a change
Pruned = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]
Combined = Callable[[torch.Tensor, Sequence[torch.Tensor], Sequence[float]], torch.Tensor]

PARALLEL = 0.9995  # the cosine from which an arc is a line


class Method(NamedTuple):
    """How each change is pruned, and how they become one weight."""

    prune: Pruned
    combine: Combined


def merge(
    base: torch.Tensor,
    changes: Sequence[torch.Tensor],
    *,
    method: str,
    weights: Sequence[float],
    density: float = 1.0,
    seed: int = 0,
) -> torch.Tensor:
    """A weight with the changes of several sources, by a method of `METHODS`; all of one shape and dtype.

    `density` is the share of each change's values that pruning keeps; `seed` draws those of DARE.
    """
    prune, combine = METHODS[method]
    generator = torch.Generator().manual_seed(seed)
    return combine(base, [prune(change, density, generator) for change in changes], weights)


def merge_in_core_space(
    base: torch.Tensor,
    factors: Sequence[Factors],
    *,
    method: str,
    weights: Sequence[float],
    density: float = 1.0,
    seed: int = 0,
) -> torch.Tensor:
    """The same for changes of low rank, in the space that all of them span: (Σ ranks)² values in place of (out, in).

    Projecting loses nothing. The result of `total` and `mean` is that of `merge`; pruning and signs are other ones. Not
    for `arc`, which needs the base.
    """
    left = torch.linalg.svd(torch.cat([up for up, _ in factors], 1), full_matrices=False).U
    right = torch.linalg.svd(torch.cat([down for _, down in factors], 0), full_matrices=False).Vh
    cores = [(left.T @ up) @ (down @ right.T) for up, down in factors]
    core = merge(torch.zeros_like(cores[0]), cores, method=method, weights=weights, density=density, seed=seed)
    merged: torch.Tensor = base + left @ core @ right
    return merged


# ---------------------------------------------------------------- what is kept of a change


def whole(change: torch.Tensor, density: float, generator: torch.Generator) -> torch.Tensor:
    """All of it."""
    return change


def largest(change: torch.Tensor, density: float, generator: torch.Generator) -> torch.Tensor:
    """The values of the largest magnitude, at least one; zero elsewhere."""
    flat = change.flatten()
    kept = flat.abs().topk(max(1, int(density * flat.numel())), sorted=False).indices
    return torch.zeros_like(flat).index_put_((kept,), flat[kept]).reshape(change.shape)


def drawn(change: torch.Tensor, density: float, generator: torch.Generator) -> torch.Tensor:
    """Random values, divided by the density, so that the mean stays; zero elsewhere."""
    kept = torch.rand(change.shape, generator=generator) < density
    return torch.where(kept, change / density, 0.0)


# ---------------------------------------------------------------- what becomes of them


def total(base: torch.Tensor, changes: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """base + Σ wᵢ · changeᵢ: task arithmetic."""
    merged = base.clone()
    for change, weight in zip(changes, weights, strict=True):
        merged.add_(change, alpha=weight)
    return merged


def mean(base: torch.Tensor, changes: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Σ wᵢ · (base + changeᵢ) / Σ wᵢ: the weighted mean of the sources."""
    return total(base, changes, [weight / sum(weights) for weight in weights])


def agreeing(base: torch.Tensor, changes: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """base + the mean of wᵢ · changeᵢ over the sources whose sign is that of the sum of all changes.

    The sum is not weighted, as in the paper; a sum of zero counts as positive, as in PEFT.
    """
    positive = sum(changes[1:], changes[0]) >= 0
    merged, count = torch.zeros_like(base), torch.zeros_like(base)
    for change, weight in zip(changes, weights, strict=True):
        agrees = torch.where(positive, change > 0, change < 0)
        merged += torch.where(agrees, weight * change, 0.0)
        count += agrees
    return base + merged / count.clamp_(min=1)


def arc(base: torch.Tensor, changes: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Two sources: the point at w₂ / (w₁ + w₂) of the arc between them, as vectors; of the line if they are parallel.

    Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985.
    """
    first, second = (base + change for change in changes)
    part = weights[1] / sum(weights)
    lengths = torch.linalg.vector_norm(first) * torch.linalg.vector_norm(second)
    cosine = (first * second).sum() / lengths if lengths else torch.ones(())
    if cosine.abs() > PARALLEL:
        return torch.lerp(first, second, part)
    angle = torch.arccos(cosine)
    return (torch.sin((1 - part) * angle) * first + torch.sin(part * angle) * second) / torch.sin(angle)


METHODS: dict[str, Method] = {
    "task-arithmetic": Method(whole, total),
    "linear": Method(whole, mean),
    "slerp": Method(whole, arc),
    "magnitude": Method(largest, total),
    "ties": Method(largest, agreeing),
    "dare": Method(drawn, total),
    "dare-ties": Method(drawn, agreeing),
}
