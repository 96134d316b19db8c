"""`[conventions]`: how a team writes its plans where the tools leave a choice."""

from typing import Any

from pydantic import Field

from platypus.run.settings import Settings, Text


class ConventionsSettings(Settings):
    """`[conventions]`: how plans are written where the tools leave a choice; learned from `data` where it is not said.

    Arguments are named `tool.argument`.
    """

    learn: bool = True
    """Whether generated plans follow the habits of the rows in `data` under `[refine]`."""
    looked_up: dict[Text, Text] = Field(default_factory=dict)
    """The tool that names for an argument are looked up with, or `text` if they are given as they are said."""
    implied: dict[Text, bool] = Field(default_factory=dict)
    """Whether a value that the request says in passing ("tasks") sets an argument."""
    always: list[Text] = Field(default_factory=list)
    """Optional arguments that every call of their tool has."""
    never: list[Text] = Field(default_factory=list)
    """Optional arguments that no generated call has."""

    @property
    def changed(self) -> dict[str, Any]:
        """This table under its name, for what a stage depends on; nothing if it says nothing."""
        return {} if self == ConventionsSettings() else {"conventions": self.model_dump()}
