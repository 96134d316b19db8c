"""Executed outcomes: what plans do with tools in memory, and with the example's server."""

import json
import sys
from pathlib import Path

import pytest

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.evaluation.answering import ScoredRow, scored
from platypus.evaluation.executed import MockRuns
from platypus.evaluation.predictions import said_of
from platypus.execution.back_ends.back_end import CallFailed
from platypus.execution.toolbox import Toolbox
from platypus.plan.notation import read_plan
from platypus.plan.plan import Plan
from tests.support.executions import CHANGES, TEXT, TEXTS, Memory, tool, tools

CATALOGUE = tools(
    tool("me"),
    tool("find", query=TEXT),
    tool("list_all", owner=TEXT, all={"type": "boolean"}),
    tool("sort", of=TEXTS),
    tool("send", CHANGES, to=TEXT, body=TEXT),
)
PEOPLE = {"find": "U1", "me": "U1", "list_all": lambda given: ["b", "a"] if given.get("owner") == "U1" else []}
GOLD = "me()\nlist_all(owner=$0)"


def row(answer: str, gold: str, catalogue: Catalogue = CATALOGUE) -> ScoredRow:
    plan = read_plan(gold, "calls", catalogue)
    assert isinstance(plan, Plan), plan
    return scored(Example(f"{gold} {answer}", plan, "", {}), said_of(answer, catalogue), catalogue)


def verdicts(answer: str, gold: str = GOLD, **answers: object) -> dict[str, int]:
    runs = MockRuns(Memory({**PEOPLE, **answers}).toolbox)
    counted: dict[str, int] = runs.summary([row(answer, gold)], resamples=10, seed=0)["rows"]
    return counted


@pytest.mark.parametrize(
    ("answer", "gold", "verdict"),
    [
        (GOLD, GOLD, "exact"),
        ('list_all(owner="U1")', GOLD, "same outcome"),
        ('find(query="my id")\nlist_all(owner=$0)', GOLD, "same outcome"),
        ('list_all(owner="U2")', GOLD, "other outcome"),
        (GOLD + "\nsort(of=$1)", GOLD, "other outcome"),  # what comes out last is another thing
        (GOLD + '\nfind(query="x")', GOLD, "other outcome"),  # a result too many
        ("Sorry, no.", GOLD, "not run"),
        ("[]", GOLD, "not run"),
        ("me()", "[]", "not run"),
        ('list_all(owner="U3", all=true)', 'list_all(owner="U2")', "gold does nothing"),
        ('send(to="U1", body="a")', 'me()\nsend(to=$0, body="a")', "same outcome"),
        ('send(to="U1", body="b")', 'me()\nsend(to=$0, body="a")', "other outcome"),
        ('send(to="U1", body="a")\nsend(to="U1", body="a")', 'send(to="U1", body="a")', "other outcome"),
        ('me()\nsend(to="U1", body="a")', 'send(to="U1", body="a")', "other outcome"),  # says who I am besides
    ],
)
def test_a_plan_is_right_if_it_changes_and_returns_the_same(answer: str, gold: str, verdict: str) -> None:
    assert verdicts(answer, gold) == {verdict: 1}


def test_secrets_are_compared_and_not_masked() -> None:
    catalogue = tools(tool("login", CHANGES, password=TEXT))
    runs = MockRuns(Memory({}).toolbox)
    judged = row('login(password="other")', 'login(password="secret")', catalogue)
    assert runs.summary([judged], resamples=10, seed=0)["rows"] == {"other outcome": 1}


def test_where_gold_fails_exactness_decides_and_where_the_answer_fails_it_is_wrong() -> None:
    failing = {"find": CallFailed("error", "nobody knows")}
    assert verdicts('find(query="me")\nlist_all(owner=$0)', **failing) == {"fails": 1}
    runs = MockRuns(Memory({**PEOPLE, **failing}).toolbox)
    gold = 'find(query="me")\nlist_all(owner=$0)'
    found = runs.summary([row(gold, gold), row(GOLD, gold)], resamples=10, seed=0)
    assert found["rows"] == {"exact": 1, "gold fails": 1} and found["right_outcome"]["value"] == 1 / 2
    assert "nobody knows" in found["first_failure"]


def test_a_plan_is_run_once_and_only_where_it_tells_something() -> None:
    memory = Memory(PEOPLE)
    runs = MockRuns(memory.toolbox)
    answers = [row(GOLD, GOLD), row('list_all(owner="U1")', GOLD)]
    found = runs.summary(answers, resamples=10, seed=0)
    assert [name for name, _ in memory.called] == ["me", "list_all", "list_all"]
    assert runs.summary(answers, resamples=10, seed=0) == found and len(memory.called) == 3
    assert found["right_outcome"]["value"] == 1.0
    assert [plan["query"] for plan in found["other_plans"]] == [answers[1].row.query]  # type: ignore[union-attr]


def test_tools_that_nobody_has_are_said() -> None:
    judged = [row('list_all(owner="U1")', GOLD)]
    found = MockRuns(Toolbox(())).summary(judged, resamples=10, seed=0)
    assert found["rows"] == {"gold fails": 1} and "'me' is not there" in found["first_failure"]


def test_each_plan_meets_the_example_s_server_newly_started() -> None:
    pytest.importorskip("mcp")
    catalogue = read_catalogue("examples/worktracker/catalogue.json")
    toolbox = Toolbox.of([f"mcp:{sys.executable} {Path('examples/worktracker/server.py').resolve()}"])
    gold = 'get_sprint_id()\nadd_work_items_to_sprint(work_ids=["TKT-101"], sprint_id=$0)'
    rows = [row('add_work_items_to_sprint(work_ids=["TKT-101"], sprint_id="SPR-19")', gold, catalogue)]
    found = MockRuns(toolbox).summary(rows, resamples=10, seed=0)
    assert found["rows"] == {"same outcome": 1}, json.dumps(found)
