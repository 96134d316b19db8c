"""What a request has mentioned so far, and expressions that refer back to it: `them`, `that sprint`, `the tasks`.

Such an expression has one reading. Where it could mean two things, the draw is `Unsayable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from platypus.catalogue.schema import is_nothing
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import is_plural, participle, pluralised, words
from platypus.generation.requests.argument_phrases import ArgumentPhrases, label
from platypus.generation.requests.tool_phrases import ToolPhrases
from platypus.generation.requests.writer_style import WriterStyle
from platypus.plan.plan import Plan, Reference, Value


class Unsayable(Exception):
    """This draw has no clear wording, for example because two earlier steps have the same noun. Draw again."""


@dataclass
class Discourse:
    """One request under construction: its plan, the phrases for the tool of each step, and the steps so far.

    A step gets a clause of its own, or stands `inside` the one step that uses it.
    """

    rng: Random
    plan: Plan
    wordings: Sequence[ToolPhrases]
    style: WriterStyle
    inside: frozenset[int]
    own_clauses: list[int] = field(default_factory=list)  # steps with a clause of their own, in order
    mentions: list[int] = field(default_factory=list)  # all steps mentioned, in order
    asking: bool = False  # it is a question: nobody asks "what are up to five tickets"

    def heads(self) -> list[str]:
        """The head nouns of the steps with a clause of their own."""
        return [self.wordings[k].noun_head or "result" for k in self.own_clauses]

    def latest(self, *, many: bool) -> int | None:
        """Return the last step with a clause of its own that returns one thing, or a list if `many`."""
        steps = [
            k
            for k in self.own_clauses
            if self.wordings[k].plural == many and not is_nothing(self.wordings[k].tool.output)
        ]
        return steps[-1] if steps else None

    def pointer(self, i: int) -> str:
        """Refer back to the output of step i: `them`, `that sprint`, `the sorted work items`."""
        wording = self.wordings[i]
        if wording.is_me and any(other.is_lookup for other in self.wordings):
            return "me"
        head, last = self.head(i), self.latest(many=wording.plural) == i
        alike = [
            k for k in self.mentions if k != i and self.head(k) == head and self.wordings[k].plural == wording.plural
        ]
        if alike and wording.tool in [self.wordings[k].tool for k in alike]:
            raise Unsayable  # the same tool was called twice: it is unclear which call is meant
        if last and (alike or self.rng.random() < 0.6):
            return self.pronoun(i, head if alike else "")
        if wording.is_lookup:
            if len([k for k in self.own_clauses if self.wordings[k].is_lookup]) > 1 or not last:
                raise Unsayable
            return self.rng.choice(("it", "the result", "that result", "the search result"))
        if alike:
            if any(self.mentions.index(k) < self.mentions.index(i) for k in alike) or not head:
                raise Unsayable
            return self.rng.choice((f"the original {head}", f"the {head} from before"))
        if not head:
            return self.pronoun(i, "")
        that = "those" if wording.plural or is_plural(head) else "that"
        new = f"the new {head}" if wording.plural and wording.verb in ("create", "extract") else f"the {head}"
        return self.rng.choice((f"the {head}", new, f"{that} {head}"))

    def pronoun(self, i: int, head: str) -> str:
        """`them`; also `the sorted …` with a head noun that another step has too."""
        wording = self.wordings[i]
        if self.latest(many=wording.plural) != i:
            raise Unsayable
        if wording.is_me:
            return self.rng.choice(("them", "that user", "me"))
        if not wording.plural or self._single(i):
            return self.rng.choice(
                ("it", "it", "it", "it", "that") if not wording.plural else ("it", "it", "the result")
            )
        forms = ["them", "them", "them", "these", "those", "the results"]
        adjective = participle(wording.verb) if head and not wording.is_getter else ""
        return self.rng.choice(forms + [f"the {adjective} {head}"] * (3 if adjective else 0))

    def _single(self, i: int) -> bool:
        """Whether step i passes on a single thing that the request names: `sort TKT-4`."""
        lists = [value for value in self.plan.steps[i].arguments.values() if isinstance(value, list)]
        is_named = len(lists) == 1 and len(lists[0]) == 1 and not isinstance(lists[0][0], Reference)
        return is_named and not self.wordings[i].noun_head

    def head(self, i: int) -> str:
        """Return the head noun of step i: `work items`, or `tasks` if a filter of the step is for tasks."""
        wording = self.wordings[i]
        if not wording.noun_head and wording.tool.arguments:  # it passes on its input
            producers = [r.step for r in self.plan.steps[i].references()]
            return self.head(producers[0]) if producers else ""
        noun = wording.noun_head
        for name, value in self.plan.steps[i].arguments.items():
            phrases = self.phrases(i, name)
            if (
                phrases.heads
                and isinstance(value, list)
                and len(value) == 1
                and wording.is_getter
                and isinstance(value[0], str)
            ):
                noun = str(value[0])
        return pluralised(noun, many=wording.plural) if noun and wording.plural else noun

    def phrases(self, i: int, name: str) -> ArgumentPhrases:
        """Return the phrases for an argument of step i, without its type if another argument makes it clear."""
        return self.wordings[i].argument(name, type_known="." in name and self._type_known(i, name))

    def _type_known(self, i: int, name: str) -> bool:
        """For `ticket.rev_org`: whether the step has `type = ticket`, or a severity, which only tickets have."""
        wording, arguments = self.wordings[i], self.plan.steps[i].arguments
        kind = words(name)[0]
        if any(kind in strings(value) for value in arguments.values()):
            return True
        others = (other for other in arguments if other != name and other.startswith(f"{kind}."))
        return any(len(label(wording.tool, argument_of(wording.tool, other)).split(" ")) == 1 for other in others)

    def consumer(self, i: int) -> Argument | None:
        """Return the first argument that uses the output of step i."""
        for wording, step in zip(self.wordings, self.plan.steps, strict=True):
            for name, value in step.arguments.items():
                parts = value if isinstance(value, list) else [value]
                if any(isinstance(part, Reference) and part.step == i for part in parts):
                    return argument_of(wording.tool, name)
        return None


def argument_of(tool: Tool, name: str) -> Argument:
    """Return the argument of this name; the tool must have it."""
    argument = tool.argument(name)
    assert argument is not None  # the plan is valid
    return argument


def strings(value: Value) -> list[str]:
    """Return a string value, or the strings of an array, as a list."""
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str)]
