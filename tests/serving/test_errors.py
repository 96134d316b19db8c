"""What an endpoint refuses: statuses, bodies, headers."""

import pytest

from platypus.errors import CatalogueError
from platypus.serving.errors import ApiError, check_neutral, invalid, misshapen, refused, unsupported


def test_a_refusal_has_the_shape_that_clients_know() -> None:
    error = ApiError(429, "too many", code="queue_full", wait=0.5)
    known = {"message": "too many", "type": "rate_limit_error", "param": None, "code": "queue_full"}
    assert error.to_json() == {"error": known} and error.headers == {"retry-after": "1"}
    assert ApiError(401, "no key").headers == {"www-authenticate": "Bearer"}


def test_a_message_names_the_parameter() -> None:
    assert unsupported("stop", "cannot be").message == "stop: cannot be" and invalid(None, "no JSON").param is None
    error = refused(CatalogueError("is wrong", where="tools", remedy="Mend it."), param="tools")
    assert error.status == 400 and error.message == "tools: is wrong\n  Mend it."


@pytest.mark.parametrize("remedy", ["Set `cutoff` under [prompt].", "Decode without a grammar (`--decoding free`)."])
def test_a_client_is_not_told_to_change_what_only_the_server_can(remedy: str) -> None:
    assert refused(CatalogueError("is too large", where="tools", remedy=remedy)).message == "tools: is too large"


def test_a_body_of_another_shape() -> None:
    assert misshapen([("model_type", (), "Input should be …")]).message == "the body must be a JSON object"
    missing = misshapen([("missing", ("request",), "Field required")])
    assert (missing.code, missing.message) == ("missing_required_parameter", "request: Field required")
    assert misshapen([("string_type", ("messages", 2, "Message", "role"), "…")]).param == "messages[2]"
    types = [("string_type", ("input", "str"), "a text"), ("list_type", ("input", "list"), "a list")]
    both = misshapen([*types, ("missing", ("model",), "Field required")])
    assert (both.param, both.message) == ("input", "input: a text, or: a list")


def test_only_values_that_ask_for_nothing_pass() -> None:
    neutral = {"stop": ([],), "audio": ()}
    check_neutral({"stop": [], "audio": None}, neutral, used="it")
    refused: list[tuple[dict[str, object], str, str]] = [
        ({"stop": ["x"]}, "unsupported_parameter", "stop: only [] is supported"),
        ({"audio": 1}, "unsupported_parameter", "audio: is not supported; leave it out"),
        ({"other": None}, "unknown_parameter", "other: it has no such parameter"),
    ]
    for given, code, message in refused:
        with pytest.raises(ApiError) as error:
            check_neutral(given, neutral, used="it")
        assert (error.value.code, error.value.message, error.value.param) == (code, message, next(iter(given)))
