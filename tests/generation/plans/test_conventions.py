"""Habits that rows show: names that are looked up, values said in passing, arguments always or never given."""

from dataclasses import replace
from random import Random

import pytest
from pydantic import ValidationError

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import RecipeError
from platypus.generation.examples import coverage_report, generate_examples
from platypus.generation.plans.conventions import Conventions, check_declared
from platypus.plan.plan import Plan, Reference, Step
from platypus.run.conventions_settings import ConventionsSettings
from platypus.run.settings import GenerateSettings

ID = {"type": "string", "format": "user-id", "examples": ["USR-12", "USR-340"]}
KIND = {"type": "array", "items": {"type": "string", "enum": ["task", "issue", "ticket"]}}
CATALOGUE = catalogue_from_json(
    [
        {
            "name": "find_user",
            "description": "Finds a user by name and returns the user's ID.",
            "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "outputSchema": ID,
        },
        {
            "name": "list_items",
            "description": "Returns a list of work items that match the filters.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "owner": {**ID, "description": "Filters for work items owned by this user."},
                    "type": {**KIND, "description": "Filters for work items of these types."},
                    "stage": {"type": "string", "description": "Filters for work items in this stage."},
                    "limit": {"type": "integer", "description": "The maximum number of work items."},
                },
            },
        },
    ]
)
OWN = ConventionsSettings()


def row(query: str, *steps: Step, line: int = 1) -> Example:
    return Example(query, Plan(steps), CATALOGUE.fingerprint, {"source": "data/mine.jsonl", "line": line})


def listed(**arguments: object) -> Step:
    return Step("list_items", arguments)  # type: ignore[arg-type]


def looked_up(name: str, line: int) -> Example:
    query = f"What does {name} own?"
    return row(query, Step("find_user", {"name": name}), listed(owner=Reference(0, ())), line=line)


ROWS = [
    *(looked_up(name, line) for line, name in enumerate(("Anna", "Ben", "Cleo"), 1)),
    row("What does Dan own?", listed(owner="Dan"), line=4),
    row("Show USR-7's work", listed(owner="USR-7"), line=5),  # an id, and no name
    row("List all tasks", listed(type=["task"]), line=6),
    row("List the tasks in review", listed(stage="review"), line=7),
    row("List work of type issue", listed(type=["issue"]), line=8),  # not said in passing
]


def test_rows_show_their_habits_with_evidence_and_the_rows_that_break_them() -> None:
    found = {(habit.kind, habit.argument): habit for habit in Conventions.learn(ROWS, CATALOGUE, OWN).habits()}
    names = found["looked up", "list_items.owner"]
    assert (names.held, names.seen, names.against, names.mixed) == (3, 4, ("mine.jsonl:4",), False)
    assert str(names) == "list_items.owner: names are looked up by find_user in 3 of 4; not in mine.jsonl:4"
    kinds = found["implied", "list_items.type"]
    assert (kinds.held, kinds.seen, kinds.mixed) == (1, 2, True) and "both ways occur" in str(kinds)
    assert str(found["given", "list_items.limit"]) == "list_items.limit: never given in 8 of 8"
    assert ("given", "list_items.stage") not in found


def made(conventions: Conventions, count: int = 150) -> list[Example]:
    rows = list(generate_examples(CATALOGUE, GenerateSettings(examples=count), seed=1, conventions=conventions))
    assert all(one.plan.problems(CATALOGUE) == () for one in rows)
    return rows


def calls(rows: list[Example]) -> list[Step]:
    return [step for one in rows for step in one.plan if step.tool == "list_items"]


def share(rows: list[Example], argument: str) -> float:
    steps = calls(rows)
    return sum(argument in step.arguments for step in steps) / len(steps)


def test_without_rows_and_words_of_a_recipe_nothing_changes() -> None:
    plain = list(generate_examples(CATALOGUE, GenerateSettings(examples=60), seed=1))
    assert plain == made(Conventions.learn([], CATALOGUE, OWN), 60)


def test_generated_plans_follow_what_rows_do() -> None:
    plain = made(Conventions())
    rows = [row("Show it", listed(stage="x"), line=line) for line in range(30)]
    followed = made(Conventions.learn(rows, CATALOGUE, OWN))
    assert share(followed, "stage") > 0.6 > share(plain, "stage")
    assert share(followed, "limit") < 0.1 < share(plain, "limit")


@pytest.mark.parametrize("way", ["text", "find_user"])
def test_a_recipe_says_whether_names_are_looked_up(way: str) -> None:
    declared = ConventionsSettings(looked_up={"list_items.owner": way})
    given = (step.arguments.get("owner") for step in calls(made(Conventions(declared=declared))))
    owners = [owner for owner in given if owner is not None]
    names = [owner for owner in owners if isinstance(owner, str) and not owner.startswith("USR")]
    references = [owner for owner in owners if isinstance(owner, Reference)]
    assert len(owners) > 20 and bool(names) == (way == "text") and bool(references) == (way == "find_user")


def tool(
    name: str, description: str, properties: dict[str, object], *required: str, **more: object
) -> dict[str, object]:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": description, "inputSchema": schema, **more}


def test_what_is_required_is_no_habit() -> None:
    stage = {"type": "string", "enum": ["open", "done"]}
    tools = catalogue_from_json([tool("set_stage", "Moves an item.", {"id": ID, "stage": stage}, "id", "stage")])
    steps = [Step("set_stage", {"id": "USR-1", "stage": said}) for said in ("done", "open")]
    rows = [Example(f"mark USR-{i} as done", Plan((steps[0],)), "", {}) for i in range(3)]
    conventions = Conventions.learn(rows, tools, OWN)
    assert not list(conventions.habits())
    assert conventions.plain(rows[0].query, Plan((steps[1],)), tools) == Plan((steps[1],))
    for key in ("never", "always", "implied"):
        named = {"set_stage.stage": True} if key == "implied" else ["set_stage.stage"]
        with pytest.raises(RecipeError, match="no optional argument"):
            check_declared(ConventionsSettings.model_validate({key: named}), tools)


def test_rows_with_tools_of_their_own_show_nothing() -> None:
    theirs = replace(ROWS[0], tools=CATALOGUE)
    assert Conventions.learn([theirs], CATALOGUE, OWN) == Conventions.learn([], CATALOGUE, OWN)


def people_of(look_ups: dict[str, str]) -> Catalogue:
    """Tools that look people up, and one that takes several of them."""
    found = (tool(name, text, {"name": {"type": "string"}}, "name", outputSchema=ID) for name, text in look_ups.items())
    people = {"type": "array", "items": ID, "description": "The ids of the users."}
    return catalogue_from_json([*found, tool("invite_users", "Invites users.", {"users": people}, "users")])


def test_names_for_lists_are_given_as_they_are_said() -> None:
    tools = people_of({"find_user": "Finds a user by name and returns the user's ID."})
    declared = Conventions(declared=ConventionsSettings(looked_up={"invite_users.users": "text"}))
    rows = generate_examples(tools, GenerateSettings(examples=60), seed=1, conventions=declared)
    users = [step.arguments["users"] for one in rows for step in one.plan if step.tool == "invite_users"]
    assert len(users) > 20
    for people in users:
        assert isinstance(people, list) and all(isinstance(one, str) and one[:4] != "USR-" for one in people)


def test_the_look_up_that_a_recipe_names_is_the_only_one() -> None:
    tools = people_of(
        {
            "find_user": "Finds a user by name and returns the user's ID.",
            "search_user": "Searches a user by name and returns the user's ID.",
        }
    )
    declared = Conventions(declared=ConventionsSettings(looked_up={"invite_users.users": "find_user"}))
    rows = generate_examples(tools, GenerateSettings(examples=100), seed=1, conventions=declared)
    plans = [one.plan for one in rows if any(step.tool == "invite_users" for step in one.plan)]
    used = [plan.steps[reference.step].tool for plan in plans for step in plan for reference in step.references()]
    assert len(used) > 20 and set(used) == {"find_user"}


def test_what_is_never_given_has_no_partner_that_brings_it_back() -> None:
    texts = {name: {"type": "string", "description": f"The {name[:3]} text."} for name in ("old_text", "new_text")}
    tools = catalogue_from_json(
        [tool("replace", "Replaces text in a file.", {"path": {"type": "string"}, **texts}, "path")]
    )
    declared = Conventions(declared=ConventionsSettings(never=["replace.new_text"]))
    rows = list(generate_examples(tools, GenerateSettings(examples=40), seed=1, conventions=declared))
    given = {name for one in rows for step in one.plan for name in step.arguments}
    assert given == {"path", "old_text"}


def test_an_argument_is_not_both_always_and_never_given() -> None:
    with pytest.raises(ValidationError, match="is both always and never given"):
        ConventionsSettings(always=["list_items.stage"], never=["list_items.stage", "list_items.limit"])


def test_a_recipe_says_what_is_always_and_never_given() -> None:
    declared = ConventionsSettings(always=["list_items.stage"], never=["list_items.limit"])
    conventions = Conventions(declared=declared)
    rows = made(conventions)
    assert share(rows, "stage") == 1 and share(rows, "limit") == 0
    report = coverage_report(CATALOGUE, GenerateSettings(), rows, conventions)
    assert "list_items.limit" not in report["arguments"]["counts"]


def test_a_recipe_says_whether_what_is_said_in_passing_counts() -> None:
    tasks = row("List all tasks in review", listed(type=["task"], stage="review"))
    for sets in (True, False):
        conventions = Conventions(declared=ConventionsSettings(implied={"list_items.type": sets}))
        (step,) = conventions.said_only(Random(0), tasks, CATALOGUE).plan
        assert ("type" in step.arguments) == sets and step.arguments["stage"] == "review"
    always = Conventions(declared=ConventionsSettings(implied={"list_items.type": False}, always=["list_items.type"]))
    assert always.said_only(Random(0), tasks, CATALOGUE) == tasks
    alone = row("List all tasks", listed(type=["task"]))
    assert conventions.said_only(Random(0), alone, CATALOGUE) == alone  # it is all that the call says


@pytest.mark.parametrize(
    ("declared", "what", "remedy"),
    [
        ({"never": ["list_items.limits"]}, "'list_items.limits' is no optional argument", "list_items.limit?"),
        ({"looked_up": {"list_items.own": "text"}}, "'list_items.own' is no argument", "list_items.owner?"),
        ({"looked_up": {"list_items.owner": "list_items"}}, "no tool that looks up what list_items.owner", "find_user"),
        ({"looked_up": {"list_items.type": "find_user"}}, "no tool that looks up what list_items.type", "text"),
    ],
)
def test_what_names_nothing_is_refused(declared: dict[str, object], what: str, remedy: str) -> None:
    with pytest.raises(RecipeError, match=what) as raised:
        check_declared(ConventionsSettings(**declared), CATALOGUE)  # type: ignore[arg-type]
    assert remedy in raised.value.remedy


def test_a_plan_apart_from_conventions_has_no_look_ups_and_no_implied_arguments() -> None:
    conventions = Conventions.learn(ROWS, CATALOGUE, OWN)
    assert conventions.plain("", looked_up("Anna", 1).plan, CATALOGUE) == Plan((listed(owner="Anna"),))
    both = Plan((Step("find_user", {"name": "Anna"}), listed(owner=Reference(0, ()), type=["task"], stage="review")))
    assert conventions.plain("Anna's tasks", both, CATALOGUE) == Plan((listed(owner="Anna", stage="review"),))
    alone = Plan((Step("find_user", {"name": "Anna"}),))
    assert conventions.plain("Anna", alone, CATALOGUE) == alone
    other = Plan((listed(type=["issue"]),))
    assert conventions.plain("Anna's tasks", other, CATALOGUE) == other  # no value that the request implies
    assert not Conventions().stated and conventions.stated
