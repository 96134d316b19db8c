"""What a user can do wrong: one small tree. Each error says what, where, and the remedy.

    PlatypusError
    ├── CatalogueError   a tool catalogue that cannot be read or is not supported
    ├── PlanError        a plan that would break its own structure (a forward or self reference)
    ├── DatasetError     examples that cannot be read, or bad rows that the user chose not to skip
    ├── PromptError      an example or request that does not fit the context
    ├── RecipeError      a recipe with an unknown key or an impossible value
    ├── RunError         a run directory in use, incomplete, or without the stage that is asked for
    ├── ModelError       a base, adapter or merged model that is missing or does not belong
    ├── TrainingError    a training that cannot go on (NaN loss, nothing to learn from)
    └── TeacherError     a teacher that cannot be reached, refuses the key, or leaves nothing to go on with

What a *model* does wrong is not an error but a value: `platypus.plan.plan.Malformed`.
"""


class PlatypusError(Exception):
    """A mistake that the user can mend: `what` happened, `where`, and the `remedy`."""

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
    """A plan that would break its own structure."""


class DatasetError(PlatypusError):
    """Examples that cannot be read, or bad rows that the user chose not to skip."""


class PromptError(PlatypusError):
    """An example or request that does not fit the context."""


class RecipeError(PlatypusError):
    """A recipe with an unknown key or an impossible value."""


class RunError(PlatypusError):
    """A run directory in use, incomplete, or without the stage that is asked for."""


class ModelError(PlatypusError):
    """A base, adapter or merged model that is missing or does not belong."""


class TrainingError(PlatypusError):
    """A training that cannot go on."""


class TeacherError(PlatypusError):
    """A teacher that cannot be reached, refuses the key, or leaves nothing to go on with."""
