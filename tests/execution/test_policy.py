"""Policies: verdicts by hand, and 10,000 random plans against the rules written down as plainly as possible."""

import asyncio
from fnmatch import fnmatchcase
from random import Random
from typing import Any

import pytest

from platypus.catalogue.tools import Argument, Catalogue, Tool
from platypus.execution.execution import Terms, execute
from platypus.execution.policy import Before, Flow, KnownTool, Policy, Rule, judge, sources_of
from platypus.plan.plan import Plan, Reference, Step
from tests.support.executions import CHANGES, READS, REPEATABLE, Memory, plan

DESTROYS = {"readOnlyHint": False, "destructiveHint": True}


def known(name: str, annotations: dict[str, Any] | None = None, *, trusted: bool = True) -> KnownTool:
    return KnownTool(Tool(name, "", (), annotations=annotations or {}), "server", trusted)


def verdict(policy: Policy, tool: KnownTool, *, changed: bool = False) -> tuple[str, str]:
    judged = KnownTool(tool.tool, tool.server, tool.trusted, changed)
    (step,) = judge(plan((tool.tool.name, {})), policy, {tool.tool.name: judged}).steps
    return step.verdict, step.rule


def test_the_default_runs_what_only_reads_and_asks_for_the_rest() -> None:
    assert verdict(Policy(), known("a", READS)) == ("allow", "default: it only reads")
    assert verdict(Policy(), known("a", CHANGES)) == ("ask", "otherwise: ask")
    assert verdict(Policy(otherwise="deny"), known("a")) == ("deny", "otherwise: deny")


def test_a_server_that_is_not_trusted_is_not_believed() -> None:
    assert verdict(Policy(), known("a", READS, trusted=False)) == ("ask", "otherwise: ask")
    careful = Policy.of(deny=["@destructiveHint"])
    assert verdict(careful, known("a", CHANGES)) == ("ask", "otherwise: ask")
    assert verdict(careful, known("a", CHANGES, trusted=False))[0] == "deny"
    assert verdict(careful, known("a", READS))[0] == "allow"  # what reads destroys nothing, whatever the default of MCP
    policy = Policy.of(trusted=["git*"])
    assert policy.trusts("github") and not policy.trusts("my github")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"allow": ["search_*"]}, ("allow", 'allow "search_*"')),
        ({"allow": ["*"], "ask": ["search_*"]}, ("ask", 'ask "search_*"')),
        ({"allow": ["*"], "ask": ["*"], "deny": ["*_all @!readOnlyHint"]}, ("deny", 'deny "*_all @!readOnlyHint"')),
        ({"allow": ["SEARCH_*"]}, ("ask", "otherwise: ask")),
        ({"allow": ["@readOnlyHint"]}, ("ask", "otherwise: ask")),
        ({"allow": ["@!destructiveHint @!openWorldHint"]}, ("ask", "otherwise: ask")),
        ({"allow": ["@!destructiveHint"]}, ("allow", 'allow "@!destructiveHint"')),
    ],
)
def test_the_strictest_rule_decides(rules: dict[str, list[str]], expected: tuple[str, str]) -> None:
    assert verdict(Policy.of(**rules), known("search_all", CHANGES)) == expected  # type: ignore[arg-type]


def test_a_tool_that_has_changed_is_asked_for_but_what_is_denied_stays_denied() -> None:
    assert verdict(Policy.of(allow=["*"]), known("a", READS), changed=True)[0] == "ask"
    assert verdict(Policy.of(deny=["a"]), known("a", READS), changed=True)[0] == "deny"


FLOWING = plan(
    ("read_secret", {}),
    ("shorten", {"text": Reference(0)}),
    ("send", {"to": "ada", "body": ["hello", Reference(1)]}),
)


@pytest.mark.parametrize(
    ("flow", "verdicts"),
    [
        ("read_secret -> send(body)", ["allow", "allow", "deny"]),
        ("read_* -> *(body)", ["allow", "allow", "deny"]),
        ("read_secret -> send(to)", ["allow", "allow", "allow"]),
        ("shorten -> send", ["allow", "allow", "deny"]),
        ("send -> read_secret", ["allow", "allow", "allow"]),
        ("read_secret -> shorten", ["allow", "deny", "allow"]),
    ],
)
def test_flows_through_steps(flow: str, verdicts: list[str]) -> None:
    tools = {name: known(name, READS) for name in ("read_secret", "shorten", "send")}
    decision = judge(FLOWING, Policy.of(never=[flow]), tools)
    assert [step.verdict for step in decision.steps] == verdicts
    assert decision.verdict == ("deny" if "deny" in verdicts else "allow")


def test_what_the_planner_was_shown_may_be_in_every_literal_of_its_next_plan() -> None:
    tools = {"send": known("send", READS)}
    literal = plan(("send", {"body": "a text"}))
    policy = Policy.of(never=["read_secret -> send(body)"])
    assert judge(literal, policy, tools).verdict == "allow"
    assert judge(literal, policy, tools, Before(shown=frozenset({"read_secret"}))).verdict == "deny"
    assert sources_of(FLOWING)[2] == {"read_secret", "shorten", "send"}


def test_limits_of_calls() -> None:
    tools = {"send": known("send", READS), "read": known("read", READS)}
    four = plan(*[("send", {})] * 3, ("read", {}))
    decision = judge(four, Policy.of(calls={"s*": 2}), tools)
    assert [step.verdict for step in decision.steps] == ["allow", "allow", "deny", "allow"]
    assert decision.steps[2].rule == 'calls "s*" = 2'
    assert [step.verdict for step in judge(four, Policy(max_calls=3), tools).steps] == [*["allow"] * 3, "deny"]
    assert judge(four, Policy(max_calls=5), tools, Before({"read": 2})).steps[3].rule == "max_calls = 5"


def test_what_may_be_repeated() -> None:
    policy = Policy.of(idempotent=["put_*"])
    assert policy.may_repeat(known("a", READS)) and policy.may_repeat(known("a", REPEATABLE))
    assert not policy.may_repeat(known("a", CHANGES)) and not policy.may_repeat(known("a", READS, trusted=False))
    assert policy.may_repeat(known("put_a", CHANGES, trusted=False))


@pytest.mark.parametrize("text", ["", "a b", "@readonly", "a @hint"])
def test_a_rule_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="the rule"):
        Rule.read(text)


@pytest.mark.parametrize("text", ["", "a", "a -> ", "a -> b(", "a -> b(c) d", "a b -> c"])
def test_a_flow_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="the flow"):
        Flow.read(text)


# ---------------------------------------------------------------- against the rules written down plainly

NAMES = ("read_a", "read_b", "send_a", "send_b", "drop")
PATTERNS = (*NAMES, "*", "read_*", "send_*", "*_a", "x*")
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
WORST = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}


def random_plan(random: Random) -> Plan:
    steps: list[Step] = []
    for number in range(random.randint(1, 6)):
        arguments: dict[str, Any] = {}
        for argument in random.sample("xyz", random.randint(0, 3)):
            earlier = [Reference(random.randrange(number)) for _ in range(2)] if number else []
            arguments[argument] = random.choice([1, "text", *earlier, [*earlier[:1], 2], {"deep": [3]}])
        steps.append(Step(random.choice(NAMES), arguments))
    return Plan(tuple(steps))


def random_rules(random: Random) -> list[str]:
    def rule() -> str:
        hint = random.choice(["", "", " @" + random.choice(HINTS), " @!" + random.choice(HINTS)])
        return (random.choice(PATTERNS) + hint).strip()

    return [rule() for _ in range(random.choice([0, 0, 1, 2]))]


def random_policy(random: Random) -> dict[str, Any]:
    def flow() -> str:
        argument = random.choice(["", "(x)", "(*)", "(y)"])
        return f"{random.choice(PATTERNS)} -> {random.choice(PATTERNS)}{argument}"

    return {
        "allow": random_rules(random),
        "ask": random_rules(random),
        "deny": random_rules(random) if random.random() < 0.4 else [],
        "never": [flow() for _ in range(random.choice([0, 0, 0, 1]))],
        "otherwise": random.choice(["allow", "ask", "deny"]),
        "max_calls": random.choice([2, 5, 50]),
        "calls": {random.choice(PATTERNS): random.randint(1, 3)} if random.random() < 0.3 else {},
        "trusted": random.choice([[], ["*"], ["memory"], ["other"]]),
    }


def paths_into(steps: list[Step], number: int, argument: str) -> set[str]:
    """The tools whose output can reach an argument: every path backwards along the references, one by one."""
    reached: set[str] = set()
    value = steps[number].arguments[argument]
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, Reference):
            reached.add(steps[element.step].tool)
            for before in steps[element.step].arguments:
                reached |= paths_into(steps, element.step, before)
    return reached


def plain_verdict(steps: list[Step], number: int, rules: dict[str, Any], hints: dict[str, dict[str, bool]]) -> str:
    tool = steps[number].tool
    believed = any(fnmatchcase("memory", pattern) for pattern in rules["trusted"])
    says = {**WORST, **(hints[tool] if believed else {})}
    if says["readOnlyHint"]:
        says["destructiveHint"] = False

    def matched(texts: list[str]) -> bool:
        def one(text: str) -> bool:
            for word in text.split():
                if word.startswith("@!"):
                    if says[word[2:]]:
                        return False
                elif word.startswith("@"):
                    if not says[word[1:]]:
                        return False
                elif not fnmatchcase(tool, word):
                    return False
            return True

        return any(one(text) for text in texts)

    for text in rules["never"]:
        source, target = text.split(" -> ")
        target, _, wanted = target.partition("(")
        for argument in steps[number].arguments:
            is_target = fnmatchcase(tool, target) and (not wanted or fnmatchcase(argument, wanted.rstrip(")")))
            if is_target and any(fnmatchcase(one, source) for one in paths_into(steps, number, argument)):
                return "deny"
    if matched(rules["deny"]) or number + 1 > rules["max_calls"]:
        return "deny"
    for pattern, most in rules["calls"].items():
        same = [step for step in steps[: number + 1] if fnmatchcase(step.tool, pattern)]
        if fnmatchcase(tool, pattern) and len(same) > most:
            return "deny"
    if matched(rules["ask"]):
        return "ask"
    if matched(rules["allow"]) or says["readOnlyHint"]:
        return "allow"
    return str(rules["otherwise"])


def test_no_denied_call_leaves_and_no_allowed_plan_is_refused(every: int = 10) -> None:
    """10,000 random plans under random policies: the verdicts; and of every tenth, what a back end was called."""
    random = Random(24)
    arguments = tuple(Argument(name, {}, False) for name in "xyz")

    async def many() -> dict[str, int]:
        counts = {"allow": 0, "ask": 0, "deny": 0}
        for number in range(10_000):
            rules, steps = random_policy(random), random_plan(random)
            hints = {name: {hint: random.random() < 0.5 for hint in HINTS} for name in NAMES}
            expected = [plain_verdict([*steps.steps], step, rules, hints) for step in range(len(steps))]
            strictest = next(one for one in ("deny", "ask", "allow") if one in expected)
            counts[strictest] += 1
            tools = [Tool(name, "", arguments, annotations=hints[name]) for name in NAMES]
            policy, memory = Policy.of(**rules, absent=["*"]), Memory()
            if number % every:
                trusted = policy.trusts("memory")
                decision = judge(steps, policy, {tool.name: KnownTool(tool, "memory", trusted) for tool in tools})
            else:
                done = await execute(steps, Catalogue(tuple(tools)), memory.toolbox, terms=Terms(policy))
                decision = done.decision
                assert done.ended == {"deny": "denied", "ask": "refused", "allow": "done"}[strictest]
                assert len(memory.called) == (len(steps) if strictest == "allow" else 0)
            assert [step.verdict for step in decision.steps] == expected, (rules, steps)
        return counts

    assert min(asyncio.run(many()).values()) > 1000
