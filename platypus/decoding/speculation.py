"""What a plan probably says next: what its request, or an earlier plan, says behind the same tokens.

Values are copied from requests (Saxena 2023, "Prompt Lookup Decoding"), and plans for one catalogue are built alike (He
et al. 2023, "REST: Retrieval-Based Speculative Decoding"). A guess costs a few tokens in a pass that is needed anyway,
and changes no result. Knows ids alone.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from itertools import count, pairwise, takewhile

PLACES = 16  # of each two tokens the last so many places are kept
PAIRS = 1 << 14  # and of so many pairs, those that were said last

_BEGIN = (-1, -1)


class PlanHistory:
    """The plans so far, found by their last two tokens."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], deque[tuple[tuple[int, ...], int]]] = {}

    def add(self, ids: Sequence[int]) -> None:
        """Remember a plan."""
        plan = (*_BEGIN, *ids)
        for end, pair in enumerate(pairwise(plan), 2):
            places = self._places.pop(pair, None) or deque(maxlen=PLACES)
            places.append((plan, end))
            self._places[pair] = places
        while len(self._places) > PAIRS:
            del self._places[next(iter(self._places))]

    def continuation(self, ids: Sequence[int]) -> Iterator[int]:
        """How plans went on that began most alike, for as long as two of the three agree."""
        said = (*_BEGIN, *ids)
        places = tuple(self._places.get((said[-2], said[-1]), ()))[::-1]
        near = nlargest(3, places, key=lambda place: shared_prefix_length(place[0][place[1] - 1 :: -1], said[::-1]))
        ways = [plan[end:] for plan, end in near]
        for at in count():
            tokens = Counter(way[at] for way in ways if at < len(way))
            token, agreed = next(iter(tokens.most_common(1)), (0, 0))
            if agreed < 2:
                return
            yield token
            ways = [way for way in ways if at < len(way) and way[at] == token]


def prompt_lookup(request: Sequence[int], ids: Sequence[int], plain: Callable[[int], bytes]) -> Sequence[int]:
    """What the request says behind the last token where most before it is the same; `plain` is a token's text.

    Empty if the request does not say that token; in the request a space may stand before it.
    """
    last = plain(ids[-1]).lstrip() if ids else b""
    ends = [i for i, token in enumerate(request) if last and plain(token).lstrip() == last]
    best = max(
        ends,
        key=lambda end: shared_prefix_length(request[end - 1 :: -1] if end else [], ids[-2::-1]),
        default=len(request),
    )
    return request[best + 1 :]


def shared_prefix_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
