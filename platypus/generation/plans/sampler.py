"""Valid typed plans, drawn along a catalogue's edges.

A plan is built backwards: a goal tool is chosen, then a producer for an argument that an earlier output can fill. So
every step except the goals is used, and every reference fits. Several goals are independent or share a source. A plan
can be required to contain something: a `Want`.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from operator import mul
from random import Random
from typing import cast

from platypus.catalogue.dataflow import KIN, Producer, content, domain, producers, takes_ids
from platypus.catalogue.schema import allowed_values, literal_problem
from platypus.catalogue.subjects import is_look_up, takes_a_place
from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.generation.plans.call_arguments import Habits, agree, choose_arguments, habits_of, is_long
from platypus.generation.plans.conventions import NO_HABITS, Conventions, is_by_name, searched_argument
from platypus.generation.plans.kinds import files_of
from platypus.generation.plans.values import made_up_value
from platypus.plan.plan import Plan, Reference, Step, Value

SHAPES = ("single", "chain", "fan-in", "fan-out", "independent")
LENGTHS = (1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 5)
HARD = 0.3  # weight of a tool that needs more than people would say
FAILED_DRAWS = 100  # before a plan counts as not drawable


@dataclass(frozen=True)
class Want:
    """What a plan must contain: a call of `tool` as a goal, with `argument` filled from `producer` or by `value`."""

    tool: Tool
    argument: str | None = None
    producer: Producer | None = None
    value: object = None


@dataclass
class _Draft:
    """A plan under construction: steps in the order in which they run, and how many more may be added."""

    budget: int
    steps: list[Step] = field(default_factory=list)
    shared: int = -1  # index of a step that the next goal must use


class Undrawable(Exception):
    """No plan of the required kind was found."""


def shape(plan: Plan) -> str:
    """Return `single`, `chain`, `fan-in` (a step uses several), `fan-out` (several use one) or `independent`."""
    dependencies = plan.dependencies()
    if len(plan) < 2:
        return "single"
    group = list(range(len(plan)))
    for i, used in enumerate(dependencies):
        linked = {group[i], *(group[k] for k in used)}
        group = [min(linked) if g in linked else g for g in group]
    if len(set(group)) > 1:
        return "independent"
    uses = [sum(i in used for used in dependencies) for i in range(len(plan))]
    return "fan-out" if max(uses) > 1 else "fan-in" if any(len(used) > 1 for used in dependencies) else "chain"


@dataclass(frozen=True)
class Sampler:
    """Draws plans of at most `max_steps` calls. Tools with an argument that nothing can fill are `unreachable`."""

    catalogue: Catalogue
    max_steps: int = 5
    conventions: Conventions = NO_HABITS

    @cached_property
    def producers(self) -> dict[tuple[str, str], tuple[Producer, ...]]:
        """Per tool and argument, the outputs that can sensibly fill it."""
        return {
            (tool.name, argument.name): tuple(
                producer
                for producer in producers(self.catalogue, tool, argument)
                if self.conventions.allows(tool, argument, producer.tool)
            )
            for tool in self.catalogue
            for argument in tool.arguments
        }

    @cached_property
    def _habits(self) -> dict[str, Habits]:
        """Per tool, what people say of it."""
        files = files_of(self.catalogue)
        return {tool.name: habits_of(tool, files) for tool in self.catalogue}

    def made_up(self, rng: Random, tool: Tool, argument: Argument) -> Value:
        """A made-up value for the tool's argument; None when none can be made up."""
        habits = self._habits[tool.name]
        value: Value = made_up_value(rng, argument.name, habits.schema(argument), habits.setting)
        return value

    @cached_property
    def goals(self) -> tuple[Tool, ...]:
        """The tools that a plan can end with."""
        return tuple(tool for tool in self.catalogue if tool.name not in self.unreachable)

    @cached_property
    def unreachable(self) -> frozenset[str]:
        """Tools with a required argument that has neither a producer nor a value that can be made up."""
        unreachable: set[str] = set()
        while True:
            more = {
                tool.name
                for tool in self.catalogue
                if tool.name not in unreachable and not self._can_fill(tool, unreachable)
            }
            if not more:
                return frozenset(unreachable)
            unreachable |= more

    def _can_fill(self, tool: Tool, unreachable: set[str]) -> bool:
        return all(
            not argument.required
            or any(self.made_up(Random(seed), tool, argument) is not None for seed in range(4))
            or any(p.tool.name not in unreachable and p.tool != tool for p in self.producers[tool.name, argument.name])
            for argument in tool.arguments
        )

    @cached_property
    def _goal_weights(self) -> tuple[float, ...]:
        """Cumulative weights: tools with more arguments, and those that use an output, are drawn more often.

        Tools that need nested objects or many values are drawn less often.
        """
        consumers = {name for (name, _), options in self.producers.items() if options}
        weights = (_richness(tool) + (tool.name in consumers) for tool in self.goals)
        hard = (HARD if is_long(tool) else 1 for tool in self.goals)
        return tuple(accumulate(map(mul, weights, hard)))

    def is_rare(self, tool: Tool, name: str) -> bool:
        """Whether people hardly ever say the optional argument."""
        argument = tool.argument(name)
        return argument is not None and not argument.required and name in self._habits[tool.name].rare

    def plan(self, rng: Random, *, goals: int = 1, want: Want | None = None, length: int | None = None) -> Plan:
        """Draw a valid plan with arguments in catalogue order; the goals are the steps that no other step uses.

        Raises Undrawable when no plan with these goals, this length or what is wanted can be drawn.
        """
        for _ in range(FAILED_DRAWS):
            draft = _Draft(max(min(length or rng.choice(LENGTHS), self.max_steps), goals))
            if want and want.producer:
                draft.budget = max(draft.budget, 2)
            tools = rng.choices(self.goals, cum_weights=self._goal_weights, k=goals)
            tools = [want.tool, *tools[1:]] if want else tools
            indices = [self._add(rng, tool, draft, (), None if k else want) for k, tool in enumerate(tools)]
            if None not in indices and self._makes_sense(draft) and length in (None, len(draft.steps)):
                return Plan(tuple(draft.steps))
        raise Undrawable(f"no plan of {goals} goals could be drawn from {len(self.catalogue)} tools")

    def mixed(self, rng: Random) -> Plan:
        """Draw a plan from a mixture as in real requests: mostly one goal, sometimes two goals or a shared source.

        Some plans apply the same tool to several things, one call each.
        """
        kind = rng.random()
        if kind < 0.1 and self._consumers:
            plan = self._fan_out(rng)
            if plan is not None:
                return plan
        plan = self.plan(rng, goals=2 if kind > 0.9 and len(self.goals) > 1 and self.max_steps > 1 else 1)
        return self._repeat_last(rng, plan) if 0.1 < kind < 0.2 else plan

    def _repeat_last(self, rng: Random, plan: Plan) -> Plan:
        """The plan with its last call repeated for one or two further things, if the tool takes one thing by its id."""
        last = plan.steps[-1]
        tool = self.catalogue.tool(last.tool)
        assert tool is not None  # the plan was drawn from this catalogue
        single = [a for a in tool.arguments if takes_ids(a) and isinstance(last.arguments.get(a.name), str)]
        steps = list(plan.steps)
        for _ in range(min(rng.choice((1, 1, 2)), self.max_steps - len(plan)) if single else 0):
            other = self.made_up(rng, tool, single[0])
            if isinstance(other, str) and all(step.arguments.get(single[0].name) != other for step in steps):
                steps.append(Step(last.tool, {**last.arguments, single[0].name: other}))
        return Plan(tuple(steps))

    def sized(self, rng: Random, length: int) -> Plan:
        """Draw a plan of `length` steps. Raises Undrawable when none was found, and from then on at once."""
        for goals in (1, 1, 2, 2, 3, length):
            size = min(goals, length), length
            if size in self._failed_sizes:
                continue
            try:
                return self.plan(rng, goals=size[0], length=length)
            except Undrawable:
                self._failed_sizes.add(size)
        raise Undrawable(f"no plan of {length} steps could be drawn from {len(self.catalogue)} tools")

    @cached_property
    def _failed_sizes(self) -> set[tuple[int, int]]:
        """Numbers of goals and steps of which no plan was drawn: that is slow to find out."""
        return set()

    def shaped(self, rng: Random, wanted: str) -> Plan:
        """Draw a plan of the shape `wanted`. Raises Undrawable when none was found."""
        goals = 2 if wanted in ("independent", "fan-out") and len(self.goals) > 1 else 1
        for _ in range(FAILED_DRAWS):
            plan = self._fan_out(rng) if wanted == "fan-out" else self.plan(rng, goals=goals)
            if plan is not None and shape(plan) == wanted:
                return plan
        raise Undrawable(f"no plan of shape {wanted} could be drawn from {len(self.catalogue)} tools")

    def _fan_out(self, rng: Random) -> Plan | None:
        """A plan in which two goals use the same step."""
        consumers = self._consumers
        if not consumers:
            return None
        source = rng.choice(sorted(consumers))
        draft = _Draft(max(3, min(rng.choice(LENGTHS), self.max_steps)))
        for consumer in rng.sample(consumers[source], k=2):
            want = Want(consumer.tool, consumer.argument, consumer.producer)
            if self._add(rng, consumer.tool, draft, (), want) is None:
                return None
            draft.shared = next(i for i, step in enumerate(draft.steps) if step.tool == source)
        return Plan(tuple(draft.steps)) if self._makes_sense(draft) else None

    @cached_property
    def _consumers(self) -> dict[str, list[Want]]:
        """For each tool whose output two or more other tools can use, the ways to use it."""
        uses_of: dict[str, list[Want]] = {}
        for (name, argument), options in self.producers.items():
            for option in options:
                tool = self.catalogue.tool(name)
                lookup = is_by_name(option.tool) and not domain(option.tool.output)
                given = tool is not None and self._is_given(tool, argument)
                if tool and given and not lookup and not {name, option.tool.name} & self.unreachable:
                    uses_of.setdefault(option.tool.name, []).append(Want(tool, argument, option))
        return {name: uses for name, uses in uses_of.items() if len({use.tool.name for use in uses}) > 1}

    def _is_given(self, tool: Tool, name: str) -> bool:
        """Whether the team ever gives the argument."""
        argument = tool.argument(name)
        return argument is not None and (argument.required or self.conventions.weight(tool, argument) > 0)

    def _makes_sense(self, draft: _Draft) -> bool:
        """Whether the draft is within the limit, with no call made twice and no two calls that could be one."""
        if len(draft.steps) == 1:
            return True
        texts = {str(step.to_json()) for step in draft.steps}
        bare = [step.tool for step in draft.steps if not step.arguments]
        return len(texts) == len(draft.steps) <= self.max_steps and len(set(bare)) == len(bare)

    def _add(self, rng: Random, tool: Tool, draft: _Draft, path: tuple[str, ...], want: Want | None) -> int | None:
        """Add the call after what it needs. Returns its index, or None when a required argument could not be filled."""
        draft.budget -= 1
        wanted = want.argument if want else None
        fed = {a.name for a in tool.arguments if self.producers[tool.name, a.name]}
        arguments: dict[str, Value] = {}
        habits = self._habits[tool.name]
        required = frozenset(argument.name for argument in tool.arguments if argument.required)
        mode = habits.conditions.draw(rng, required, wanted, want.value if want else None)
        team = {argument.name: self.conventions.weight(tool, argument) for argument in tool.arguments}
        for argument in choose_arguments(rng, tool, habits, fed, wanted, mode, team):
            if want and argument.name == wanted:
                value = self._fill_wanted(rng, want, argument, draft, (*path, tool.name))
                if value is None:
                    return None
            elif argument.name in mode:
                value = mode[argument.name]
            else:
                value = self._fill(rng, tool, argument, draft, (*path, tool.name))
            for _ in range(4):  # two equal values are unlikely: nothing is moved from a place to itself
                if isinstance(value, str) and value in arguments.values() and not allowed_values(argument.schema):
                    value = self.made_up(rng, tool, argument)
            if value is not None:
                arguments[argument.name] = value
            elif argument.required:
                return None
        self._share_places(tool, arguments, draft, wanted)
        agree(rng, tool, arguments, wanted)
        order = [a.name for a in tool.arguments if a.name in arguments and (a.required or team[a.name])]
        draft.steps.append(Step(tool.name, {name: arguments[name] for name in order}))
        return len(draft.steps) - 1

    def _share_places(self, tool: Tool, arguments: dict[str, Value], draft: _Draft, wanted: str | None) -> None:
        """Say the same place as the steps whose output is used: an issue is where it was made."""
        used = {
            part.step
            for value in arguments.values()
            for part in (value if isinstance(value, list) else [value])
            if isinstance(part, Reference)
        }
        for i in used:
            for name, value in draft.steps[i].arguments.items():
                argument = tool.argument(name)
                literal = isinstance(value, str) and isinstance(arguments.get(name), str) and name != wanted
                if (
                    literal
                    and argument
                    and takes_a_place(argument, tool)
                    and literal_problem(argument.schema, value) is None
                ):
                    arguments[name] = value

    def _fill_wanted(self, rng: Random, want: Want, argument: Argument, draft: _Draft, path: tuple[str, ...]) -> Value:
        if want.producer:
            return self._use(rng, want.producer, argument, draft, path)
        if want.value is not None:
            array = "items" in argument.schema
            return [want.value] if array else want.value  # type: ignore[list-item,return-value]
        return self._fill(rng, want.tool, argument, draft, path)

    def _fill(self, rng: Random, tool: Tool, argument: Argument, draft: _Draft, path: tuple[str, ...]) -> Value:
        options = [p for p in self.producers[tool.name, argument.name] if p.tool.name not in (*path, *self.unreachable)]
        as_said, looked_up = self.conventions.looked_up_by(tool, argument)
        named = [option for option in options if is_by_name(option.tool)]
        if named and as_said and rng.random() < as_said:
            name = self._name(rng, named[0].tool, argument)
            value: Value = [name] if "items" in argument.schema else name
            if literal_problem(argument.schema, value) is None:
                return value
            options = [option for option in options if option not in named]
        if options and draft.budget > 0 and rng.random() < 0.85:
            weights = [option.weight * _richness(option.tool) * (1 + is_look_up(option.tool)) for option in options]
            weights = [weight * (1 + looked_up.get(o.tool.name, 0)) for weight, o in zip(weights, options, strict=True)]
            producer = rng.choices(options, weights)[0]
            return self._use(rng, producer, argument, draft, path)
        literal = self.made_up(rng, tool, argument)
        if literal is None and options and argument.required:
            return self._use(rng, rng.choice(options), argument, draft, path)
        return literal

    def _name(self, rng: Random, look_up: Tool, argument: Argument) -> Value:
        """What the look-up would search for, for this argument."""
        want = _lookup_want(rng, look_up, argument)
        searched = searched_argument(look_up)
        assert searched is not None  # it looks names up
        return cast(Value, want.value) if want else self.made_up(rng, look_up, searched)

    def _use(self, rng: Random, producer: Producer, argument: Argument, draft: _Draft, path: tuple[str, ...]) -> Value:
        lookup = _lookup_want(rng, producer.tool, argument)
        index = None if lookup else self._reuse(rng, producer, draft)
        if index is None:
            index = self._add(rng, producer.tool, draft, path, lookup)
        if index is None:
            return None
        reference = Reference(index, producer.path)
        if not producer.element or draft.budget < 1 or not producer.tool.arguments or rng.random() > 0.25:
            return [reference] if producer.element else reference
        return self._two_elements(rng, reference, producer, argument, draft, path)

    def _two_elements(
        self,
        rng: Random,
        first: Reference,
        producer: Producer,
        argument: Argument,
        draft: _Draft,
        path: tuple[str, ...],
    ) -> Value:
        """An array of two elements, such as two people looked up by name."""
        second = self._add(rng, producer.tool, draft, path, _lookup_want(rng, producer.tool, argument))
        return [first] if second in (None, first.step) else [first, Reference(second, producer.path)]

    def _reuse(self, rng: Random, producer: Producer, draft: _Draft) -> int | None:
        """The index of an earlier call to use again: always for a tool without arguments, sometimes for another."""
        same = [i for i, step in enumerate(draft.steps) if step.tool == producer.tool.name]
        if draft.shared in same:
            return draft.shared
        return same[0] if same and (not producer.tool.arguments or rng.random() < 0.3) else None


def _richness(tool: Tool) -> float:
    """The weight of a tool in draws: more for more arguments."""
    return 0.5 + min(len(tool.arguments), 8) / 3


def _lookup_want(rng: Random, tool: Tool, argument: Argument) -> Want | None:
    """What a lookup of several kinds of things must search for: for an argument that takes a user, a person's name."""
    searched = searched_argument(tool)
    if searched is None or domain(tool.output):
        return None
    searchable = content(f"{tool.description} {searched.description}")
    needed = content(f"{argument.name} {argument.description}")
    kinds = [sorted(family & searchable)[0] for family in KIN if family & searchable and family & needed]
    if not kinds:
        return None
    plain = {key: value for key, value in searched.schema.items() if key not in ("examples", "description")}
    return Want(tool, searched.name, value=made_up_value(rng, kinds[0], plain))
