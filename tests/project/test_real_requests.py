"""The requests for real servers: plans that parse, for servers that are recorded."""

from collections import Counter

from benchmarks.real_tools import FOLDER, SERVERS, requests
from platypus.plan.plan import Plan

FURTHER = FOLDER / "real_requests_further.json"


def test_every_plan_parses_and_belongs_to_a_recorded_server() -> None:
    asked, further = requests(), requests(FURTHER)
    servers = ("filesystem", "git", "github", "google-calendar", "playwright", "todoist")
    assert Counter(one.server for one in asked) == dict.fromkeys(servers, 10)
    assert Counter(one.server for one in further) == dict.fromkeys(("desktop-commander", "gmail", "shortcut"), 20)
    assert {one.server for one in (*asked, *further)} <= SERVERS.keys()
    assert len({one.request for one in (*asked, *further)}) == 120


def test_one_request_in_ten_is_refused_and_some_have_several_steps() -> None:
    for asked, several in ((requests(), 19), (requests(FURTHER), 12)):
        right = [one.plans for one in asked]
        assert [plans for plans in right if Plan() in plans] == [(Plan(),)] * 6
        assert sum(len(plans[0]) > 1 for plans in right) >= several


def test_plans_that_are_right_for_one_request_differ() -> None:
    for one in (*requests(), *requests(FURTHER)):
        assert len(set(one.plans)) == len(one.plans), one.request
