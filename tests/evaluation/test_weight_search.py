"""Which weights are tried, that the best are taken, and that an interrupted search goes on."""

from pathlib import Path

import pytest

from platypus.evaluation.weight_search import Weights, choices, search


def test_every_choice_is_tried_once() -> None:
    assert choices([1.0, 0.5], 2, by_ratio=False) == [(1.0, 1.0), (0.5, 0.5), (1.0, 0.5), (0.5, 1.0)]
    assert choices([1.0, 0.5], 2, by_ratio=True) == [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0)]
    assert len(choices([1.0, 0.6, 0.3], 3, by_ratio=False)) == 27


def test_the_best_mean_of_the_sets_is_taken_and_of_equals_the_earlier(tmp_path: Path) -> None:
    shares: dict[Weights, dict[str, float]] = {
        (1.0, 1.0): {"one": 0.2, "two": 0.6},
        (0.5, 0.5): {"one": 0.5, "two": 0.5},
        (1.0, 0.5): {"one": 0.9, "two": 0.1},
    }
    found = search([*shares], shares.__getitem__, tmp_path / "search.json")
    assert [one.weights for one in found] == [(0.5, 0.5), (1.0, 0.5), (1.0, 1.0)]
    assert found[0].to_json() == {"weights": [0.5, 0.5], "exact": {"one": 0.5, "two": 0.5}, "mean": 0.5}


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    asked: list[Weights] = []

    def score(weights: Weights) -> dict[str, float]:
        asked.append(weights)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return {"one": weights[0]}

    tried = choices([1.0, 0.5], 1, by_ratio=False)
    with pytest.raises(KeyboardInterrupt):
        search(tried, score, tmp_path / "search.json")
    found = search(tried, score, tmp_path / "search.json")
    assert asked == [(1.0,), (0.5,), (0.5,)]
    assert [one.weights for one in found] == [(1.0,), (0.5,)]
