"""The planners of a process: by name; what is kept of catalogues that were sent."""

from dataclasses import replace

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.inference.calibration import Calibration
from platypus.serving.errors import ApiError
from platypus.serving.planners import Planners, Served, Variant
from tests.support.tiny_models import overfit_run


def tools(name: str) -> Catalogue:
    return catalogue_from_json([{"name": name, "description": "Does it."}, {"name": "other", "description": "Else."}])


def test_a_planner_is_chosen_by_name(served: Served, bare: Served) -> None:
    planners = Planners([served, bare], room=1 << 30)
    assert planners.named(None) is served and planners.named("bare") is bare
    with pytest.raises(ApiError) as unknown:
        planners.named("none")
    assert unknown.value.status == 404 and "embedded, bare" in unknown.value.message
    with pytest.raises(ApiError, match="no tools of its own"):
        planners.tools(bare, None)


def test_a_catalogue_is_computed_once_and_the_oldest_goes_first(served: Served) -> None:
    planners = Planners([served], room=1)
    first = planners.ready(served, tools("a"), Variant(), "x")
    assert planners.ready(served, tools("a"), Variant(), "y").decoder is first.decoder
    assert (planners.hits, planners.misses) == (1, 1)
    planners.ready(served, tools("b"), Variant(), "x")  # no room for both
    assert planners.ready(served, tools("a"), Variant(), "x").decoder is not first.decoder
    assert planners.misses == 3 and planners.used > 0


@pytest.mark.parametrize("trained", [True, False])
def test_how_sure_a_trained_planner_is_of_sent_tools_is_not_known(served: Served, trained: bool) -> None:
    known = Calibration(2.0, 0.5, rows=40)
    planner = replace(served.planner, calibration=known)
    one = replace(served, planner=planner, run=overfit_run() if trained else None)
    planners = Planners([one], room=1 << 30)
    assert planners.ready(one, None, Variant(), "x").planner.calibration is known
    assert planners.ready(one, tools("a"), Variant(), "x").planner.calibration.rows == (0 if trained else 40)


def test_the_own_catalogue_is_not_counted(served: Served) -> None:
    planners = Planners([served], room=1)
    ready = planners.ready(served, None, Variant(), "x")
    assert ready.decoder is served.planner.decoder and planners.used == 0
    assert planners.ready(served, served.catalogue, Variant(), "x").decoder is ready.decoder


def test_variants_share_the_keys_of_their_catalogue(served: Served) -> None:
    planners = Planners([served], room=1 << 30)
    whole = planners.ready(served, tools("a"), Variant(), "x")
    some = planners.ready(served, tools("a"), Variant(("a",), empty=False), "x")
    assert whole.decoder and some.decoder and some.decoder is not whole.decoder
    ours, theirs = whole.decoder.prefix, some.decoder.prefix
    assert ours.ids == theirs.ids and ours.layers[0][0].data_ptr() == theirs.layers[0][0].data_ptr()
    with pytest.raises(ApiError, match="there is no tool 'c'"):
        planners.ready(served, tools("a"), Variant(("a", "c")), "x")


def test_a_tool_that_may_be_called_needs_not_be_like_the_request(served: Served) -> None:
    settings = served.planner.settings.model_copy(update={"max_tools": 1})
    one = replace(served, planner=replace(served.planner, settings=settings))
    planners, request = Planners([one], room=1 << 30), "Who am I?"

    def shown(*allowed: str) -> list[str]:
        ready = planners.ready(one, None, Variant(allowed or None), request)
        return [tool.name for tool in ready.planner.prompt.catalogue or ()]

    assert shown() == shown("works_list", "who_am_i") == ["who_am_i"]
    assert shown("works_list") == ["works_list"]
    with pytest.raises(ApiError, match="none of its tools is among those"):
        shown("works_list", "get_sprint_id")
