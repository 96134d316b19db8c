"""`[execute]`: rules that can be read, and the terms that come of it."""

from pathlib import Path

import pytest

from platypus.errors import RecipeError
from platypus.execution.execution import Terms
from platypus.execution.executor import Limits
from platypus.execution.policy import Policy
from platypus.execution.toolbox import Reach
from platypus.run.execute_settings import ExecuteSettings
from platypus.run.recipe import read_recipe
from platypus.run.toolboxes import reach_of, terms_of


def test_the_defaults_are_those_of_the_package() -> None:
    assert terms_of(ExecuteSettings()) == Terms(Policy(), Limits())
    assert reach_of(ExecuteSettings()) == Reach()


def test_all_of_it_arrives(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        '[execute]\nallow = ["a"]\ndeny = ["@destructiveHint"]\nnever = ["a -> b(c)"]\ncalls = {"s*" = 3}\n'
        'trusted = ["git*"]\nmax_result_kb = 2\ntimeout = 5.0\nat_once = "all"\nheaders = {X = "${Y}"}\n'
    )
    settings = read_recipe(path).execute
    policy = Policy.of(allow=["a"], deny=["@destructiveHint"], never=["a -> b(c)"], calls={"s*": 3}, trusted=["git*"])
    terms = terms_of(settings, replans=2, dry_run=True)
    assert terms.policy == policy and (terms.replans, terms.dry_run) == (2, True)
    assert terms.limits == Limits(timeout=5.0, result_bytes=2048, at_once="all")
    assert reach_of(settings) == Reach(headers={"X": "${Y}"}, most=2048)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('allow = ["a b"]', "the rule 'a b' names no tool or several"),
        ('ask = ["@readonly"]', "the rule '@readonly' names no hint that MCP has"),
        ('never = ["a to b"]', "the flow 'a to b' cannot be read"),
        ('secrets = "("', "execute.secrets holds no regular expression"),
        ('secrets = "(?i)token"', "execute.secrets holds no regular expression that can be used: global flags"),
        ('error_texts = {"a" = "["}', "execute.error_texts holds no regular expression"),
        ('otherwise = "maybe"', "execute.otherwise = 'maybe' should be 'allow', 'ask' or 'deny'"),
        ('allow = "a"', "execute.allow = 'a' should be a valid list"),
        ("retrys = 1", "unknown key execute.retrys"),
    ],
)
def test_what_cannot_be(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f"[execute]\n{line}\n")
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    assert what in str(raised.value)
