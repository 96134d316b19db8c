"""What look-aheads found is kept by the beginning of a plan, where it does not depend on anything else."""

from platypus.decoding import path_memory as path_memory
from platypus.decoding.path_memory import Found, PathMemory


def test_a_beginning_is_known_by_its_kind_and_its_tokens() -> None:
    memory = PathMemory()
    one = memory.after(memory.after(memory.root(2), 7), 8)
    assert memory.after(memory.after(memory.root(2), 7), 8) is one
    assert memory.after(memory.after(memory.root(3), 7), 8) is not one
    assert memory.after(memory.after(memory.root(2), 8), 7) is not one


def test_what_a_depth_cut_is_found_again_at_that_depth_only() -> None:
    beginning = PathMemory().root(0)
    whole, cut = Found((), 300, 3, depth=4), Found((9,), 300, 3, depth=4, cut=True)
    beginning.keep(7, whole)
    beginning.keep(8, cut)
    assert [beginning.known(7, depth, 300) for depth in (3, 4, 6)] == [None, whole, whole]
    assert [beginning.known(8, depth, 300) for depth in (3, 4, 6)] == [None, cut, None]
    assert beginning.known(7, 4, 2) is None  # fewer nodes than it visited


def test_what_a_limit_cut_is_found_again_with_that_limit_only() -> None:
    whole, cut = Found((1,), allowance=10, visited=4), Found(None, allowance=10, visited=10)
    assert [whole.holds_for(allowance) for allowance in (3, 4, 5, 10, 300)] == [False, False, True, True, True]
    assert [cut.holds_for(allowance) for allowance in (8, 10, 11, 300)] == [False, True, False, False]


def test_old_beginnings_are_forgotten_and_never_more_are_kept() -> None:
    memory = PathMemory()
    first = last = memory.root(0)
    for token in range(path_memory.MOST):
        last = memory.after(last, token)
    assert memory.root(0) is not first
    assert memory.after(last, 1) is memory.after(last, 1)  # a plan that has begun goes on
