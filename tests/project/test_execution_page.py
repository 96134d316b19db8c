"""docs/execution.md: its table of verdicts is what the policies say of the examples' tools, and its recipes load."""

import re
import tomllib

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.execution.policy import KnownTool, Policy, judge
from platypus.plan.plan import Plan, Step
from platypus.reports import markdown_table
from platypus.run.recipe import Recipe
from tests.support.command import ROOT

PAGE = ROOT / "docs" / "execution.md"
POLICIES = {
    "default, trusted": Policy.of(trusted=["*"]),
    "default, not trusted": Policy(),
    '`allow = ["action_item"]`, `ask = ["search*"]`, `deny = ["@destructiveHint"]`, trusted': Policy.of(
        trusted=["*"], allow=["action_item"], ask=["search*"], deny=["@destructiveHint"]
    ),
}


def verdicts() -> str:
    """The table: every tool of the examples under each policy, with the rule."""
    rows = []
    for name in ("worktracker", "crm"):
        for tool in read_catalogue(ROOT / "examples" / name / "catalogue.json"):
            row = [f"{name}: `{tool.name}`"]
            for policy in POLICIES.values():
                known = {tool.name: KnownTool(tool, name, policy.trusts(name))}
                (step,) = judge(Plan((Step(tool.name, {}),)), policy, known).steps
                row.append(f"**{step.verdict}** ({step.rule})")
            rows.append(row)
    return markdown_table([["tool", *POLICIES], *rows])


def test_the_table_of_all_verdicts() -> None:
    table = verdicts()
    print(table)
    assert table in PAGE.read_text(encoding="utf-8")


def test_its_recipes_load() -> None:
    recipes = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(recipes) == 3
    for recipe in recipes:
        assert Recipe.model_validate(tomllib.loads(recipe)).execute.policy.trusts("worktracker")


@pytest.mark.parametrize(
    "key", ["sources", "trusted", "allow", "never", "timeout", "secrets", "at_once", "base_url", "absent"]
)
def test_it_names_the_keys(key: str) -> None:
    assert f"`{key}`" in PAGE.read_text(encoding="utf-8") or f"{key} =" in PAGE.read_text(encoding="utf-8")
