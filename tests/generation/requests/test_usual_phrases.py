"""Arguments of common names, owners of things, and flags."""

from typing import Any

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Argument
from platypus.generation.requests.usual_phrases import is_noun, owner_and_thing, routed, truth, usual_phrases
from tests.support.command import ROOT


def flag(name: str) -> Argument:
    return Argument(name, {"type": "boolean"}, required=False)


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("assignees", "assigned to {}"),
        ("pageSize", "with {} per page"),
        ("baseId", "in base {}"),
        ("project_key", "in project {}"),
        ("repo_path", "in {}"),
        ("sort_by", "sorted by {}"),
        ("jql", "with the JQL {}"),
        ("timeMin", "from {}"),
        ("from_branch", "from branch {}"),
    ],
)
def test_an_argument_of_a_common_name_has_its_own_phrases(name: str, phrase: str) -> None:
    noun = {"jql": "JQL", "project_key": "project", "baseId": "base"}.get(name, name)
    assert phrase in usual_phrases(name, noun)


def test_other_arguments_have_none() -> None:
    assert usual_phrases("severity", "severity") == ()


@pytest.mark.parametrize(
    ("arguments", "pair"),
    [
        ({"owner": "acme", "repo": "website", "title": "x"}, ("owner", "repo")),
        ({"org": "acme", "repo": "web.site-2"}, ("org", "repo")),
        ({"owner": "Ann Lee", "repo": "website"}, (None, None)),
        ({"repo": "website"}, (None, None)),
    ],
)
def test_an_owner_is_said_with_its_thing(arguments: dict[str, Any], pair: tuple[str | None, str | None]) -> None:
    assert owner_and_thing(arguments) == pair


def test_flags_behind_a_noun() -> None:
    works = read_catalogue(ROOT / "examples" / "worktracker" / "catalogue.json").tool("works_list")
    need = works and works.argument("ticket.needs_response")
    assert need and {"that need a response", "needing a response", "awaiting a response"} <= set(truth(need, True))
    assert "that do not need a response" in truth(need, False)
    assert truth(flag("include_hidden"), True)[0] == "including hidden"
    assert truth(flag("is_organic"), True, many=False) == ("that is organic",)


def test_flags_behind_a_deed() -> None:
    assert truth(flag("isPinned"), True, acting=True) == ("marked as pinned",)
    assert "ignoring cache" in truth(flag("ignoreCache"), True, acting=True)
    assert truth(flag("verify_jwt"), False, acting=True) == ("without verifying JWT",)
    assert "as a dry run" in truth(flag("dryRun"), True, acting=True)
    assert "as a draft" in truth(flag("draft"), True, acting=True)


def test_flags_are_said_by_their_description_or_neutrally() -> None:
    told = {"type": "boolean", "description": "Whether to include trashed items. Default: no"}
    assert truth(Argument("in_trash", told, required=False), True) == ("including trashed items",)
    assert truth(flag("raw"), False) == ("(raw: no)",)
    assert truth(flag("nextThoughtNeeded"), True, acting=True) == ("(next thought needed: yes)",)
    assert truth(flag("needsReview"), True, many=False) == ("that needs a review",)


def test_names_that_stand_well_behind_with() -> None:
    assert is_noun(["page", "size"])
    assert not any(is_noun(name.split(" ")) for name in ("raw", "from version", "include path", "user mail address"))


def test_a_start_and_an_end_are_said_as_one() -> None:
    assert routed(["from A", "with B", "to C"]) == ["from A to C", "with B"]
    assert routed(["up to 9", "since 4"]) == ["since 4 up to 9"]
    assert routed(["to C", "with B"]) == ["to C", "with B"]
