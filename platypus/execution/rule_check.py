"""Rules that name nothing: a misspelt `never` protects nothing, so no plan runs under it.

    never "read_secret -> sned(body)": no tool is named 'sned'; did you mean 'send'?

Every name and pattern of a policy must match something: a tool, an argument of one, a server. `absent` names what may
be missing, such as the tools of servers that come later.
"""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase

from platypus.catalogue.tools import Tool
from platypus.errors import ExecutionError
from platypus.execution.policy import Policy

LISTED = 10  # names in a message, if none is near


def check_rules(policy: Policy, tools: Iterable[Tool], servers: Iterable[str], error_texts: Iterable[str] = ()) -> None:
    """Raise ExecutionError with every rule that names no tool, argument or server.

    `servers` are those that run the tools; without any, and where no tool says its own, `trusted` cannot be checked.
    """
    known = {tool.name: tool for tool in tools}
    faults = [*_tool_faults(policy, known, error_texts), *_flow_faults(policy, known)]
    named = {*servers, *(tool.server for tool in known.values() if tool.server)}
    for pattern in policy.trusted if named else ():
        faults += _fault(policy, f'trusted "{pattern}"', "server", pattern, named)
    if faults:
        remedy = "Correct it, or name what may be missing under `absent` (docs/execution.md)."
        raise ExecutionError("\n  ".join(["nothing is run: rules name what is not there", *faults]), remedy=remedy)


def _tool_faults(policy: Policy, known: Collection[str], error_texts: Iterable[str]) -> Iterator[str]:
    for kind, rules in (("deny", policy.deny), ("ask", policy.ask), ("allow", policy.allow)):
        for rule in rules:
            yield from _fault(policy, f'{kind} "{rule.text}"', "tool", rule.pattern, known)
    for kind, patterns in (("calls", policy.calls), ("idempotent", policy.idempotent), ("error_texts", error_texts)):
        for pattern in patterns:
            yield from _fault(policy, f'{kind} "{pattern}"', "tool", pattern, known)


def _flow_faults(policy: Policy, known: dict[str, Tool]) -> Iterator[str]:
    for flow in policy.never:
        rule = f'never "{flow.text}"'
        yield from _fault(policy, rule, "tool", flow.source, known)
        yield from _fault(policy, rule, "tool", flow.target, known)
        targets = [tool for name, tool in known.items() if fnmatchcase(name, flow.target)]
        arguments = {argument.name for tool in targets for argument in tool.arguments}
        if targets and flow.argument != "*":
            told = f"{flow.target}({flow.argument})"
            yield from _fault(policy, rule, f"argument of {flow.target}", flow.argument, arguments, told)


def _fault(
    policy: Policy, rule: str, what: str, pattern: str, names: Collection[str], absent_as: str = ""
) -> list[str]:
    """What is wrong with a pattern of a rule: none of the names matches it, and nothing under `absent` speaks of it."""
    written = absent_as or pattern
    is_absent = (fnmatchcase(written, absent) or fnmatchcase(absent, written) for absent in policy.absent)
    if any(fnmatchcase(name, pattern) for name in names) or any(is_absent):
        return []
    near = get_close_matches(pattern.replace("*", ""), names, n=1, cutoff=0.5)
    more = ", …" if len(names) > LISTED else ""
    known = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(names)[:LISTED]) or 'none'}{more}"
    return [f"{rule}: no {what} is named {pattern!r}; {known}"]
