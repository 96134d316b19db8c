"""The events of a trace: what each kind holds. A line that holds something else is damaged."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from platypus.execution.policy import Verdict
from platypus.execution.results import FailureKind

Number = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Verdict(_Part):
    step: Number
    tool: str
    verdict: Verdict
    rule: str


class _Result(_Part):
    structured: Any = None
    text: str = ""
    is_error: bool = False
    others: list[str] = []
    made_up: bool = False


class _Event(_Part):
    at: str
    masked: bool = False


class _Step(_Part):
    tool_name: str
    arguments: list[dict[str, Any]]


class _Planned(_Event):
    plan: list[_Step]
    verdicts: list[_Verdict]

    @model_validator(mode="after")
    def _each_step_has_its_verdict(self) -> Self:
        if [verdict.step for verdict in self.verdicts] != [*range(len(self.plan))]:
            raise ValueError("the verdicts are not those of the steps")
        return self


class _Start(_Planned):
    event: Literal["start"]
    version: int
    request: str
    dry_run: bool = False


class _Plan(_Planned):
    event: Literal["plan"]
    number: Number
    shown: list[str]


class _Answer(_Event):
    event: Literal["answer"]
    question: str
    yes: bool


class _Resume(_Event):
    event: Literal["resume"]
    number: Number


class _End(_Event):
    event: Literal["end"]
    ended: Literal["done", "denied", "refused", "failed", "cancelled"]
    seconds: float


class _OfStep(_Event):
    number: Number
    step: Number


class _Call(_OfStep):
    event: Literal["call"]
    attempt: Annotated[int, Field(ge=1)]
    tool: str
    arguments: dict[str, Any]


class _Returned(_OfStep):
    event: Literal["result"]
    seconds: float
    result: _Result
    note: str = ""


class _Reused(_OfStep):
    event: Literal["reused"]
    result: _Result


class _Error(_OfStep):
    event: Literal["error"]
    seconds: float
    kind: FailureKind
    what: str


_Any = _Start | _Plan | _Answer | _Resume | _End | _Call | _Returned | _Reused | _Error
EVENT: TypeAdapter[_Any] = TypeAdapter(Annotated[_Any, Field(discriminator="event")])


def damage(event: Mapping[str, Any]) -> str:
    """What is wrong with an event; empty if it is whole."""
    try:
        EVENT.validate_python(event)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        return f"{place}: {first['msg']}" if place else first["msg"]
    return ""
