"""What look-aheads found, kept for plans that begin with the same tokens: plans of one catalogue often do.

A tree with a branch for each token. It holds only what depends on nothing but the beginning and on what the roots are
told apart by, so a plan is the same with and without it. This module knows no grammar.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST = 1 << 15  # beginnings kept for one constraint, of about a kilobyte each


class Found(NamedTuple):
    """The result of a look-ahead that might visit `allowance` nodes and visited `visited`.

    It went `depth` tokens deep at most, and was `cut` there, or else would have found the same if it went deeper.
    """

    path: tuple[int, ...] | None
    allowance: int
    visited: int
    depth: int = 0
    cut: bool = False

    def holds_for(self, allowance: int) -> bool:
        """Whether a look-ahead with this allowance finds the same: nothing depended on the limit, or it is the same."""
        return allowance == self.allowance or self.visited < min(allowance, self.allowance)


@dataclass(eq=False)
class Beginning:
    """What is known after one beginning: the allowed tokens, if they are few, and the look-aheads from some of them.

    `recent` are the last ids, as many as decide which tokens continue them canonically.
    """

    candidates: NDArray[np.int64] | None = None
    recent: tuple[int, ...] | None = None
    found: dict[tuple[int, int | None], Found] = field(default_factory=dict)  # by the token, and the depth of a cut
    longer: "dict[int, Beginning]" = field(default_factory=dict)

    def known(self, token: int, depth: int, allowance: int) -> Found | None:
        """What a look-ahead from this token of this depth and allowance finds, if that is known."""
        for key in ((token, None), (token, depth)):
            found = self.found.get(key)
            if found is not None and found.depth <= depth and found.holds_for(allowance):
                return found
        return None

    def keep(self, token: int, found: Found) -> None:
        """Keep what a look-ahead from this token found."""
        self.found[token, found.depth if found.cut else None] = found


class PathMemory:
    """The beginnings of one constraint; when there are too many, all are forgotten."""

    def __init__(self) -> None:
        self._roots: dict[Hashable, Beginning] = {}
        self._count = 0

    def root(self, kind: Hashable) -> Beginning:
        """The empty beginning of the plans of one kind."""
        return self._roots.get(kind) or self._new(self._roots, kind)

    def after(self, beginning: Beginning, token: int) -> Beginning:
        """The beginning with one more token."""
        return beginning.longer.get(token) or self._new(beginning.longer, token)

    def _new(self, into: dict[Any, Beginning], key: Hashable) -> Beginning:
        self._count += 1
        if self._count > MOST:  # plans that have begun keep their own branches
            self._roots, self._count = {}, 0
        into[key] = new = Beginning()
        return new
