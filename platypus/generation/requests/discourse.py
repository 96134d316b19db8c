"""What a request has said so far, and how it points back to it: `them`, `that sprint`, `the sorted work items`.

A pointer has one reading. Where two things said before would answer to it, the draw is `Unsayable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from platypus.catalogue.schema import is_nothing
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import participle, words
from platypus.generation.requests.argument_phrases import ArgumentPhrases, label
from platypus.generation.requests.tool_phrases import ToolPhrases, pluralised
from platypus.generation.requests.writer_style import WriterStyle
from platypus.plan.plan import Plan, Reference, Value


class Unsayable(Exception):
    """This draw has no clear wording (two earlier steps would be called the same); draw again."""


@dataclass
class Discourse:
    """One request in the making: its plan, how its tools are spoken of, and the steps said so far.

    A step is said as a clause of its own, or `inside` the one step that uses it.
    """

    rng: Random
    plan: Plan
    wordings: Sequence[ToolPhrases]
    spoken: WriterStyle
    inside: frozenset[int]
    said: list[int] = field(default_factory=list)
    mentioned: list[int] = field(default_factory=list)  # said or inside another, in the order of mention
    asking: bool = False  # a question: nobody asks "what are up to five tickets"

    def heads(self) -> list[str]:
        return [self.wordings[k].noun_head or "result" for k in self.said]

    def latest(self, *, many: bool) -> int | None:
        """The last thing said that gives back one thing, or `many`."""
        given = [
            k for k in self.said if self.wordings[k].plural == many and not is_nothing(self.wordings[k].tool.output)
        ]
        return given[-1] if given else None

    def pointer(self, i: int) -> str:
        """`them`, `that sprint`, `the sorted work items`: what step i, said before, gave back."""
        wording = self.wordings[i]
        if wording.is_me and any(other.is_lookup for other in self.wordings):
            return "me"
        head, last = self.head(i), self.latest(many=wording.plural) == i
        alike = [
            k for k in self.mentioned if k != i and self.head(k) == head and self.wordings[k].plural == wording.plural
        ]
        if alike and wording.tool in [self.wordings[k].tool for k in alike]:
            raise Unsayable  # the same was done twice: nobody can tell which is meant
        if last and (alike or self.rng.random() < 0.6):
            return self.pronoun(i, head if alike else "")
        if wording.is_lookup:
            if len([k for k in self.said if self.wordings[k].is_lookup]) > 1 or not last:
                raise Unsayable
            return self.rng.choice(("it", "the result", "that result", "the search result"))
        if alike:
            if any(self.mentioned.index(k) < self.mentioned.index(i) for k in alike) or not head:
                raise Unsayable
            return self.rng.choice((f"the original {head}", f"the {head} from before"))
        if not head:
            return self.pronoun(i, "")
        that = "those" if wording.plural else "that"
        new = f"the new {head}" if wording.plural and wording.verb in ("create", "extract") else f"the {head}"
        return self.rng.choice((f"the {head}", new, f"{that} {head}"))

    def pronoun(self, i: int, head: str) -> str:
        """`them`; with a head that something else has too, also `the sorted …`."""
        wording = self.wordings[i]
        if self.latest(many=wording.plural) != i:
            raise Unsayable
        if wording.is_me:
            return self.rng.choice(("them", "that user", "me"))
        if not wording.plural or self._single(i):
            return self.rng.choice(
                ("it", "it", "it", "that", "this") if not wording.plural else ("it", "it", "the result")
            )
        forms = ["them", "them", "them", "these", "those", "the results"]
        done = participle(wording.verb) if head and not wording.is_getter else ""
        return self.rng.choice(forms + [f"the {done} {head}"] * (3 if done else 0))

    def _single(self, i: int) -> bool:
        """Whether step i passes on one thing that the request names: `sort TKT-4`."""
        lists = [value for value in self.plan.steps[i].arguments.values() if isinstance(value, list)]
        named = len(lists) == 1 and len(lists[0]) == 1 and not isinstance(lists[0][0], Reference)
        return named and not self.wordings[i].noun_head

    def head(self, i: int) -> str:
        """`work items`, or `tasks` where the step's own filter says so."""
        wording = self.wordings[i]
        if not wording.noun_head and wording.tool.arguments:  # it passes on what it was given
            needed = [r.step for r in self.plan.steps[i].references()]
            return self.head(needed[0]) if needed else ""
        noun = wording.noun_head
        for name, value in self.plan.steps[i].arguments.items():
            told = self.saying(i, name)
            if (
                told.heads
                and isinstance(value, list)
                and len(value) == 1
                and wording.is_getter
                and isinstance(value[0], str)
            ):
                noun = str(value[0])
        return pluralised(noun, many=wording.plural) if noun and wording.plural else noun

    def saying(self, i: int, name: str) -> ArgumentPhrases:
        """How an argument of step i can be said. Its type need not be, where another argument tells it."""
        return self.wordings[i].saying(name, agreed="." in name and self._told(i, name))

    def _told(self, i: int, name: str) -> bool:
        """`ticket.rev_org`: the step says `type = ticket`, or a severity, which only tickets have."""
        wording, arguments = self.wordings[i], self.plan.steps[i].arguments
        kind = words(name)[0]
        if any(kind in strings(value) for value in arguments.values()):
            return True
        others = (other for other in arguments if other != name and other.startswith(f"{kind}."))
        return any(len(label(wording.tool, argument_of(wording.tool, other)).split(" ")) == 1 for other in others)

    def consumer(self, i: int) -> Argument | None:
        """The first argument that uses step i."""
        for wording, step in zip(self.wordings, self.plan.steps, strict=True):
            for name, value in step.arguments.items():
                parts = value if isinstance(value, list) else [value]
                if any(isinstance(part, Reference) and part.step == i for part in parts):
                    return argument_of(wording.tool, name)
        return None


def argument_of(tool: Tool, name: str) -> Argument:
    """The argument of this name, which the tool has."""
    argument = tool.argument(name)
    assert argument is not None  # the plan is valid
    return argument


def strings(value: Value) -> list[str]:
    """The strings of a value or of an array."""
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str)]
