"""`[execute]`: the policy, the limits and the sources with which plans of a run are executed.

What executes them is not imported here: every command reads recipes.
"""
# ruff: noqa: RUF012  (pydantic copies defaults, which ruff cannot see where the base class is another module's)

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from platypus.execution.masking import SECRETS, Masking
from platypus.execution.policy import Flow, Policy, Rule, Verdict
from platypus.run.settings import Count, Rate, Settings, Text


class ExecuteSettings(Settings):
    """`[execute]`: which calls of a plan may be made, and what makes them. `platypus execute` alone reads it."""

    sources: list[Text] = []
    """What runs the tools, written as `catalogue` is; if empty, the catalogue itself."""
    trusted: list[Text] = []
    """Servers whose annotations are believed, by name or pattern (`["*"]`: all)."""
    allow: list[Text] = []
    """Tools that may be called: `"search_*"`, `"@readOnlyHint"`, or both in one text. The strictest rule that matches
    decides."""
    ask: list[Text] = []
    """Tools for which the user is asked, written in the same way."""
    deny: list[Text] = []
    """Tools that may not be called."""
    otherwise: Verdict = "ask"
    """What is decided where no rule matches and the tool does not only read."""
    never: list[Text] = []
    """What may not flow, through any steps: `"read_secret* -> send_mail(body)"`."""
    max_calls: Count = 50
    """The most calls of a plan, and of all plans of a request together."""
    calls: dict[Text, Count] = {}
    """The most calls of single tools: `{"send_*" = 3}`."""
    idempotent: list[Text] = []
    """Tools that may be called again when nobody knows what became of a call, besides those with annotations for it."""
    absent: list[Text] = []
    """Tools, arguments and servers that rules may name though they are not there. Any other rule that names nothing is
    refused."""
    seconds: Rate = 600.0
    """The time limit of a whole plan."""
    timeout: Rate = 60.0
    """Seconds until a call without an answer has failed."""
    start_timeout: Rate = 60.0
    """Seconds within which a server has to start."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a call is repeated that failed and may be repeated."""
    max_result_kb: Count = 1024
    """The largest result, in kilobytes. A larger one stops the plan."""
    error_texts: dict[Text, Text] = {}
    """Regular expressions for results that are errors, by tool: `{"sqlite__*" = "^Database error"}`; some servers tell
    errors as if they were results."""
    concurrency: Count = 16
    """The most calls at a time."""
    at_once: Literal["reads", "all"] = "reads"
    """Which independent steps run at once: those that only read, or all. What may change something keeps its place."""
    secrets: Text = SECRETS
    """Names whose values are masked in traces: a regular expression."""
    base_url: Text | None = None
    """The address of an OpenAPI source, if not that in its document."""
    headers: dict[Text, str] = {}
    """Headers of every call to an OpenAPI source; `${VAR}` stands for the environment variable."""

    @field_validator("allow", "ask", "deny")
    @classmethod
    def _rules_can_be_read(cls, texts: list[str]) -> list[str]:
        for text in texts:
            Rule.read(text)
        return texts

    @field_validator("never")
    @classmethod
    def _flows_can_be_read(cls, texts: list[str]) -> list[str]:
        for text in texts:
            Flow.read(text)
        return texts

    @field_validator("secrets", "error_texts")
    @classmethod
    def _expressions_can_be_read(cls, value: str | dict[str, str], info: ValidationInfo) -> str | dict[str, str]:
        for text in [value] if isinstance(value, str) else value.values():
            try:
                re.compile(text)
                Masking(text if info.field_name == "secrets" else SECRETS)  # which puts it into a larger one
            except re.error as error:
                what = f"execute.{info.field_name} holds no regular expression that can be used: {error}"
                raise ValueError(what, f"Correct {text!r}.") from error
        return value

    @property
    def policy(self) -> Policy:
        """The rules."""
        rules = {
            name: getattr(self, name) for name in ("allow", "ask", "deny", "never", "trusted", "idempotent", "absent")
        }
        return Policy.of(**rules, otherwise=self.otherwise, max_calls=self.max_calls, calls=self.calls)
