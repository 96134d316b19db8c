"""Batches: every row once per epoch, rows that begin alike stay together, and processes share a step exactly."""

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.batches import batches, share
from platypus.training.shared_prefix.frozen import behind_one_prefix


def rows(count: int, *, catalogue: int = 0, own: int = 3, lengths: list[int] | None = None) -> list[EncodedExample]:
    """Rows with 20 common tokens, which no other catalogue has, and `own` further tokens of each prompt."""
    draw = random.Random(f"{catalogue}/{count}")
    made = []
    for number in range(count):
        ids = [*[1000 + catalogue] * 20, *(draw.randrange(500) for _ in range(own))]
        answer = [7] * (lengths[number] if lengths else 1 + number % 7)
        made.append(EncodedExample((*ids, *answer), len(ids), f"{catalogue}/{number}"))
    return made


def strangers(count: int) -> list[EncodedExample]:
    return [rows(1, catalogue=number)[0] for number in range(count)]


def mixed(sizes: list[int]) -> list[EncodedExample]:
    """The rows of catalogues of these sizes, shuffled."""
    made = [row for catalogue, size in enumerate(sizes) for row in rows(size, catalogue=catalogue)]
    random.Random(0).shuffle(made)
    return made


def catalogue(row: EncodedExample) -> int:
    return row.ids[0] - 1000


# ---------------------------------------------------------------- the order


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    batch_size=st.integers(1, 40),
    grouped=st.booleans(),
    seed=st.integers(0, 9),
    epoch=st.integers(1, 3),
)
def test_an_epoch_has_every_row_once_and_only_its_last_batch_may_be_smaller(
    sizes: list[int], batch_size: int, grouped: bool, seed: int, epoch: int
) -> None:
    settings = TrainSettings(batch_size=batch_size, group_by_length=grouped)
    examples = mixed(sizes)
    cut = batches(examples, settings=settings, seed=seed, epoch=epoch)
    assert sorted(number for step in cut for number in step) == list(range(len(examples)))
    assert len(cut) == math.ceil(len(examples) / batch_size)
    assert all(len(step) == batch_size for step in cut[:-1])
    assert cut == batches(examples, settings=settings, seed=seed, epoch=epoch)


def test_epochs_and_seeds_have_different_orders() -> None:
    orders = [
        batches(rows(50), settings=TrainSettings(), seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (1, 2)
    ]
    assert all(orders.count(order) == 1 for order in orders)
    assert len({frozenset(order[0]) for order in orders}) == 4


@given(sizes=st.lists(st.integers(2, 60), min_size=1, max_size=6), size=st.integers(2, 16), grouped=st.booleans())
def test_rows_of_a_catalogue_stay_together(sizes: list[int], size: int, grouped: bool) -> None:
    """Each catalogue fills as many whole steps as it can; only the remaining rows are mixed."""
    examples = mixed(sizes)
    settings = TrainSettings(batch_size=size, group_by_length=grouped)
    pure: Counter[int] = Counter()
    for step in batches(examples, settings=settings, seed=0, epoch=1):
        (first, *others) = {catalogue(examples[number]) for number in step}
        pure[first] += not others and len(step) == size
    for number, count in enumerate(sizes):
        assert pure[number] >= count // size


def test_steps_of_different_catalogues_are_shuffled() -> None:
    examples = mixed([80, 80, 80])
    cut = batches(examples, settings=TrainSettings(batch_size=8), seed=0, epoch=1)
    order = [catalogue(examples[step[0]]) for step in cut]
    assert Counter(order) == {0: 10, 1: 10, 2: 10}
    assert order not in [sorted(order, key=turn.index) for turn in ([0, 1, 2], [2, 1, 0], [1, 2, 0])]
    assert sum(one != other for one, other in itertools.pairwise(order)) > 10


def test_unrelated_rows_are_mixed() -> None:
    """Rows that share nothing are shuffled like any other data, not ordered by their tokens."""
    examples = strangers(64)
    first = batches(examples, settings=TrainSettings(batch_size=8), seed=0, epoch=1)
    again = batches(examples, settings=TrainSettings(batch_size=8), seed=0, epoch=2)
    assert {frozenset(step) for step in first}.isdisjoint({frozenset(step) for step in again})
    assert all(max(step) - min(step) > 16 for step in first)


def test_rows_that_share_half_of_the_shorter_prompt_are_a_family() -> None:
    """Prompts of 40 tokens that differ after 19, 20 and 21: a family from 20 on."""
    for shared, relatives in ((19, False), (20, True), (21, True)):
        pair = [EncodedExample((*[5] * shared, *[own] * (40 - shared), 7), 40, "") for own in (1, 2)]
        examples = [*pair, *strangers(60)]
        cut = batches(examples, settings=TrainSettings(batch_size=2), seed=3, epoch=1)
        assert ({0, 1} in [set(step) for step in cut]) == relatives


def test_group_by_length_makes_steps_of_similar_length_and_shuffles_them() -> None:
    lengths = [number * 37 % 500 for number in range(500)]
    examples = rows(500, lengths=lengths)
    cut = batches(examples, settings=TrainSettings(group_by_length=True), seed=0, epoch=1)
    spreads = [max(lengths[i] for i in step) - min(lengths[i] for i in step) for step in cut]
    assert sum(spreads) / len(spreads) < 40
    firsts = [lengths[step[0]] for step in cut]
    assert firsts != sorted(firsts)
    mixed_lengths = batches(examples, settings=TrainSettings(), seed=0, epoch=1)
    assert all(max(lengths[i] for i in step) - min(lengths[i] for i in step) > 100 for step in mixed_lengths[:-1])


# ---------------------------------------------------------------- several processes


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@given(count=st.integers(1, 30), size=st.sampled_from([12, 24]))
def test_shares_are_disjoint_and_complete(world_size: int, count: int, size: int) -> None:
    """Over a whole epoch, whose rows do not always divide evenly."""
    examples = rows(count)
    seen: list[str] = []
    for step in batches(examples, settings=TrainSettings(batch_size=size), seed=0, epoch=1):
        parts = [
            share([examples[number] for number in step], rank=rank, world_size=world_size) for rank in range(world_size)
        ]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        seen += [row.name for part in parts for row in part]
    assert sorted(seen) == sorted(row.name for row in examples)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@given(count=st.integers(1, 30))
def test_even_shares_are_equally_long_and_added_rows_are_not_learned(world_size: int, count: int) -> None:
    step = rows(count)
    parts = [share(step, rank=rank, world_size=world_size, even=True) for rank in range(world_size)]
    assert {len(part) for part in parts} == {math.ceil(count / world_size)}
    learned = [row.name for part in parts for row in part if row.prompt_length < len(row.ids)]
    assert sorted(learned) == sorted(row.name for row in step)
    added = [row for part in parts for row in part if row.prompt_length == len(row.ids)]
    assert len(added) == -count % world_size
    assert all(row.ids == step[0].ids for row in added)


def test_even_shares_are_equally_long_behind_each_frozen_prefix() -> None:
    """Sharded processes make the same passes: five rows behind one prefix and two behind another, for three of them."""
    rows = [EncodedExample((number % 2 or number > 5, 7, number), 2, str(number), frozen=2) for number in range(7)]
    shares = [share(rows, rank=rank, world_size=3, even=True) for rank in range(3)]
    groups = [{ids: len(part) for ids, part in behind_one_prefix(mine).items()} for mine in shares]
    assert groups[0] == groups[1] == groups[2] and [*groups[0].values()] == [1, 2]
    learned = [row.name for mine in shares for row in mine if row.prompt_length < len(row.ids)]
    assert sorted(learned) == [row.name for row in rows]


def test_rows_with_the_same_tools_of_their_own_stand_together_however_short_the_tools_are() -> None:
    """Prompts that share the rules, which are more than half of them, are one family only if the tools are the same."""
    examples = [
        EncodedExample((*[5] * 30, *[100 + own] * 10, number, 7), 41, f"{own}/{number}", catalogue=f"tools {own}")
        for own in range(6)
        for number in range(10)
    ]
    random.Random(1).shuffle(examples)
    steps = [batches(examples, settings=TrainSettings(batch_size=5), seed=0, epoch=epoch) for epoch in (1, 2)]
    for cut in steps:
        assert all(len({examples[number].catalogue for number in step}) == 1 for step in cut)
        assert sorted(number for step in cut for number in step) == list(range(60))


def test_rows_that_fill_no_step_with_their_own_tools_stand_beside_others_in_each_epoch() -> None:
    examples = [
        EncodedExample((*[5] * 30, *[100 + own] * 10, number, 7), 41, "", catalogue=f"tools {own}")
        for own in range(20)
        for number in range(2)
    ]
    first, again = (batches(examples, settings=TrainSettings(batch_size=4), seed=0, epoch=epoch) for epoch in (1, 2))
    for cut in (first, again):
        assert all(len({examples[number].catalogue for number in step}) == 2 for step in cut)
    assert len({frozenset(step) for step in first} & {frozenset(step) for step in again}) < 3
