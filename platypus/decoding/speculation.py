"""Draft tokens for speculative decoding: what follows the same tokens in the request, in the plan, or in earlier plans.

Values are copied from requests (Saxena 2023, "Prompt Lookup Decoding"), and plans for one catalogue resemble each other
(He et al. 2023, "REST: Retrieval-Based Speculative Decoding"). A draft adds a few tokens to a pass that is needed
anyway, and changes no result. This module knows only ids.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from itertools import count, cycle, pairwise

PLACES = 16  # most recent places that are compared, and that are kept for each pair of tokens
PAIRS = 1 << 14  # most recent pairs kept
CONTEXT = 16  # tokens before a place that are compared

_BEGIN = (-1, -1)


class PlanHistory:
    """The plans so far, with an index from each pair of tokens to the places after it."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], deque[tuple[tuple[int, ...], int]]] = {}

    def add(self, ids: Sequence[int]) -> None:
        """Add a plan, without its end token."""
        plan = (*_BEGIN, *ids)
        for end, pair in enumerate(pairwise(plan), 2):
            places = self._places.pop(pair, None) or deque(maxlen=PLACES)
            places.append((plan, end))
            self._places[pair] = places
        while len(self._places) > PAIRS:
            del self._places[next(iter(self._places))]

    def continuation(self, ids: Sequence[int]) -> Iterator[int]:
        """The continuation of the three plans with the longest matching context, for as long as two of them agree."""
        context = (*_BEGIN, *ids)
        places = tuple(self._places.get((context[-2], context[-1]), ()))[::-1]
        near = nlargest(3, places, key=lambda place: shared_prefix_length(place[0][place[1] - 1 :: -1], context[::-1]))
        rests = [plan[end:] for plan, end in near]
        for at in count():
            tokens = Counter(rest[at] for rest in rests if at < len(rest))
            token, votes = next(iter(tokens.most_common(1)), (0, 0))
            if votes < 2:
                return
            yield token
            rests = [rest for rest in rests if at < len(rest) and rest[at] == token]


def prompt_lookup(request: Sequence[int], ids: Sequence[int], plain: Callable[[int], bytes]) -> Iterator[int]:
    """The tokens of the request and of `ids` after the last id, at its earlier place with the longest matching context.

    What is repeated to the end is taken to go on so, without an end. Empty if the token occurs nowhere before, with or
    without a space before it. `plain` gives a token's bytes.
    """
    last = plain(ids[-1]).lstrip() if ids else b""
    read, context = [*request, *ids], ids[-2 : -2 - CONTEXT : -1]
    ends = [i for i, token in enumerate(read[:-1]) if last and plain(token).lstrip() == last]
    best = max(
        ends[-PLACES:],
        key=lambda end: shared_prefix_length(read[max(0, end - CONTEXT) : end][::-1], context),
        default=len(read),
    )
    return cycle(read[best + 1 :])


def shared_prefix_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of tokens that both begin with in common."""
    length = 0
    for first, second in zip(one, other, strict=False):
        if first != second:
            break
        length += 1
    return length
