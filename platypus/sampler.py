"""Valid typed plans drawn from a catalogue's type graph.

A plan grows backwards: a goal tool is chosen, and an argument that an earlier output can fill asks for a producer. So
every step but a goal is used, and every reference fits. Which outputs *may* fill an argument is the schema's word;
which *sensibly* do is judged here: equal formats, or words that the producer and the argument share.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from platypus.catalogue import Argument, Catalogue, Tool
from platypus.literals import literal, words
from platypus.plan import Plan, Reference, Step, Value
from platypus.schema import Schema, allowed_values, array_items, fits, is_nothing, variants

EMPTY_WORDS = {
    *("a", "an", "the", "of", "to", "for", "by", "in", "on", "with", "and", "or", "as", "at", "from", "it", "is", "be"),
    *("any", "all", "this", "that", "these", "which", "are", "could", "should", "will", "one", "used", "using"),
    *("given", "provided", "return", "get", "list", "id", "name", "object", "item", "value", "result", "string"),
    *("example", "filter", "matching", "current", "only", "detail", "new"),
}
SEARCHED = {"query", "search", "keyword", "keywords"}


@dataclass(frozen=True)
class Producer:
    """A way to fill an argument: the output of `tool`, or its part at `path`, whole or as an array element."""

    tool: Tool
    path: tuple[str, ...]
    element: bool
    weight: float


@dataclass
class _Draft:
    """Steps in the order in which they run, and how many more may be added."""

    budget: int
    steps: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Sampler:
    """Draws plans of at most `max_steps` calls. Tools that need what nothing can give are left out: `unreachable`."""

    catalogue: Catalogue
    max_steps: int = 5

    @cached_property
    def producers(self) -> dict[tuple[str, str], tuple[Producer, ...]]:
        """For each (tool, argument), what can sensibly fill it."""
        return {
            (tool.name, argument.name): tuple(_producers(self.catalogue, tool, argument))
            for tool in self.catalogue
            for argument in tool.arguments
        }

    @cached_property
    def goals(self) -> tuple[Tool, ...]:
        """The tools that a plan can end with."""
        return tuple(tool for tool in self.catalogue if tool.name not in self.unreachable)

    @cached_property
    def unreachable(self) -> frozenset[str]:
        """Tools with a required argument that has neither a producer nor a literal that can be made up."""
        lost: set[str] = set()
        while True:
            found = {tool.name for tool in self.catalogue if tool.name not in lost and not self._can_fill(tool, lost)}
            if not found:
                return frozenset(lost)
            lost |= found

    def _can_fill(self, tool: Tool, lost: set[str]) -> bool:
        return all(
            not argument.required
            or literal(Random(0), argument.name, argument.schema) is not None
            or any(p.tool.name not in lost and p.tool != tool for p in self.producers[tool.name, argument.name])
            for argument in tool.arguments
        )

    def plan(self, rng: Random, *, goals: int = 1) -> Plan:
        """One valid plan with arguments in catalogue order; the goals are the steps that no other step uses."""
        for _ in range(100):
            length = min(rng.choice((1, 1, 1, 2, 2, 2, 3, 3, 4, 5)), self.max_steps)
            draft = _Draft(max(length, goals))
            chosen = rng.choices(self.goals, self._goal_weights, k=goals)
            made = [self._add(rng, tool, draft, ()) for tool in chosen]
            texts = {str(step.to_json()) for step in draft.steps}
            if None not in made and len(texts) == len(draft.steps) and len(draft.steps) <= self.max_steps:
                return Plan(tuple(draft.steps))
        raise ValueError(f"no plan of {goals} goals could be drawn from {len(self.catalogue)} tools")

    @cached_property
    def _goal_weights(self) -> tuple[float, ...]:
        """Tools with more to say, and those that can use another tool's output, are asked for more often."""
        fed = {name for (name, _), found in self.producers.items() if found}
        return tuple(1 + (tool.name in fed) + len(tool.arguments) / 4 for tool in self.goals)

    def _add(self, rng: Random, tool: Tool, draft: _Draft, path: tuple[str, ...]) -> int | None:
        """Add the call (after what it needs); returns its index, None when a required argument stayed open."""
        draft.budget -= 1
        arguments: dict[str, Value] = {}
        for argument in _chosen(rng, tool, {a.name for a in tool.arguments if self.producers[tool.name, a.name]}):
            value = self._fill(rng, tool, argument, draft, (*path, tool.name))
            if value is not None:
                arguments[argument.name] = value
            elif argument.required:
                return None
        order = [argument.name for argument in tool.arguments if argument.name in arguments]
        draft.steps.append(Step(tool.name, {name: arguments[name] for name in order}))
        return len(draft.steps) - 1

    def _fill(self, rng: Random, tool: Tool, argument: Argument, draft: _Draft, path: tuple[str, ...]) -> Value:
        options = [p for p in self.producers[tool.name, argument.name] if p.tool.name not in (*path, *self.unreachable)]
        made = literal(rng, argument.name, argument.schema)
        wanted = draft.budget > 0 and rng.random() < 0.85
        if not options or (made is not None and not wanted):
            return made  # type: ignore[no-any-return]
        producer = rng.choices(options, [option.weight for option in options])[0]
        index = self._reuse(rng, producer, draft)
        if index is None:
            index = self._add(rng, producer.tool, draft, path)
        if index is None:
            return None
        reference = Reference(index, producer.path)
        return [reference] if producer.element else reference

    def _reuse(self, rng: Random, producer: Producer, draft: _Draft) -> int | None:
        """An earlier call of a tool without arguments is not made twice; another is shared now and then."""
        same = [i for i, step in enumerate(draft.steps) if step.tool == producer.tool.name]
        return same[0] if same and (not producer.tool.arguments or rng.random() < 0.5) else None


def _chosen(rng: Random, tool: Tool, fed: set[str]) -> list[Argument]:
    """Required arguments and some optional ones, those that can be fed by another tool first."""
    optional = [argument for argument in tool.arguments if not argument.required]
    some = min(len(optional), rng.choice((0, 1, 1, 2, 2, 3) if optional else (0,)))
    weights = [3 if argument.name in fed else 2 for argument in optional]
    kept = {argument.name for argument in rng.choices(optional, weights, k=some)} if some else set()
    chosen = [argument for argument in tool.arguments if argument.required or argument.name in kept]
    return sorted(chosen, key=lambda argument: argument.name not in fed)


# ---------------------------------------------------------------- which output fills which argument


def _producers(catalogue: Catalogue, consumer: Tool, argument: Argument) -> Iterator[Producer]:
    items = array_items(argument.schema)
    found = []
    for tool in catalogue:
        if tool.name == consumer.name or is_nothing(tool.output):
            continue
        for path, output in _parts(likely_output(tool)):
            weight = affinity(tool, path, output, consumer, argument)
            if weight and fits(output, argument.schema):
                found.append(Producer(tool, path, False, weight))
            elif weight and items is not None and fits(output, items):
                found.append(Producer(tool, path, True, weight))
    best = max((producer.weight for producer in found), default=0.0)
    yield from (producer for producer in found if producer.weight >= min(best, 2.0))


def _parts(output: Schema) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The output itself, or its fields when it is an object with known ones."""
    for variant in variants(output):
        fields = variant.get("properties", {})
        if fields:
            yield from (((name,), schema) for name, schema in fields.items())
        else:
            yield (), variant


def likely_output(tool: Tool) -> Schema:
    """The output schema, with the type that its prose suggests where it has none: "list of …", "ID of …"."""
    if "type" in tool.output or "anyOf" in tool.output or "properties" in tool.output:
        return tool.output
    prose = str(tool.output.get("description") or tool.description).lower()
    if re.search(r"\b(list|array) of\b", prose):
        return {**tool.output, "type": "array"}
    if re.search(r"\b(ids? of|text|summary|name of)\b", prose):
        return {**tool.output, "type": "string"}
    return tool.output


def _content(text: str) -> set[str]:
    return {word.removesuffix("s") for word in words(text)} - EMPTY_WORDS


def affinity(tool: Tool, path: tuple[str, ...], output: Schema, consumer: Tool, argument: Argument) -> float:
    """How sensible the output is as this argument: 0 (not at all) to 4 (of the same declared kind)."""
    given, asked = _domain(output), _domain(argument.schema)
    if given and asked:
        return 4.0 if given == asked else 0.0
    items = array_items(argument.schema)
    if items is not None and items.get("type") == "object" and output.get("type") == "array":
        return 2.0
    if "type" not in output or allowed_values(items or argument.schema) or SEARCHED & set(words(argument.name)):
        return 0.0
    source = " ".join(path) or f"{tool.name} {tool.description}"
    said = _content(f"{source} {output.get('description', '')}")
    inputs = _content(" ".join(f"{a.name} {a.description}" for a in tool.arguments))
    if said & _content(argument.name):
        return 2.0
    needed = _content(argument.description) - _content(consumer.name)
    return 1.0 * bool(said & needed) or 0.5 * bool(inputs & (needed | _content(argument.name)))


def _domain(schema: Schema) -> str:
    """The domain type of a string, or of an array's elements."""
    for variant in variants(schema):
        if "format" in variant:
            return str(variant["format"])
        if variant.get("type") == "array" and "items" in variant:
            return _domain(variant["items"])
    return ""
