"""Splits: each family in one split, held-out tools, surplus rows; draws depend only on the seed."""

from collections import Counter
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platypus.refinement.grouping import families
from platypus.refinement.splits import fill, overrepresented, split, split_by_tool

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(LABELS, st.integers(0, 5))
def test_a_split_has_whole_families_and_is_repeatable(labels: list[int], seed: int) -> None:
    found = families(np.array(labels))
    made = [split(found, fractions={"test": 0.2, "valid": 0.3}, rng=Random(seed)) for _ in range(2)]
    assert made[0] == made[1]
    assert sorted(i for rows in made[0].values() for i in rows) == list(range(len(labels)))
    sides = {name: {labels[i] for i in rows} for name, rows in made[0].items()}
    assert not sides["train"] & sides["test"] and not sides["train"] & sides["valid"]
    assert len(made[0]["test"]) <= round(0.2 * len(labels))


@given(LABELS, st.integers(0, 5))
def test_what_a_split_left_empty_is_filled_whatever_the_families(labels: list[int], seed: int) -> None:
    fractions = {"test": 0.2, "valid": 0.1}
    made = split(families(np.array(labels)), fractions=fractions, rng=Random(seed))
    before = {name: [*rows] for name, rows in made.items()}
    units = [i // 2 for i in range(len(labels))]
    by_rows = fill(made, labels, units, fractions=fractions, rng=Random(seed))
    assert sorted(i for rows in made.values() for i in rows) == list(range(len(labels)))
    assert bool(made["train"]) == bool(before["train"])
    for name, fraction in fractions.items():
        wanted = round(fraction * len(labels))
        if before[name]:
            assert made[name] == before[name]
        elif name in by_rows:
            assert 0 < len(made[name]) <= wanted
        else:
            assert len({labels[i] for i in made[name]}) <= 1 and len(made[name]) <= 3 * wanted


def test_a_family_that_is_a_little_too_large_is_taken_whole_before_single_rows_are() -> None:
    labels = [i // 4 for i in range(24)]
    made = split(families(np.array(labels)), fractions={"test": 0.1}, rng=Random(0))
    assert made["test"] == []
    assert fill(made, labels, range(24), fractions={"test": 0.1}, rng=Random(0)) == []
    assert len(made["test"]) == 4 and len({labels[i] for i in made["test"]}) == 1
    one = {"test": [], "train": [*range(24)]}
    assert fill(one, [0] * 24, range(24), fractions={"test": 0.1}, rng=Random(0)) == ["test"]
    assert len(one["test"]) == 2


def test_no_training_row_calls_a_held_out_tool() -> None:
    tools = [("a",), ("b",), ("a", "b"), ("c",), ("d",), ("c", "d"), *[("e",)] * 14]
    for seed in range(8):
        made = split_by_tool([[i] for i in range(20)], tools, fractions={"test": 0.2, "valid": 0.15}, rng=Random(seed))
        called = {name: {tool for i in rows for tool in tools[i]} for name, rows in made.items()}
        assert sorted(i for rows in made.values() for i in rows) == list(range(20))
        assert made["test"] and len(made["test"]) <= 4
        own = called["test"] - called["train"] - called["valid"]
        assert own and all(own & set(tools[i]) for i in made["test"])


@given(st.lists(st.sampled_from("aaab"), min_size=1, max_size=40), st.sampled_from([0.1, 0.5, 0.9]))
def test_no_key_has_more_than_its_share(keys: list[str], share: float) -> None:
    rows = list(range(len(keys)))
    gone = set(overrepresented(rows, [(key,) for key in keys], share=share, rng=Random(0)))
    most = max(1, int(share * len(rows)))
    for key, count in Counter(keys).items():
        assert sum(keys[i] == key for i in rows if i not in gone) == min(count, most)


def test_rows_without_a_key_stay() -> None:
    assert list(overrepresented([0, 1, 2], [(), (), ()], share=0.1, rng=Random(0))) == []
