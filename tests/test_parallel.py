"""Parallel work: the order of its results, and how far ahead it may run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from platypus.parallel import cores, in_order


def test_what_is_done_comes_in_order_and_only_so_much_is_begun_ahead() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for n in range(10):
            drawn.append(n)
            yield n

    with ThreadPoolExecutor(2) as pool:
        done = in_order(pool, lambda n: n * n, items(), ahead=3)
        assert next(done) == 0
        assert drawn == [0, 1, 2, 3]
        assert list(done) == [n * n for n in range(1, 10)]


def test_an_error_comes_where_its_item_stands() -> None:
    with ThreadPoolExecutor(2) as pool:
        done = in_order(pool, lambda n: 1 // n, [1, 0, 1], ahead=1)
        assert next(done) == 1
        with pytest.raises(ZeroDivisionError):
            next(done)


def test_cores_are_those_of_this_process_or_all_where_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    assert cores() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert cores() == 7
