"""ApiError: what an endpoint refuses, with its status and the body that clients of the OpenAI API know."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from platypus.errors import PlatypusError

KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "server_error"}
KINDS |= {503: "service_unavailable_error"}
OPERATORS = re.compile(r"under \[\w+\]|--[a-z]")  # in a remedy: a recipe's key, or an option of a command
CODES = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}  # by the type of pydantic


class ApiError(Exception):
    """A refusal: its HTTP status, what is wrong, the parameter that is at fault, and a code for programs.

    `wait` is in how many seconds it is worth asking again.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, wait: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.wait = status, message, param, code, wait

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = KINDS.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        headers = {} if self.wait is None else {"retry-after": str(math.ceil(self.wait))}
        return headers | ({"www-authenticate": "Bearer"} if self.status == 401 else {})


def unsupported(param: str, what: str) -> ApiError:
    """The refusal of a parameter, or of a value of it, that this server does not have."""
    return ApiError(400, f"{param}: {what}", param=param, code="unsupported_parameter")


def invalid(param: str | None, what: str, *, code: str = "invalid_value") -> ApiError:
    """The refusal of a value that cannot be."""
    return ApiError(400, f"{param}: {what}" if param else what, param=param, code=code)


def refused(error: PlatypusError, *, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """The refusal for an error that the caller can correct. A remedy for whoever runs the server is left out."""
    said = type(error)(error.what, where=error.where) if OPERATORS.search(error.remedy) else error
    return ApiError(400, str(said), param=param, code=code)


def misshapen(errors: Sequence[tuple[str, Sequence[int | str], str]]) -> ApiError:
    """The refusal of a body that has another shape than its class: the errors of pydantic, by type, place and message.

    A parameter of several types has an error for each of them.
    """
    (type_, place, _), *_ = errors
    if not place:
        return invalid(None, "the body must be a JSON object")
    param = _parameter(place)
    messages = dict.fromkeys(message for _, other, message in errors if other and _parameter(other) == param)
    return invalid(param, ", or: ".join(messages), code=CODES.get(type_, "invalid_value"))


def _parameter(place: Sequence[int | str]) -> str:
    # for a parameter of several types, what follows its name is one of them
    return str(place[0]) + "".join(f"[{part}]" for part in place[1:] if isinstance(part, int))


def check_neutral(given: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]], *, used: str) -> None:
    """Refuse parameters that are not supported, unless their value asks for nothing.

    `neutral` has the values of known parameters that ask for nothing; `used` names the endpoint in the message.
    """
    for name, value in given.items():
        if name not in neutral:
            raise ApiError(400, f"{name}: {used} has no such parameter", param=name, code="unknown_parameter")
        if value is not None and value not in neutral[name]:
            allowed = " or ".join(json.dumps(one) for one in neutral[name])
            raise unsupported(name, f"only {allowed} is supported" if allowed else "is not supported; leave it out")
