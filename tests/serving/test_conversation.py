"""A conversation as one request and the calls that were run for it."""

import pytest

from platypus.serving.calls import Earlier
from platypus.serving.conversation import Gathered, Made, Result, Said, Turn, gather
from platypus.serving.errors import ApiError

ASKED = Said("user", "Do it")
CALL = Made("c1", "find", '{"name": "a"}', 0, "messages[1].tool_calls[0]")


def test_instructions_come_before_the_request_and_earlier_turns_are_noted() -> None:
    turns = [Said("user", "Before"), Said("assistant", "Yes"), Said("system", "Be brief."), ASKED]
    found = gather(turns, param="messages")
    assert found.request == "Be brief.\nDo it"
    assert found.notes == ("2 earlier messages were not shown: a planner answers one request",)


def test_calls_have_their_results() -> None:
    found = gather([ASKED, CALL, Result("c1", "X", "messages[2]")], param="messages")
    assert found == Gathered("Do it", (Earlier("find", {"name": "a"}, "X"),))


@pytest.mark.parametrize(
    ("turns", "param", "what"),
    [
        ([Said("system", "Be brief.")], "messages", "no message of a user"),
        ([Said("user", " ")], "messages", "empty"),
        ([ASKED, CALL], "messages[1].tool_calls[0]", "no result"),
        ([ASKED, Result("c2", "X", "messages[1]")], "messages[1]", "no such call"),
        ([ASKED, CALL, Result("c1", "X", "m"), Result("c1", "Y", "m")], "m", "two results"),
        ([ASKED, Made("c1", "find", "[", 0, "m"), Result("c1", "X", "m")], "m", "not JSON"),
        ([ASKED, Made("c1", "find", '{"a": NaN}', 0, "m"), Result("c1", "X", "m")], "m", "not JSON"),
        ([ASKED, Made("c1", "find", "[]", 0, "m"), Result("c1", "X", "m")], "m", "no JSON object"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_its_place(turns: list[Turn], param: str, what: str) -> None:
    with pytest.raises(ApiError, match=what) as refused:
        gather(turns, param="messages")
    assert refused.value.status == 400 and refused.value.param == param
