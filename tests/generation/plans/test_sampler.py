"""Plans drawn from a catalogue: valid, sensible, without unused steps, and of the required kind."""

from collections import Counter
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json, read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.lexicon import word_lists
from platypus.generation.plans.sampler import SHAPES, Sampler, Undrawable, Want, shape
from platypus.plan.plan import Plan, Reference, Step
from tests.support.command import ROOT


@pytest.fixture(scope="module")
def worktracker() -> Catalogue:
    return read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json")


def unused(plan: Plan) -> list[int]:
    used = frozenset().union(*plan.dependencies())
    return [i for i in range(len(plan)) if i not in used]


def repeats(plan: Plan, i: int) -> bool:
    """Whether step i repeats the call before it for another thing."""
    before, step = plan.steps[i - 1], plan.steps[i]
    if i == 0 or before.tool != step.tool or before.arguments.keys() != step.arguments.keys():
        return False
    return sum(value != before.arguments[name] for name, value in step.arguments.items()) == 1


def test_every_plan_is_valid_and_uses_each_step(worktracker: Catalogue) -> None:
    rng, sampler = Random(0), Sampler(worktracker)
    lengths = set()
    for _ in range(500):
        plan = sampler.plan(rng)
        assert plan.problems(worktracker) == ()
        assert plan == plan.ordered(worktracker)
        assert unused(plan) == [len(plan) - 1]
        lengths.add(len(plan))
    assert lengths == {1, 2, 3, 4, 5}


def test_plans_are_valid_and_sensible_for_any_catalogue() -> None:
    """No call is made twice, a tool without arguments is called at most once, and there are one or two goals."""
    for seed in range(60):
        rng = Random(seed)
        catalogue = random_catalogue(rng, tools=rng.randint(2, 20))
        sampler = Sampler(catalogue)
        for _ in range(10):
            plan = sampler.mixed(rng)
            assert plan.problems(catalogue) == (), (seed, str(plan))
            calls = [str(step.to_json()) for step in plan]
            assert len(set(calls)) == len(calls)
            assert all(calls.count(call) == 1 for call in calls)
            assert len([i for i in unused(plan) if not repeats(plan, i)]) <= 2


def test_formats_decide_which_outputs_fill_an_argument(worktracker: Catalogue) -> None:
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
        assert len(unused(plan)) in (1, 2)  # one goal may use the other
        assert len({str(step.to_json()) for step in plan}) == len(plan)


def test_shapes() -> None:
    a, b = Step("a"), Step("b", {"x": Reference(0)})
    assert shape(Plan((a,))) == "single"
    assert shape(Plan((a, b))) == "chain"
    assert shape(Plan((a, Step("c")))) == "independent"
    assert shape(Plan((a, b, Step("c", {"x": Reference(0)})))) == "fan-out"
    assert shape(Plan((a, Step("c"), Step("d", {"x": Reference(0), "y": Reference(1)})))) == "fan-in"


@pytest.mark.parametrize("wanted", SHAPES)
def test_a_plan_of_each_shape_can_be_drawn(worktracker: Catalogue, wanted: str) -> None:
    plan = Sampler(worktracker).shaped(Random(2), wanted)
    assert shape(plan) == wanted and plan.problems(worktracker) == ()


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_a_plan_of_each_length_can_be_drawn(worktracker: Catalogue, length: int) -> None:
    assert len(Sampler(worktracker).sized(Random(3), length)) == length


def test_a_plan_contains_what_is_wanted(worktracker: Catalogue) -> None:
    sampler, rng = Sampler(worktracker), Random(4)
    works = worktracker.tool("works_list")
    assert works is not None
    plan = sampler.plan(rng, want=Want(works, "type", value="ticket"))
    assert plan.steps[-1].arguments["type"] == ["ticket"]
    (me,) = [producer for producer in sampler.producers["works_list", "owned_by"] if producer.tool.name == "who_am_i"]
    for _ in range(20):
        plan = sampler.plan(rng, want=Want(works, "owned_by", me))
        assert any(step.tool == "who_am_i" for step in plan)
        assert any(isinstance(element, Reference) for element in plan.steps[-1].arguments["owned_by"])


def test_impossible_plans_raise_undrawable(worktracker: Catalogue) -> None:
    sampler = Sampler(worktracker.subset(["get_sprint_id"]))
    with pytest.raises(Undrawable, match="2 steps"):
        sampler.sized(Random(0), 2)
    with pytest.raises(Undrawable, match="fan-in"):
        sampler.shaped(Random(0), "fan-in")


def test_a_lookup_searches_for_the_kind_that_the_argument_needs(worktracker: Catalogue) -> None:
    """A user is searched by a person's name, not by a product's."""
    sampler, rng = Sampler(worktracker), Random(5)
    works = worktracker.tool("works_list")
    assert works is not None
    (search,) = [p for p in sampler.producers["works_list", "owned_by"] if p.tool.name == "search_object_by_name"]
    for _ in range(20):
        plan = sampler.plan(rng, want=Want(works, "owned_by", search))
        used = plan.steps[-1].arguments["owned_by"]
        assert isinstance(used, list) and isinstance(used[0], Reference)
        name = plan.steps[used[0].step].arguments["query"]
        assert isinstance(name, str) and name.split(" ")[0] in FIRST_NAMES


FIRST_NAMES = set(word_lists()["values"]["first"])


def test_filters_of_two_types_are_not_mixed(worktracker: Catalogue) -> None:
    rng, sampler = Random(6), Sampler(worktracker)
    for _ in range(300):
        for step in sampler.mixed(rng):
            assert not {"issue.rev_orgs", "ticket.rev_org"} <= step.arguments.keys()


def test_changes_have_a_new_value_and_moves_have_two_places() -> None:
    text = {"type": "string"}
    catalogue = catalogue_from_json(
        [
            {
                "name": "update_user",
                "inputSchema": {
                    "type": "object",
                    "properties": {"user_id": text, "city": text},
                    "required": ["user_id"],
                },
            },
            {
                "name": "fly",
                "inputSchema": {
                    "type": "object",
                    "properties": {"from_city": text, "to_city": text, "start_date": text, "end_date": text},
                    "required": ["from_city", "to_city", "start_date", "end_date"],
                },
            },
        ]
    )
    rng, sampler = Random(7), Sampler(catalogue)
    for _ in range(100):
        for step in sampler.plan(rng):
            if step.tool == "update_user":
                assert "city" in step.arguments
            else:
                assert step.arguments["from_city"] != step.arguments["to_city"]
                assert str(step.arguments["start_date"]) <= str(step.arguments["end_date"])


def test_a_tool_with_an_argument_that_nothing_can_fill_is_left_out() -> None:
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


def test_equal_seeds_give_equal_plans(worktracker: Catalogue) -> None:
    assert Sampler(worktracker).plan(Random(7)) == Sampler(worktracker).plan(Random(7))


def test_some_plans_repeat_a_call_for_several_things(worktracker: Catalogue) -> None:
    """A tool that takes one thing by its id is called for each thing; a tool that takes a list is called once."""
    rng, sampler = Random(0), Sampler(worktracker)
    ends = [plan.steps[-3:] for plan in (sampler.mixed(rng) for _ in range(3000)) if len(plan) > 2]
    thrice = {steps[0].tool for steps in ends if len({step.tool for step in steps}) == 1}
    assert "get_similar_work_items" in thrice and "summarize_objects" not in thrice


TEXT = {"type": "string"}


def tracker() -> Catalogue:
    """Tools of a tracker whose outputs nobody described."""
    described = {
        "create_issue": ({"owner": TEXT, "repo": TEXT, "title": TEXT}, {}),
        "find_issue": ({"title": TEXT}, {"readOnlyHint": True}),
        "rename_issue": ({"owner": TEXT, "repo": TEXT, "issue_number": TEXT, "name": TEXT}, {}),
        "purge_issue": ({"title": TEXT, "issue_number": TEXT}, {"destructiveHint": True}),
    }
    return catalogue_from_json(
        [
            {
                "name": name,
                "annotations": hints,
                "inputSchema": {"type": "object", "properties": inputs, "required": [*inputs]},
            }
            for name, (inputs, hints) in described.items()
        ]
    )


def test_steps_that_belong_together_say_the_same_place() -> None:
    sampler, seen = Sampler(tracker()), 0
    for seed in range(300):
        for step in (plan := sampler.plan(Random(seed))):
            number = step.arguments.get("issue_number")
            if step.tool == "rename_issue" and isinstance(number, Reference):
                made = plan.steps[number.step]
                seen += made.tool == "create_issue"
                for name in ("owner", "repo"):
                    assert made.arguments.get(name, step.arguments[name]) == step.arguments[name]
    assert seen > 10


def test_a_destructive_step_is_always_a_goal_and_look_ups_are_preferred() -> None:
    sampler, used = Sampler(tracker()), Counter[str]()
    for seed in range(400):
        plan = sampler.mixed(Random(seed))
        for i in frozenset().union(*plan.dependencies()):
            used[plan.steps[i].tool] += 1
    assert used.keys() == {"create_issue", "find_issue"}
    assert used["find_issue"] > used["create_issue"]


def test_a_size_that_was_not_drawn_is_not_tried_again() -> None:
    catalogue = catalogue_from_json([{"name": "ping", "inputSchema": {}}])
    sampler = Sampler(catalogue)
    for _ in range(2):
        with pytest.raises(Undrawable):
            sampler.sized(Random(0), 3)
    assert sampler._failed_sizes == {(1, 3), (2, 3), (3, 3)}
