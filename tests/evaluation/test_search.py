"""The search: every combination once, the same ones each time, and the better ones first."""

import pytest

from platypus.errors import RecipeError
from platypus.evaluation.search import Search

pytest.importorskip("optuna", reason="pip install 'platypus-llm[search]'")
SETTINGS = ["train.rank+train.alpha=4+4,8+8,16+16,32+32", "train.dropout=0.0,0.1,0.2,0.3", "decode.beams=1,2,3"]


def asked(count: int) -> list[dict[str, float]]:
    search, found = Search(SETTINGS, seed=0), []
    for _ in range(count):
        found.append(search.ask())
        search.tell(found[-1], found[-1]["train.rank"] - 10 * found[-1]["train.dropout"])
    return found


def test_all_are_tried_once_and_keys_that_belong_together_stay_together() -> None:
    small = Search(["train.rank=4,8", "decode.beams=1,2"], seed=1)
    found = [small.ask() for _ in range(1)]
    small.tell(found[0], 1.0)
    while len(found) < small.size:
        found.append(small.ask())
        small.tell(found[-1], 0.0)
    assert len({tuple(one.values()) for one in found}) == 4 == small.size
    assert all(one["train.rank"] == one["train.alpha"] for one in asked(5))


def test_it_is_the_same_again_and_comes_to_what_is_good() -> None:
    found = asked(24)
    assert found == asked(24)
    later = found[12:]
    assert sum(one["train.rank"] == 32 for one in later) > len(later) / 4  # more often than by chance


def test_a_value_that_stands_twice_is_one_and_samples_have_every_value() -> None:
    search = Search(["train.rank=8,16,8", 'decode.beams=1,2,3,"3"'], seed=0)
    assert search.size == 6
    for _ in range(6):
        search.tell(search.ask(), 0.0)
    assert len(search.told) == 6
    samples = [*search.samples()]
    assert {one["train.rank"] for one in samples} == {8, 16} and len(samples) == 3


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(RecipeError, match="is not a setting"):
        Search(["train.rank"], seed=0)
