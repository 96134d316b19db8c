"""What is guessed: the request behind the same words, and what two of three earlier plans agree on."""

import itertools

from platypus.decoding import speculation as guess
from platypus.decoding.speculation import PlanHistory, prompt_lookup


def plain(token: int) -> bytes:
    return {1: b"red", 2: b" red", 3: b" fox", 4: b" hen", 5: b" the"}[token]


def test_the_request_is_copied_where_most_before_is_alike() -> None:
    request = [5, 2, 3, 4, 2, 4]
    assert prompt_lookup(request, [4, 1], plain) == [4]  # "hen red", the space aside
    assert prompt_lookup(request, [1], plain) == [3, 4, 2, 4]  # of equals the first
    assert not prompt_lookup(request, [], plain) and not prompt_lookup([3, 4], [1], plain)


def test_two_of_the_three_most_alike_must_agree() -> None:
    earlier = PlanHistory()
    assert list(earlier.continuation([])) == []
    earlier.add([1, 2, 3, 9])
    assert list(earlier.continuation([])) == []
    earlier.add([1, 2, 3, 8])
    assert list(earlier.continuation([])) == [1, 2, 3]
    earlier.add([7, 2, 3, 8, 8])
    assert list(earlier.continuation([1, 2])) == [3]  # 9, 8, 8: but the last goes another way behind
    assert list(earlier.continuation([7, 2, 3])) == [8]
    assert list(earlier.continuation([3, 3])) == []


def test_the_most_alike_count_before_the_latest() -> None:
    earlier = PlanHistory()
    for plan in ([1, 2, 3, 4], [1, 2, 3, 4], [6, 2, 3, 5], [6, 2, 3, 5], [6, 2, 3, 5]):
        earlier.add(plan)
    assert list(earlier.continuation([1, 2, 3])) == [4]
    assert list(earlier.continuation([6, 2, 3])) == [5]


def test_what_was_said_long_ago_is_forgotten() -> None:
    earlier = PlanHistory()
    for token in range(2 * guess.PAIRS):
        earlier.add([10, token, token + 1])
    assert list(earlier.continuation([10, 5])) == []
    assert list(itertools.islice(earlier.continuation([]), 2)) == [10]
    assert len(earlier._places) == guess.PAIRS
