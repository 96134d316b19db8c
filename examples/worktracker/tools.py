"""The tools of `catalogue.json` on a small tracker in memory, so that plans can be executed.

Each tool is a method of `Tracker` with the tool's name; dots in argument names become underscores
(`issue.priority` → `issue_priority`). An id or name that the tracker does not know raises LookupError.
Nothing is stored on disk, and nothing here knows what a plan is.
"""

import csv
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import StringIO
from typing import Any, Literal

Kind = Literal["issue", "ticket", "task"]
URGENCY = {"p0": 0, "blocker": 0, "p1": 1, "high": 1, "p2": 2, "medium": 2, "p3": 3, "low": 3, "": 4}
SAMPLE = """\
id,type,title,part,created_by,owned_by,stage,priority,severity,source_channel,rev_org,needs_response
ISS-14,issue,Login page times out,FEAT-12,DEVU-9,DEVU-184,triage,p0,,,REV-9,
ISS-21,issue,Export misses a column,CAPL-7,DEVU-184,DEVU-9,backlog,p2,,,,
ISS-33,issue,Search ignores accents,FEAT-88,DEVU-57,DEVU-57,testing,p1,,,,
ISS-52,issue,Login button hidden on phones,FEAT-12,DEVU-184,DEVU-184,in progress,p2,,,,
ISS-77,issue,Invoice total is off by a cent,PROD-31,DEVU-9,DEVU-302,code review,p3,,,,
TKT-101,ticket,Cannot log in,FEAT-12,DEVU-302,DEVU-184,triage,,blocker,email,REV-9,yes
TKT-118,ticket,Where is my invoice,PROD-31,DEVU-302,DEVU-302,in progress,,low,phone,REV-41,
TKT-203,ticket,Search shows old results,FEAT-88,DEVU-57,DEVU-57,testing,,high,slack,REV-9,yes
TKT-240,ticket,Export takes an hour,CAPL-7,DEVU-9,DEVU-9,blocked,,medium,slack,REV-230,yes
TASK-3,task,Write release notes,PROD-31,DEVU-184,DEVU-184,backlog,,,,,
TASK-8,task,Renew the login certificate,FEAT-12,DEVU-9,DEVU-57,in progress,,,,,
TASK-11,task,Clean up export jobs,CAPL-7,DEVU-57,DEVU-9,released,,,,,
"""


@dataclass(frozen=True)
class WorkItem:
    """An issue (with a priority), a ticket (with severity, channel and customer) or a task."""

    id: str
    type: Kind
    title: str
    part: str
    created_by: str
    owned_by: str
    stage: str
    priority: str = ""
    severity: str = ""
    source_channel: str = ""
    rev_org: str = ""
    needs_response: bool = False

    @property
    def urgency(self) -> int:
        """0 for p0 or blocker … 3 for p3 or low, 4 for a task."""
        return URGENCY[self.priority or self.severity]

    def words(self) -> set[str]:
        """The words of the title, in lower case."""
        return set(re.findall(r"\w+", self.title.lower()))


@dataclass
class Tracker:
    """A work tracker in memory. `names` maps names of parts, users and customers to ids, `sprints` sprints to items."""

    items: dict[str, WorkItem]
    names: Mapping[str, str]
    sprints: dict[str, list[str]]
    current_user: str
    current_sprint: str

    def works_list(
        self,
        *,
        applies_to_part: Collection[str] = (),
        created_by: Collection[str] = (),
        issue_priority: Collection[str] = (),
        issue_rev_orgs: Collection[str] = (),
        limit: int = 50,
        owned_by: Collection[str] = (),
        stage_name: Collection[str] = (),
        ticket_needs_response: bool | None = None,
        ticket_rev_org: Collection[str] = (),
        ticket_severity: Collection[str] = (),
        ticket_source_channel: Collection[str] = (),
        type: Collection[str] = (),
    ) -> list[str]:
        """The ids of the items that match every given filter, in the tracker's order."""

        def matches(item: WorkItem) -> bool:
            wanted = (
                (applies_to_part, item.part),
                (created_by, item.created_by),
                (issue_priority, item.priority),
                (issue_rev_orgs, item.rev_org if item.type == "issue" else ""),
                (owned_by, item.owned_by),
                (stage_name, item.stage),
                (ticket_rev_org, item.rev_org if item.type == "ticket" else ""),
                (ticket_severity, item.severity),
                (ticket_source_channel, item.source_channel),
                (type, item.type),
            )
            answered = ticket_needs_response is None or (
                item.type == "ticket" and item.needs_response == ticket_needs_response
            )
            return answered and all(not values or value in values for values, value in wanted)

        return [item.id for item in self.items.values() if matches(item)][:limit]

    def summarize_objects(self, *, objects: Collection[str]) -> str:
        """One sentence for each item: `Export misses a column (ISS-14, in triage).`"""
        return " ".join(f"{item.title} ({item.id}, in {item.stage})." for item in map(self._item, objects))

    def prioritize_objects(self, *, objects: Collection[str]) -> list[str]:
        """The items by urgency; equally urgent ones keep their order."""
        return sorted(objects, key=lambda work_id: self._item(work_id).urgency)

    def add_work_items_to_sprint(self, *, work_ids: Collection[str], sprint_id: str) -> None:
        """Add the items to the sprint, without those already in it."""
        if sprint_id not in self.sprints:
            raise LookupError(f"no sprint {sprint_id!r}")
        known = [self._item(work_id).id for work_id in work_ids]
        sprint = self.sprints[sprint_id]
        sprint.extend(work_id for work_id in known if work_id not in sprint)

    def get_sprint_id(self) -> str:
        """The id of the current sprint."""
        return self.current_sprint

    def get_similar_work_items(self, *, work_id: str) -> list[str]:
        """The other items that share a word of the title, most shared words first."""
        words = self._item(work_id).words()
        shared = {item.id: len(words & item.words()) for item in self.items.values() if item.id != work_id}
        return sorted((other for other, count in shared.items() if count), key=lambda other: -shared[other])

    def search_object_by_name(self, *, query: str) -> str:
        """The id of the part, user or customer whose name is most similar to the query."""

        def likeness(name: str) -> float:
            return SequenceMatcher(None, query.lower(), name.lower()).ratio()

        best = max(self.names, key=likeness)
        if likeness(best) < 0.5:
            raise LookupError(f"nothing has a name like {query!r}")
        return self.names[best]

    def create_actionable_tasks_from_text(self, *, text: str) -> list[str]:
        """Create a task for each sentence, owned by the current user; returns the ids."""
        sentences = [sentence.strip() for sentence in re.split(r"[.!?]+(?:\s+|$)|\n+", text)]
        return [self._new_task(sentence) for sentence in sentences if sentence]

    def who_am_i(self) -> str:
        """The id of the current user."""
        return self.current_user

    def tools(self) -> dict[str, Callable[..., Any]]:
        """Each tool of the catalogue by its name."""
        return {
            tool.__name__: tool
            for tool in (
                self.works_list,
                self.summarize_objects,
                self.prioritize_objects,
                self.add_work_items_to_sprint,
                self.get_sprint_id,
                self.get_similar_work_items,
                self.search_object_by_name,
                self.create_actionable_tasks_from_text,
                self.who_am_i,
            )
        }

    def _item(self, work_id: str) -> WorkItem:
        if work_id not in self.items:
            raise LookupError(f"no work item {work_id!r}")
        return self.items[work_id]

    def _new_task(self, title: str) -> str:
        number = 1 + max((int(i.removeprefix("TASK-")) for i in self.items if i.startswith("TASK-")), default=0)
        task = WorkItem(f"TASK-{number}", "task", title, "", self.current_user, self.current_user, "triage")
        self.items[task.id] = task
        return task.id


def sample_tracker() -> Tracker:
    """A dozen work items, four users, four parts, four customers and three sprints, the same at every call."""
    items = map(_read_item, csv.DictReader(StringIO(SAMPLE)))
    users = {"Ada Brandt": "DEVU-184", "Priya Nair": "DEVU-9", "Tomas Lind": "DEVU-57", "Mei Tanaka": "DEVU-302"}
    parts = {"Sign-in": "FEAT-12", "Data export": "CAPL-7", "Search API": "FEAT-88", "Billing": "PROD-31"}
    customers = {"Globex": "REV-9", "Umbrella Foods": "REV-41", "Initech": "REV-230", "Northwind": "REV-16"}
    return Tracker(
        items={item.id: item for item in items},
        names={**users, **parts, **customers},
        sprints={"SPR-6": ["TASK-11"], "SPR-19": ["ISS-33"], "SPR-112": []},
        current_user="DEVU-184",
        current_sprint="SPR-19",
    )


def _read_item(row: dict[str, Any]) -> WorkItem:
    return WorkItem(**{**row, "needs_response": row["needs_response"] == "yes"})
