"""A planner with scripted answers, without a model; run as a program, a conversation with it in this terminal."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.chat.conversation import Conversation
from platypus.commands import chat
from platypus.inference.calibration import Calibration
from platypus.inference.figures import Reading
from platypus.inference.planner import Answer
from platypus.plan.plan import Plan, Reference, Step, parse_plan
from platypus.prompt.prompt import Prompt
from platypus.run.corrections import Corrections
from platypus.run.settings import DecodeSettings
from tests.support.command import CRM

SUMMARY = Plan((Step("search", {"customer": "CustomerABC"}), Step("summarize", {"objects": Reference(0)})))
SEARCH = Plan(SUMMARY.steps[:1])
REFUSAL = Plan()
ANSWERS = {"Sum up CustomerABC": str(SUMMARY), "Fly": "[]"}


@dataclass
class Loaded:
    """A model that is not there."""

    source: str = "a model"
    context: int = 2048


def crm_prompt(tokenizer: Any = None) -> Prompt:
    """The prompt of a planner for the CRM's tools."""
    return Prompt(tokenizer=tokenizer, catalogue=read_catalogue(CRM), notation="json")


@dataclass
class Scripted:
    """A planner with scripted answers; `others` are the plans that `best` finds, with their probabilities."""

    says: Mapping[str, str]
    prompt: Prompt = field(default_factory=crm_prompt)
    loaded: Loaded = field(default_factory=Loaded)
    settings: DecodeSettings = field(default_factory=DecodeSettings)
    calibration: Calibration = field(default_factory=Calibration)
    ended_by: Any = "model"
    confidence: float | None = None
    others: Mapping[Plan, float] = field(default_factory=dict)

    def watch(self, request: str, **_: object) -> Iterator[Plan | Answer]:
        """The plan, step by step."""
        if request == "interrupt me":
            raise KeyboardInterrupt
        from platypus.errors import PromptError

        request = self.reading(request).read
        if request not in self.says:
            raise PromptError("too long", where=request)
        text = self.says[request]
        plan = parse_plan(text, self.prompt.catalogue)
        if isinstance(plan, Plan):
            yield from (Plan(plan.steps[:count]) for count in range(1, len(plan)))
        sure = self.confidence is None or self.confidence >= self.settings.min_confidence
        yield Answer(request, plan, text, 9, 3, self.ended_by, self.confidence, self.confidence, sure)

    def dated(self, request: str) -> str:
        """As a planner of today reads it: "tomorrow" in figures."""
        return request.replace("tomorrow", "on 2026-12-01")

    def reading(self, request: str) -> Reading:
        """The same, without numbers."""
        return Reading.of(self.dated(request))

    def with_tools(self, catalogue: Catalogue) -> "Scripted":
        """The same planner with other tools."""
        return replace(self, prompt=replace(self.prompt, catalogue=catalogue))

    def narrowed(self, request: str) -> "Scripted":
        """This planner."""
        return self

    def best(self, request: str, k: int, limits: object) -> list[Answer]:
        """The first of the other plans."""
        known = [*self.others.items()][:k]
        return [Answer(request, plan, str(plan), 9, 3, "model", probability) for plan, probability in known]


def conversation(planner: Any, folder: Path, **options: Any) -> Conversation:
    """A conversation with a planner, whose corrections go into the folder."""
    return Conversation(planner, 100, Corrections(folder / "corrections.jsonl"), **options)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    scripted: Any = Scripted(ANSWERS, others={SUMMARY: 0.6, SEARCH: 0.25})
    chat._converse(conversation(scripted, place), place)
    print("ended")
