"""Draft tokens: the request after the same words, and what two of three earlier plans agree on."""

import itertools

from platypus.decoding import speculation as speculation
from platypus.decoding.speculation import PlanHistory, prompt_lookup


def copied(request: list[int], ids: list[int], most: int) -> list[int]:
    """The first tokens of the draft."""
    return list(itertools.islice(prompt_lookup(request, ids, plain), most))


def plain(token: int) -> bytes:
    return {1: b"red", 2: b" red", 3: b" fox", 4: b" hen", 5: b" the"}[token]


def test_the_request_is_copied_after_the_longest_matching_context() -> None:
    request = [5, 2, 3, 4, 2, 4]
    assert copied(request, [4, 1], 3) == [4, 4, 1]  # "hen red", whatever the spaces; then on into the plan
    assert copied(request, [1], 4) == [3, 4, 2, 4]  # the first of equal matches
    assert copied(request, [], 4) == copied([3, 4], [1], 4) == []


def test_what_a_plan_repeats_is_taken_to_go_on() -> None:
    assert copied([3], [5, 4, 5, 4, 5], 6) == [4, 5, 4, 5, 4, 5]
    assert copied([4, 5, 3], [4, 5], 2) == [3, 4]  # the longest context is in the request


def test_two_of_the_three_plans_with_the_longest_matching_context_must_agree() -> None:
    earlier = PlanHistory()
    assert list(earlier.continuation([])) == []
    earlier.add([1, 2, 3, 9])
    assert list(earlier.continuation([])) == []
    earlier.add([1, 2, 3, 8])
    assert list(earlier.continuation([])) == [1, 2, 3]
    earlier.add([7, 2, 3, 8, 8])
    assert list(earlier.continuation([1, 2])) == [3]  # then 9, 8 and 8, but the last has another context
    assert list(earlier.continuation([7, 2, 3])) == [8]
    assert list(earlier.continuation([3, 3])) == []


def test_a_longer_matching_context_counts_more_than_a_later_plan() -> None:
    earlier = PlanHistory()
    for plan in ([1, 2, 3, 4], [1, 2, 3, 4], [6, 2, 3, 5], [6, 2, 3, 5], [6, 2, 3, 5]):
        earlier.add(plan)
    assert list(earlier.continuation([1, 2, 3])) == [4]
    assert list(earlier.continuation([6, 2, 3])) == [5]


def test_old_pairs_are_forgotten() -> None:
    earlier = PlanHistory()
    for token in range(2 * speculation.PAIRS):
        earlier.add([10, token, token + 1])
    assert list(earlier.continuation([10, 5])) == []
    assert list(itertools.islice(earlier.continuation([]), 2)) == [10]
    assert len(earlier._places) == speculation.PAIRS
