"""The splits of a recipe: by groups, else by single rows, which is said, but never against `apart`."""

import numpy as np
import pytest

from platypus.errors import DatasetError
from platypus.refinement.candidates import Candidate
from platypus.refinement.drawing import draw
from platypus.run.settings import RefineSettings


def rows(count: int, *, paraphrased: bool = False) -> list[Candidate]:
    """Rows of a file; with `paraphrased`, every second one says the same as the one before."""
    originals = [line - line % 2 if paraphrased else line for line in range(count)]
    return [
        Candidate("a", line, original, b"{}", str(line), 0, line, "f()", ("f",), 1, 1.0, ())
        for line, original in enumerate(originals)
    ]


def test_a_set_of_one_group_is_split_by_rows_and_that_is_said() -> None:
    found = draw(np.zeros(60, np.int64), rows(60), RefineSettings(), seed=0, where="run")
    assert {name: len(some) for name, some in found.rows.items()} == {"test": 6, "valid": 3, "train": 51}
    assert sorted(i for some in found.rows.values() for i in some) == list(range(60))
    assert found.by_rows == ["test", "valid"]
    (warning,) = found.warnings
    assert warning.startswith("rows of test and valid were drawn singly, because the groups of rows")
    assert "the largest has 60 of 60 rows" in warning
    assert warning.endswith("name a file as `test` under [refine].")


def test_a_row_and_its_paraphrase_stay_together_all_the_same() -> None:
    found = draw(np.zeros(60, np.int64), rows(60, paraphrased=True), RefineSettings(), seed=0, where="run")
    assert len(found.rows["test"]) == 6
    assert all({i - i % 2, i - i % 2 + 1} <= {*some} for some in found.rows.values() for i in some)


def test_a_test_of_groups_stays_one() -> None:
    found = draw(np.arange(60), rows(60), RefineSettings(), seed=0, where="run")
    assert (found.by_rows, found.warnings) == ([], [])
    assert len(found.rows["test"]) == 6


def test_too_few_rows_for_a_test_are_a_warning_and_a_given_test_is_none() -> None:
    few = draw(np.zeros(4, np.int64), rows(4), RefineSettings(), seed=0, where="run")
    assert few.rows["test"] == []
    assert few.warnings[0].startswith("there is no test: test_fraction = 0.1 of 4 rows is less than one row")
    given = draw(np.zeros(4, np.int64), rows(4), RefineSettings(test=["t.jsonl"]), seed=0, where="run")
    assert (given.warnings, given.by_rows) == ([], [])


def test_what_must_stay_apart_is_never_drawn_by_rows() -> None:
    settings = RefineSettings(apart=["skeleton"])
    with pytest.raises(DatasetError, match="no rows can be held out"):
        draw(np.arange(60), rows(60), settings, seed=0, where="run")
    none = draw(np.arange(60), rows(60), settings.model_copy(update={"test_fraction": 0.0}), seed=0, where="run")
    assert (none.rows["valid"], none.by_rows) == ([], [])


def test_the_draw_depends_on_the_seed_alone() -> None:
    first, again, other = (
        draw(np.zeros(60, np.int64), rows(60), RefineSettings(), seed=seed, where="run").rows for seed in (0, 0, 1)
    )
    assert first == again != other
