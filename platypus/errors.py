"""Errors that a user can correct, as one small tree. Each says what is wrong, where, and the remedy.

    PlatypusError
    ├── CatalogueError   a tool catalogue that cannot be read or is not supported
    ├── PlanError        a plan with an impossible structure (a step that refers to itself or to a later step)
    ├── DatasetError     examples that cannot be read, or bad rows that the recipe does not skip
    ├── PromptError      an example or request that does not fit the context
    ├── RecipeError      a recipe with an unknown key or an impossible value
    ├── RunError         a run folder that is in use, is incomplete, or lacks a stage that is needed
    ├── ModelError       a base, adapter or merged model that is missing or does not match
    ├── TrainingError    a training that cannot continue (NaN loss, nothing to learn from)
    ├── TeacherError     a teacher that cannot be reached, rejects the key, or gives nothing usable
    ├── ExecutionError   a plan that cannot be executed: no server has a tool, or a trace that cannot be continued
    └── HubError         a hub that cannot be reached, refuses the token, or holds something else under a name

What a *model* does wrong is not an error but a value, `platypus.plan.plan.Malformed`.
"""


class PlatypusError(Exception):
    """A mistake that the user can correct: `what` is wrong, `where`, and the `remedy`."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n  {self.remedy}" if self.remedy else "")


class CatalogueError(PlatypusError):
    """A tool catalogue that cannot be read or is not supported."""


class PlanError(PlatypusError):
    """A plan with an impossible structure."""


class DatasetError(PlatypusError):
    """Examples that cannot be read, or bad rows that the recipe does not skip."""


class PromptError(PlatypusError):
    """An example or request that does not fit the context."""


class RecipeError(PlatypusError):
    """A recipe with an unknown key or an impossible value."""


class RunError(PlatypusError):
    """A run folder that is in use, is incomplete, or lacks a stage that is needed."""


class ModelError(PlatypusError):
    """A base, adapter or merged model that is missing or does not match."""


class TrainingError(PlatypusError):
    """A training that cannot continue."""


class TeacherError(PlatypusError):
    """A teacher that cannot be reached, rejects the key, or gives nothing usable."""


class ExecutionError(PlatypusError):
    """A plan that cannot be executed, or a trace that cannot be continued."""


class HubError(PlatypusError):
    """A hub that cannot be reached, refuses the token, or holds something else under a name."""
