"""Policy: rules for the calls of a plan. The whole plan is judged before its first step; nothing is run here.

    deny   "delete_*"                       a tool's name, as a shell pattern
    allow  "search_* @readOnlyHint"         and a hint of its annotations; `@!openWorldHint`: the hint is false
    never  "read_secret* -> send(body)"     what these tools give may not reach that argument, through any steps

The strictest of the rules that match decides, so their order means nothing, and a rule more never allows more. Where
none matches, what only reads is allowed, and for the rest the user is asked (`otherwise`). Hints of servers that are
not trusted are not believed: the worst is assumed, as MCP has it where a hint is missing.

Not known here: what a tool really does, and what flows outside the plan, such as through a file that one step writes
and another reads.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from platypus.catalogue.tools import Tool
from platypus.plan.plan import Plan, Reference, Value

Verdict = Literal["allow", "ask", "deny"]
STRICTNESS: tuple[Verdict, ...] = ("allow", "ask", "deny")
HINTS = {
    "readOnlyHint": False,
    "destructiveHint": True,
    "idempotentHint": False,
    "openWorldHint": True,
}  # MCP's defaults
FLOW = re.compile(r"(?P<source>\S+)\s*->\s*(?P<target>[^\s()]+?)(?:\((?P<argument>[^()]+)\))?")


@dataclass(frozen=True)
class KnownTool:
    """A tool of a plan: its definition, the server that has it, and whether what that says of it is believed."""

    tool: Tool
    server: str = ""
    trusted: bool = False
    changed: bool = False

    def hint(self, name: str) -> bool:
        """A hint of its annotations; the worst case if its server is not trusted or does not say."""
        given = self.tool.annotations.get(name) if self.trusted else None
        if name == "destructiveHint" and self.trusted and self.tool.annotations.get("readOnlyHint") is True:
            return False  # the hint has a meaning only for what does more than read
        return given if isinstance(given, bool) else HINTS[name]


@dataclass(frozen=True)
class Rule:
    """What a rule says of tools: a pattern for names and hints that must be so. `text` is how it is written."""

    text: str
    pattern: str
    hints: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """The rule in a text. Raises ValueError with what is wrong and a remedy."""
        names = [word for word in text.split() if not word.startswith("@")]
        marks = [word.removeprefix("@") for word in text.split() if word.startswith("@")]
        hints = tuple((mark.removeprefix("!"), not mark.startswith("!")) for mark in marks)
        unknown = next((name for name, _ in hints if name not in HINTS), None)
        if unknown is not None:
            raise ValueError(f"the rule {text!r} names no hint that MCP has", f"Known are: @{', @'.join(HINTS)}.")
        if len(names) > 1 or not (names or hints):
            raise ValueError(f"the rule {text!r} names no tool or several", 'Write one pattern, such as "search_*".')
        return cls(text, names[0] if names else "*", hints)

    def matches(self, known: KnownTool) -> bool:
        """Whether it speaks of this tool."""
        return fnmatchcase(known.tool.name, self.pattern) and all(
            known.hint(name) is is_so for name, is_so in self.hints
        )


@dataclass(frozen=True)
class Flow:
    """What the tools `source` give may not reach the argument of the tools `target`; all three are patterns."""

    text: str
    source: str
    target: str
    argument: str = "*"

    @classmethod
    def read(cls, text: str) -> Self:
        """The flow in a text, `A -> B(argument)` or `A -> B`. Raises ValueError with what is wrong and a remedy."""
        match = FLOW.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"the flow {text!r} cannot be read", 'Write it as "TOOL -> TOOL(argument)".')
        return cls(text, match["source"], match["target"], match["argument"] or "*")


@dataclass(frozen=True)
class Policy:
    """The rules of a recipe. `calls` are the most calls of tools by pattern, `max_calls` those of all together.

    `trusted` and `idempotent` are patterns: of servers whose annotations are believed, and of tools that may be called
    again whatever their annotations say. `absent` are patterns of tools, arguments and servers that rules may name
    though they are not there.
    """

    allow: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()
    otherwise: Verdict = "ask"
    never: tuple[Flow, ...] = ()
    max_calls: int = 50
    calls: Mapping[str, int] = field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    idempotent: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        allow: Iterable[str] = (),
        ask: Iterable[str] = (),
        deny: Iterable[str] = (),
        never: Iterable[str] = (),
        otherwise: Verdict = "ask",
        max_calls: int = 50,
        calls: Mapping[str, int] | None = None,
        trusted: Iterable[str] = (),
        idempotent: Iterable[str] = (),
        absent: Iterable[str] = (),
    ) -> Self:
        """The policy of rules as they are written. Raises ValueError for one that cannot be read."""
        allowed, asked, denied = (tuple(map(Rule.read, texts)) for texts in (allow, ask, deny))
        flows, counts = tuple(map(Flow.read, never)), dict(calls or {})
        patterns = (tuple(names) for names in (trusted, idempotent, absent))
        return cls(allowed, asked, denied, otherwise, flows, max_calls, counts, *patterns)

    def trusts(self, server: str) -> bool:
        """Whether the server's annotations are believed."""
        return any(fnmatchcase(server, pattern) for pattern in self.trusted)

    def may_repeat(self, known: KnownTool) -> bool:
        """Whether a call may be sent again when it is not known what became of it."""
        named = any(fnmatchcase(known.tool.name, pattern) for pattern in self.idempotent)
        return named or known.hint("readOnlyHint") or known.hint("idempotentHint")

    def is_source(self, tool: str) -> bool:
        """Whether a flow forbids something to what this tool gives."""
        return any(fnmatchcase(tool, flow.source) for flow in self.never)


@dataclass(frozen=True)
class StepVerdict:
    """What is decided of one step, and by which rule. `step` counts from 0."""

    step: int
    tool: str
    verdict: Verdict
    rule: str

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return {"step": self.step, "tool": self.tool, "verdict": self.verdict, "rule": self.rule}


@dataclass(frozen=True)
class Decision:
    """What is decided of a plan: the verdict of each step. One denied step denies the plan."""

    steps: tuple[StepVerdict, ...]

    @property
    def verdict(self) -> Verdict:
        """The strictest verdict of all steps."""
        return max((step.verdict for step in self.steps), key=STRICTNESS.index, default="allow")

    def to_json(self) -> list[dict[str, Any]]:
        """The verdicts in order."""
        return [step.to_json() for step in self.steps]


@dataclass(frozen=True)
class Before:
    """What came before a plan: the calls that were made, by tool, and the tools whose results the planner was shown.

    Whatever the planner was shown may stand in any literal of its next plan.
    """

    made: Mapping[str, int] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()


def judge(plan: Plan, policy: Policy, tools: Mapping[str, KnownTool], before: Before | None = None) -> Decision:
    """The decision about a whole plan, all of whose tools are in `tools`."""
    before = before or Before()
    made = Counter(before.made)
    given, verdicts = sources_of(plan), []
    for number, step in enumerate(plan.steps):
        sources = {name: before.shown | _sources(value, given) for name, value in step.arguments.items()}
        made[step.tool] += 1
        verdict, rule = _judge_step(policy, tools[step.tool], sources, made)
        verdicts.append(StepVerdict(number, step.tool, verdict, rule))
    return Decision(tuple(verdicts))


def sources_of(plan: Plan) -> list[frozenset[str]]:
    """For each step, the tools from which its output may hold something: its own, and those before it."""
    given: list[frozenset[str]] = []
    for step in plan.steps:
        given.append(frozenset({step.tool}).union(*(_sources(value, given) for value in step.arguments.values())))
    return given


def _sources(value: Value, given: list[frozenset[str]]) -> frozenset[str]:
    elements = value if isinstance(value, list) else [value]
    return frozenset[str]().union(*(given[one.step] for one in elements if isinstance(one, Reference)))


def _judge_step(
    policy: Policy, known: KnownTool, sources: Mapping[str, frozenset[str]], made: Counter[str]
) -> tuple[Verdict, str]:
    """The verdict and its rule. `made` counts the calls up to this one."""
    for rule in policy.deny:
        if rule.matches(known):
            return "deny", f'deny "{rule.text}"'
    for flow in policy.never:
        for argument, tools in sources.items():
            if _is_forbidden(flow, known.tool.name, argument, tools):
                return "deny", f'never "{flow.text}"'
    if made.total() > policy.max_calls:
        return "deny", f"max_calls = {policy.max_calls}"
    for pattern, most in policy.calls.items():
        if fnmatchcase(known.tool.name, pattern) and _count(made, pattern) > most:
            return "deny", f'calls "{pattern}" = {most}'
    if known.changed:
        return "ask", "it is not as it was when the plan was made"
    for rule in policy.ask:
        if rule.matches(known):
            return "ask", f'ask "{rule.text}"'
    for rule in policy.allow:
        if rule.matches(known):
            return "allow", f'allow "{rule.text}"'
    if known.hint("readOnlyHint"):
        return "allow", "default: it only reads"
    return policy.otherwise, f"otherwise: {policy.otherwise}"


def _is_forbidden(flow: Flow, tool: str, argument: str, sources: frozenset[str]) -> bool:
    is_target = fnmatchcase(tool, flow.target) and fnmatchcase(argument, flow.argument)
    return is_target and any(fnmatchcase(source, flow.source) for source in sources)


def _count(made: Counter[str], pattern: str) -> int:
    return sum(count for tool, count in made.items() if fnmatchcase(tool, pattern))
