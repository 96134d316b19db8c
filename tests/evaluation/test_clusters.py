"""Rows that are alike, by hand."""

from platypus.data.dataset import Example, Instruction
from platypus.evaluation.clusters import clusters_of
from platypus.plan.plan import Plan, Reference, Step


def example(query: str, *steps: Step) -> Example:
    return Example(query, Plan(steps), "", {})


def find(who: str) -> Step:
    return Step("find", {"name": who})


ROWS = [
    example("Find Ann", find("Ann")),
    example("find Bob", find("Bob")),  # the template of the first
    example("Who is Eve?", find("Eve")),  # the skeleton of the first
    example("Who is Dan?", find("Dan"), Step("greet", {"who": Reference(0)})),  # the template of the third
    example("Greet", Step("greet", {"who": "x"})),
    example("Make tea"),
    example("Make coffee"),  # as empty as the one before, and otherwise unlike it
    example("make tea."),
    Instruction("Say 1", "", "1", {}),
]


def test_rows_of_one_template_or_skeleton_are_of_one_cluster() -> None:
    names = clusters_of(ROWS)
    assert names[0] == names[1] == names[2] == names[3] == "find @"
    assert names[5] == names[7] == "make tea"
    assert len(set(names)) == 5


def test_names_do_not_depend_on_the_order_of_rows() -> None:
    assert clusters_of(ROWS[::-1]) == clusters_of(ROWS)[::-1]
    assert clusters_of([]) == []
