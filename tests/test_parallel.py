"""Parallel work: the order of its results, and how far ahead it may run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from platypus.parallel import cores, in_order


def test_results_come_in_order_and_few_items_are_started_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for n in range(10):
            drawn.append(n)
            yield n

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda n: n * n, items(), ahead=3)
        assert next(results) == 0
        assert drawn == [0, 1, 2, 3]
        assert list(results) == [n * n for n in range(1, 10)]


def test_an_error_is_raised_at_the_place_of_its_item() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda n: 1 // n, [1, 0, 1], ahead=1)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_cores_are_those_of_the_process_or_else_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    assert cores() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert cores() == 7
