"""Variables in texts, and what messages hide."""

from pathlib import Path

import pytest

from platypus.catalogue.sources.variables import Variables
from platypus.errors import CatalogueError

ENVIRONMENT = {"TOKEN": "a-long-secret", "API_KEY": "another-one", "MODE": "quick", "SHORT_KEY": "abc"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Bearer ${TOKEN}", "Bearer a-long-secret"),
        ("${env:MODE}-${MODE}", "quick-quick"),
        ("${NONE:-fallback}", "fallback"),
        ("${NONE:-}", ""),
        ("${input:api-key}", "another-one"),
        ("${input:place}", "Wyk"),
        ("${workspaceFolder}/a", "/home/me/project/a"),
        ("$MODE {MODE} $", "$MODE {MODE} $"),
    ],
)
def test_values_stand_in_place_of_variables(text: str, value: str) -> None:
    variables = Variables(ENVIRONMENT, "here", Path("/home/me/project/.vscode"), {"place": "Wyk"})
    assert variables.expand(text) == value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("${NONE}", r"\$\{NONE\} is needed, and the environment variable NONE is not set\n  Set it: export NONE="),
        ("${input:a key}", "the environment variable A_KEY is not set"),
        ("${command:pick}", "is not known"),
    ],
)
def test_a_variable_that_is_not_there(text: str, what: str) -> None:
    with pytest.raises(CatalogueError, match=what) as caught:
        Variables(ENVIRONMENT, "here").expand(text)
    assert caught.value.where == "here"


def test_messages_hide_what_was_given_and_what_is_named_like_a_secret() -> None:
    variables = Variables(ENVIRONMENT, "here")
    text = "another-one quick abc a-long-secret postgres://me:pass@host/db"
    assert variables.hide(text) == "*** quick abc *** postgres://***@host/db"
    variables.expand("${MODE}")
    assert variables.hide("quick") == "***"
