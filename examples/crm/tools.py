"""The tools of `catalogue.json` on a small customer list in memory, so that plans can be executed.

Each tool is a method of `Crm` with the tool's name. An unknown matter raises LookupError; for an unknown customer the
list of matters is empty. Nothing is stored on disk, and nothing here knows what a plan is.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Matter:
    """A concern that a customer waits for."""

    id: str
    customer: str
    subject: str


@dataclass
class Crm:
    """Matters by id, and the ids of those noted for action, in order."""

    matters: dict[str, Matter]
    action_items: list[str] = field(default_factory=list)

    def search(self, *, customer: str) -> list[str]:
        """The ids of the customer's matters."""
        return [matter.id for matter in self.matters.values() if matter.customer.lower() == customer.lower()]

    def action_item(self, *, objects: Collection[str]) -> list[str]:
        """Note each matter for action; returns their ids."""
        noted = [self._matter(matter_id).id for matter_id in objects]
        self.action_items.extend(noted)
        return noted

    def summarize(self, *, objects: Collection[str]) -> str:
        """One sentence for each matter."""
        return " ".join(f"{matter.customer}: {matter.subject}." for matter in map(self._matter, objects))

    def tools(self) -> dict[str, Callable[..., Any]]:
        """Each tool of the catalogue by its name."""
        return {tool.__name__: tool for tool in (self.search, self.action_item, self.summarize)}

    def _matter(self, matter_id: str) -> Matter:
        if matter_id not in self.matters:
            raise LookupError(f"no matter {matter_id!r}")
        return self.matters[matter_id]


def sample_crm() -> Crm:
    """Five matters of three customers, the same at every call."""
    matters = (
        Matter("MAT-3", "CustomerABC", "wants an offer for twenty seats"),
        Matter("MAT-8", "Globex", "asks for a refund"),
        Matter("MAT-12", "CustomerABC", "cannot reach support"),
        Matter("MAT-25", "Umbrella Foods", "moves to the yearly plan"),
        Matter("MAT-40", "Globex", "needs an invoice by Friday"),
    )
    return Crm({matter.id: matter for matter in matters})
