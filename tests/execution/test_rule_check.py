"""Rules that name nothing: each kind, the nearest name, what may be absent, and that nothing is run with them."""

from dataclasses import replace
from typing import Any

import pytest

from platypus.errors import ExecutionError
from platypus.execution.execution import Terms, execute_plan
from platypus.execution.policy import Policy
from platypus.execution.rule_check import check_rules
from tests.support.executions import CHANGES, TEXT, Memory, plan, tool, tools

CATALOGUE = tools(tool("read_secret"), tool("read_file", path=TEXT), tool("send", CHANGES, to=TEXT, body=TEXT))
SERVERS = ["crm", "mail"]


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"never": ["read_sercet -> send"]}, "no tool is named 'read_sercet'; did you mean 'read_secret'?"),
        ({"never": ["read_* -> sned(body)"]}, "no tool is named 'sned'; did you mean 'send'?"),
        ({"never": ["read_* -> send(boddy)"]}, "no argument of send is named 'boddy'; did you mean 'body'?"),
        ({"never": ["read_* -> read_secret(body)"]}, "no argument of read_secret is named 'body'; there are: none"),
        ({"deny": ["snd @openWorldHint"]}, "deny \"snd @openWorldHint\": no tool is named 'snd'; did you mean 'send'?"),
        ({"ask": ["reed_*"]}, "no tool is named 'reed_*'; did you mean 'read_file'?"),
        ({"allow": ["x"]}, "allow \"x\": no tool is named 'x'; there are: read_file, read_secret, send"),
        ({"calls": {"sent": 1}}, 'calls "sent": no tool'),
        ({"idempotent": ["sent"]}, 'idempotent "sent": no tool'),
        ({"trusted": ["cmr"]}, "trusted \"cmr\": no server is named 'cmr'; did you mean 'crm'?"),
    ],
)
def test_a_rule_that_names_nothing(rules: dict[str, Any], fault: str) -> None:
    with pytest.raises(ExecutionError, match="nothing is run: rules name what is not there") as raised:
        check_rules(Policy.of(**rules), CATALOGUE, SERVERS)
    assert fault in str(raised.value)
    check_rules(Policy.of(**rules, absent=["*"]), CATALOGUE, SERVERS)


def test_every_fault_is_told() -> None:
    with pytest.raises(ExecutionError) as raised:
        check_rules(Policy.of(deny=["a"], trusted=["b"]), CATALOGUE, SERVERS, ["c"])
    assert [line.split(":")[0].strip() for line in str(raised.value).splitlines()[1:4]] == [
        'deny "a"',
        'error_texts "c"',
        'trusted "b"',
    ]


@pytest.mark.parametrize(
    "rules",
    [
        {"deny": ["@destructiveHint", "s*"], "trusted": ["*"], "never": ["* -> *(*y)", "read_file -> send"]},
        {"deny": ["github__create"], "ask": ["github__*"], "absent": ["github__*"]},
        {"deny": ["git*"], "absent": ["github__create"]},
        {"never": ["* -> send(cc)"], "absent": ["send(cc)"]},
    ],
)
def test_rules_that_name_something_or_what_may_be_absent(rules: dict[str, Any]) -> None:
    check_rules(Policy.of(**rules), CATALOGUE, SERVERS)


def test_servers_that_a_tool_tells_or_that_are_not_known() -> None:
    trusting = Policy.of(trusted=["github"])
    check_rules(trusting, [replace(CATALOGUE.tools[0], server="github")], SERVERS)
    check_rules(trusting, CATALOGUE, [])


def test_nothing_is_run_or_opened_with_such_a_rule() -> None:
    memory = Memory()
    with pytest.raises(ExecutionError, match="did you mean 'send'"):
        execute_plan(plan(("send", {})), CATALOGUE, memory.toolbox, terms=Terms(Policy.of(deny=["sned"])))
    assert memory.open_count == 0
    terms = Terms(Policy.of(allow=["*"], deny=["fly"]), other_tools=tuple(tools(tool("fly"))))
    assert execute_plan(plan(("send", {})), CATALOGUE, memory.toolbox, terms=terms).done
