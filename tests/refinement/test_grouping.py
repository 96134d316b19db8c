"""Groups of rows: numbered, joined if they share a row or key, listed in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platypus.refinement.grouping import families, merged, numbered, tied

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def test_equal_keys_have_equal_numbers() -> None:
    assert numbered("abac").tolist() == [0, 1, 0, 2]


def test_groups_with_a_common_pair_are_merged() -> None:
    found = merged(np.array([0, 0, 1, 2, 3]), np.array([0, 4]), np.array([2, 4]))
    assert found.tolist() == [0, 0, 0, 1, 2]
    assert merged(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []


@given(LABELS)
def test_families_are_the_rows_of_one_label_in_order(labels: list[int]) -> None:
    found = families(np.array(labels))
    assert sorted(i for family in found for i in family) == list(range(len(labels)))
    assert all(len({labels[i] for i in family}) == 1 and family == sorted(family) for family in found)
    assert [family[0] for family in found] == sorted(family[0] for family in found)
    assert len(found) == len(set(labels))


def test_groups_with_a_common_key_are_tied() -> None:
    assert tied(np.array([0, 1, 2, 3]), np.array([0, 1, 0, 1])).tolist() == [0, 1, 0, 1]
    assert tied(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist() == [0, 0, 0, 1]
