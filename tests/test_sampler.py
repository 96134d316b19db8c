"""Plans drawn from a catalogue: valid, every step used, the sensible edges and no others."""

from pathlib import Path
from random import Random

import pytest

from platypus.catalogue import Catalogue, catalogue_from_json, read_catalogue
from platypus.sampler import Sampler
from platypus.synthetic import random_catalogue

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def test_every_plan_is_valid_and_uses_each_step(worktracker: Catalogue) -> None:
    rng, sampler = Random(0), Sampler(worktracker)
    lengths = set()
    for _ in range(500):
        plan = sampler.plan(rng)
        assert plan.problems(worktracker) == ()
        assert plan == plan.ordered(worktracker)
        used = frozenset().union(*plan.dependencies())
        assert used == frozenset(range(len(plan) - 1))
        lengths.add(len(plan))
    assert lengths == {1, 2, 3, 4, 5}


def test_plans_are_valid_for_any_catalogue() -> None:
    for seed in range(60):
        rng = Random(seed)
        catalogue = random_catalogue(rng, tools=rng.randint(2, 20))
        sampler = Sampler(catalogue)
        for _ in range(10):
            plan = sampler.plan(rng)
            assert plan.problems(catalogue) == (), (seed, str(plan))


def test_domain_types_decide_what_feeds_what(worktracker: Catalogue) -> None:
    fed = {key: {producer.tool.name for producer in found} for key, found in Sampler(worktracker).producers.items()}
    assert fed["add_work_items_to_sprint", "sprint_id"] == {"get_sprint_id"}
    assert fed["works_list", "owned_by"] >= {"who_am_i"}
    assert not fed["works_list", "owned_by"] & {"get_sprint_id", "works_list", "summarize_objects"}
    assert fed["create_actionable_tasks_from_text", "text"] == {"summarize_objects"}
    assert fed["works_list", "issue.priority"] == set()


def test_shared_words_stand_in_for_missing_types() -> None:
    """Outputs without a schema, as in the original's catalogue."""
    catalogue = catalogue_from_json(
        [
            {"name": "get_sprint_id", "arguments": [], "returns": "ID of the current sprint"},
            {"name": "who_am_i", "arguments": [], "returns": "ID of the current user"},
            {
                "name": "close",
                "description": "Closes a sprint",
                "arguments": [{"name": "sprint_id", "type": "string", "description": "the sprint"}],
            },
        ]
    )
    (producer,) = Sampler(catalogue).producers["close", "sprint_id"]
    assert producer.tool.name == "get_sprint_id"


def test_two_goals_are_independent(worktracker: Catalogue) -> None:
    rng, sampler = Random(1), Sampler(worktracker)
    for _ in range(50):
        plan = sampler.plan(rng, goals=2)
        used = frozenset().union(*plan.dependencies())
        assert len(plan) - len(used) in (1, 2)  # one goal may use the other
        assert len({str(step.to_json()) for step in plan}) == len(plan)


def test_a_tool_that_nothing_can_feed_is_left_out() -> None:
    need = {"type": "object", "properties": {"thing": {"type": "object"}}, "required": ["thing"]}
    catalogue = catalogue_from_json(
        [
            {"name": "lost", "inputSchema": need},
            {"name": "after", "inputSchema": {**need, "properties": {"thing": {"type": "object"}}}},
            {"name": "fine", "inputSchema": {"type": "object", "properties": {}}, "outputSchema": {"type": "null"}},
        ]
    )
    sampler = Sampler(catalogue)
    assert sampler.unreachable == {"lost", "after"}
    assert {step.tool for _ in range(20) for step in sampler.plan(Random(_))} == {"fine"}


def test_a_seed_is_a_plan(worktracker: Catalogue) -> None:
    assert Sampler(worktracker).plan(Random(7)) == Sampler(worktracker).plan(Random(7))
