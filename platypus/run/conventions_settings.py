"""`[conventions]`: how a team writes its plans where the tools leave a choice."""
# ruff: noqa: RUF012  (pydantic copies defaults, which ruff cannot see where the base class is another module's)

from typing import Any, Self

from pydantic import model_validator

from platypus.run.settings import Settings, Text


class ConventionsSettings(Settings):
    """`[conventions]`: how plans are written where the tools leave a choice; learned from `data` where it is not said.

    Arguments are named `tool.argument`.
    """

    learn: bool = True
    """Whether generated plans follow the habits of the rows in `data` under `[refine]`."""
    looked_up: dict[Text, Text] = {}
    """The tool that names for an argument are looked up with, or `text` if they are given as they are said."""
    implied: dict[Text, bool] = {}
    """Whether a value that the request says in passing ("tasks") sets an argument."""
    always: list[Text] = []
    """Optional arguments that every call of their tool has."""
    never: list[Text] = []
    """Optional arguments that no generated call has."""

    @model_validator(mode="after")
    def _is_always_or_never(self) -> Self:
        if both := sorted({*self.always} & {*self.never}):
            raise ValueError(f"{both[0]} is both always and never given", "Keep it in one list of [conventions].")
        return self

    @property
    def changed(self) -> dict[str, Any]:
        """This table under its name, for what a stage depends on; nothing if it says nothing."""
        return {} if self == ConventionsSettings() else {"conventions": self.model_dump()}
