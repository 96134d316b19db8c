"""The requests for real servers in benchmarks/real_requests.json: plans that parse, for servers that are recorded."""

from collections import Counter

from benchmarks.real_tools import SERVERS, requests
from platypus.plan.plan import Plan


def test_every_plan_parses_and_belongs_to_a_recorded_server() -> None:
    asked = requests()
    assert Counter(one.server for one in asked) == dict.fromkeys(
        ("filesystem", "git", "github", "google-calendar", "playwright", "todoist"), 10
    )
    assert {one.server for one in asked} <= SERVERS.keys()
    assert len({one.request for one in asked}) == 60


def test_one_request_in_ten_is_refused_and_a_third_has_several_steps() -> None:
    right = [one.plans for one in requests()]
    assert [plans for plans in right if Plan() in plans] == [(Plan(),)] * 6
    assert sum(len(plans[0]) > 1 for plans in right) >= 19


def test_plans_that_are_right_for_one_request_differ() -> None:
    for one in requests():
        assert len(set(one.plans)) == len(one.plans), one.request
