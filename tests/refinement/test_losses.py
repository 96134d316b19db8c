"""Losses: much is a warning with numbers, nearly all is refused with an example and both remedies."""

import pytest

from platypus.data.dataset import Rejected
from platypus.errors import DatasetError
from platypus.refinement.losses import check_loss, counts_by_kind, counts_text, loss_warnings


def gone(near: int, bad: int = 0) -> list[Rejected]:
    rows = [Rejected("a", i, "nearly the same as a:1 (0.95 alike)", {}, "near-duplicate") for i in range(near)]
    return [*rows, *(Rejected("a", i, "is no row", {}) for i in range(bad))]


def test_counts_have_the_most_frequent_kind_first() -> None:
    assert list(counts_by_kind(gone(2, 3)).items()) == [("row", 3), ("near-duplicate", 2)]
    assert counts_text(gone(2, 3)) == "3 row, 2 near-duplicate"


@pytest.mark.parametrize(("rows", "warned"), [(30, 0), (29, 1)])
def test_more_than_a_third_is_a_warning(rows: int, warned: int) -> None:
    assert len(loss_warnings(rows, gone(8, 2))) == warned


def test_the_warning_has_all_numbers() -> None:
    (warning,) = loss_warnings(2000, gone(1200, 300))
    assert warning.startswith("1,500 of 2,000 rows (75%) were left out, 500 are kept: 1200 near-duplicate, 300 row.")


def test_hardly_anything_left_is_refused_and_bad_rows_do_not_count() -> None:
    check_loss(30, gone(27, 100), least=0.1, near=0.9, where="w")
    check_loss(30, gone(30), least=0.0, near=0.9, where="w")
    check_loss(0, [], least=0.1, near=0.9, where="w")
    with pytest.raises(DatasetError) as caught:
        check_loss(30, gone(28), least=0.1, near=0.9, where="w")
    assert str(caught.value).startswith("w: only 2 of 30 different rows would be kept")
    assert "(28 near-duplicate), for example a:0: nearly the same as a:1 (0.95 alike)" in caught.value.what
    assert "raise near_duplicate (now 0.9)" in caught.value.remedy
    assert "min_kept = 0 (now 0.1)" in caught.value.remedy
