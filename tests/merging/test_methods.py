"""Each method against a plain reference in float64, value by value, and against PEFT's where it has one."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from peft.utils import merge_utils

from platypus.merging.methods import METHODS, drawn, largest, merge, merge_in_core_space

WEIGHTS = [0.7, -0.3, 1.2]


def tensors(count: int, *shape: int, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(count)]


def each(base: torch.Tensor, changes: Sequence[torch.Tensor], value: Any) -> torch.Tensor:
    """The merged weight from a function of one value of the base and those of the changes."""
    rows = zip(base.flatten().tolist(), *(change.flatten().tolist() for change in changes), strict=True)
    return torch.tensor([value(row[0], row[1:]) for row in rows], dtype=torch.float64).reshape(base.shape)


def trimmed(change: torch.Tensor, density: float) -> torch.Tensor:
    order = sorted(change.flatten().tolist(), key=abs, reverse=True)
    least = abs(order[int(density * len(order)) - 1])
    return each(change, [], lambda value, _: value if abs(value) >= least else 0.0)


def elected(_: float, values: Sequence[float]) -> float:
    """TIES: of the values, the mean of those weighted whose sign is that of the sum."""
    sign = 1 if sum(values) >= 0 else -1
    kept = [weight * value for value, weight in zip(values, WEIGHTS, strict=True) if value * sign > 0]
    return sum(kept) / max(1, len(kept))


def weighted(_: float, values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))


@pytest.mark.parametrize("method", ["task-arithmetic", "linear", "magnitude", "ties"])
def test_a_method_is_its_formula(method: str) -> None:
    base, *changes = tensors(4, 5, 6)
    kept = [trimmed(change, 0.4) for change in changes]
    expected = {
        "task-arithmetic": each(base, changes, lambda value, own: value + weighted(value, own)),
        "linear": each(
            base, changes, lambda value, own: sum(w * (value + c) for w, c in zip(WEIGHTS, own, strict=True)) / 1.6
        ),
        "magnitude": each(base, kept, lambda value, own: value + weighted(value, own)),
        "ties": each(base, kept, lambda value, own: value + elected(value, own)),
    }[method]
    found = merge(base, changes, method=method, weights=WEIGHTS, density=0.4)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_two_sources_meet_on_the_arc_between_them() -> None:
    """A right angle between vectors of length 1 and 2, a third of the way: 30 degrees, by hand."""
    base = torch.zeros(2, dtype=torch.float64)
    changes = [torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)]
    found = merge(base, changes, method="slerp", weights=[2, 1])
    torch.testing.assert_close(found, torch.tensor([math.cos(math.pi / 6), 1.0], dtype=torch.float64))
    base, *changes = tensors(3, 4, 3)
    for weights, end in (([1, 0], 0), ([0, 1], 1)):
        torch.testing.assert_close(merge(base, changes, method="slerp", weights=weights), base + changes[end])
    line = merge(base, [changes[0], changes[0] * 1.001], method="slerp", weights=[1, 3])
    torch.testing.assert_close(line, base + changes[0] * 1.00075)
    assert merge(base * 0, [base * 0, base * 0], method="slerp", weights=[1, 1]).isfinite().all()


@pytest.mark.parametrize("method", ["magnitude", "ties"])
def test_the_same_as_peft(method: str) -> None:
    base, *changes = tensors(4, 8, 9)
    theirs = {"magnitude": merge_utils.magnitude_prune, "ties": merge_utils.ties}[method]
    expected = base + theirs(changes, torch.tensor(WEIGHTS, dtype=torch.float64), density=0.3)
    found = merge(base, changes, method=method, weights=WEIGHTS, density=0.3)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_random_values_keep_the_mean_and_the_seed_draws_them() -> None:
    (change,) = tensors(1, 200, 200)
    kept = drawn(change, 0.25, torch.Generator().manual_seed(5))
    present = kept != 0
    assert abs(float(present.double().mean()) - 0.25) < 0.01
    torch.testing.assert_close(kept[present], change[present] * 4)
    for method, combine in (("dare", "task-arithmetic"), ("dare-ties", "ties")):
        draw = torch.Generator().manual_seed(5)
        two = [drawn(one, 0.25, draw) for one in (change, -2 * change)]
        found = merge(change, [change, -2 * change], method=method, weights=[1, 2], density=0.25, seed=5)
        torch.testing.assert_close(found, merge(change, two, method=combine, weights=[1, 2], density=1.0))
    other = merge(change, [change], method="dare", weights=[1], density=0.25, seed=6)
    assert not torch.equal(other, merge(change, [change], method="dare", weights=[1], density=0.25, seed=5))


def test_pruning_keeps_one_value_at_least_and_all_of_them_at_density_1() -> None:
    (change,) = tensors(1, 3)
    assert int((largest(change, 0.1, torch.Generator()) != 0).sum()) == 1
    torch.testing.assert_close(largest(change, 1.0, torch.Generator()), change)


@pytest.mark.parametrize("method", ["task-arithmetic", "magnitude", "ties", "dare", "dare-ties"])
def test_one_source_of_weight_1_that_is_kept_whole_is_that_source(method: str) -> None:
    base, change = tensors(2, 4, 4)
    torch.testing.assert_close(merge(base, [change], method=method, weights=[1.0]), base + change)


def test_half_a_source_is_half_its_change() -> None:
    """Other programs divide by the sum of the weights, so that half of one source is all of it."""
    base, change = tensors(2, 4, 4)
    for method in ("task-arithmetic", "magnitude", "ties"):
        torch.testing.assert_close(merge(base, [change], method=method, weights=[0.5]), base + change / 2)


# ---------------------------------------------------------------- core space


def factors(rank: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tensors(1, 12, rank, seed=seed)[0], tensors(1, rank, 10, seed=seed + 1)[0]


def test_in_core_space_sums_are_those_of_the_whole_space() -> None:
    """Projecting loses nothing, also where the ranks differ and the sources lie in one another's span."""
    (base,), pairs = tensors(1, 12, 10), [factors(2, 1), factors(3, 3)]
    pairs.append((pairs[0][0] @ torch.ones(2, 1, dtype=torch.float64), pairs[1][1][:1]))
    changes = [up @ down for up, down in pairs]
    for method in ("task-arithmetic", "ties"):
        density = 1.0
        found = merge_in_core_space(base, pairs, method=method, weights=WEIGHTS, density=density)
        if method == "task-arithmetic":
            torch.testing.assert_close(found, merge(base, changes, method=method, weights=WEIGHTS))
        alone = merge_in_core_space(base, pairs[:1], method=method, weights=[1.0], density=density)
        torch.testing.assert_close(alone, base + changes[0])


def test_in_core_space_ties_is_ties_of_the_cores() -> None:
    """By hand: two sources on the axes of the same plane, of opposite signs in one value of the core."""
    up, down = torch.eye(4, 2, dtype=torch.float64), torch.eye(2, 3, dtype=torch.float64)
    one = (up @ torch.tensor([[4.0, 0.0], [0.0, 1.0]], dtype=torch.float64), down)
    two = (up @ torch.tensor([[-3.0, 0.0], [0.0, 2.0]], dtype=torch.float64), down)
    base = torch.zeros(4, 3, dtype=torch.float64)
    found = merge_in_core_space(base, [one, two], method="ties", weights=[1.0, 1.0])
    expected = base.clone()
    expected[0, 0], expected[1, 1] = 4.0, 1.5
    torch.testing.assert_close(found, expected)


def test_every_method_that_a_recipe_names_is_there() -> None:
    from platypus.run.merge_settings import MergeSettings

    assert set(MergeSettings.model_fields["method"].annotation.__args__) == set(METHODS)  # type: ignore[union-attr]
