"""What is guessed: the request behind the same words, and what two of three earlier plans agree on."""

import itertools

from platypus.decoding import speculation as guess
from platypus.decoding.speculation import Earlier, copied


def plain(token: int) -> bytes:
    return {1: b"red", 2: b" red", 3: b" fox", 4: b" hen", 5: b" the"}[token]


def test_the_request_is_copied_where_most_before_is_alike() -> None:
    request = [5, 2, 3, 4, 2, 4]
    assert copied(request, [4, 1], plain) == [4]  # "hen red", the space aside
    assert copied(request, [1], plain) == [3, 4, 2, 4]  # of equals the first
    assert not copied(request, [], plain) and not copied([3, 4], [1], plain)


def test_two_of_the_three_most_alike_must_agree() -> None:
    earlier = Earlier()
    assert list(earlier.after([])) == []
    earlier.add([1, 2, 3, 9])
    assert list(earlier.after([])) == []
    earlier.add([1, 2, 3, 8])
    assert list(earlier.after([])) == [1, 2, 3]
    earlier.add([7, 2, 3, 8, 8])
    assert list(earlier.after([1, 2])) == [3]  # 9, 8, 8: but the last goes another way behind
    assert list(earlier.after([7, 2, 3])) == [8]
    assert list(earlier.after([3, 3])) == []


def test_the_most_alike_count_before_the_latest() -> None:
    earlier = Earlier()
    for plan in ([1, 2, 3, 4], [1, 2, 3, 4], [6, 2, 3, 5], [6, 2, 3, 5], [6, 2, 3, 5]):
        earlier.add(plan)
    assert list(earlier.after([1, 2, 3])) == [4]
    assert list(earlier.after([6, 2, 3])) == [5]


def test_what_was_said_long_ago_is_forgotten() -> None:
    earlier = Earlier()
    for token in range(2 * guess.PAIRS):
        earlier.add([10, token, token + 1])
    assert list(earlier.after([10, 5])) == []
    assert list(itertools.islice(earlier.after([]), 2)) == [10]
    assert len(earlier._places) == guess.PAIRS
