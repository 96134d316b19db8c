"""A plan that runs: judged as a whole, then executed on the work tracker's MCP server, with a trace.

    python examples/run_it.py TRACE

The plan is written here, so that no model is needed; `platypus.open_planner` gives one for a request. The command line
does the same: `platypus execute`.
"""

import argparse
import sys
from pathlib import Path

import platypus

TRACKER = Path(__file__).parent / "worktracker"
PLAN = """[
  {"tool_name": "who_am_i", "arguments": []},
  {"tool_name": "works_list", "arguments": [{"argument_name": "owned_by", "argument_value": ["$$PREV[0]"]}]},
  {"tool_name": "prioritize_objects", "arguments": [{"argument_name": "objects", "argument_value": "$$PREV[1]"}]},
  {"tool_name": "get_sprint_id", "arguments": []},
  {"tool_name": "add_work_items_to_sprint", "arguments": [
    {"argument_name": "work_ids", "argument_value": "$$PREV[2]"},
    {"argument_name": "sprint_id", "argument_value": "$$PREV[3]"}]}
]"""


def main(trace: Path) -> platypus.Execution:
    """Execute the plan, and print what was decided and what came of it."""
    catalogue = platypus.read_catalogue(TRACKER / "catalogue.json")
    plan = platypus.parse_plan(PLAN, catalogue)
    assert isinstance(plan, platypus.Plan)  # else Malformed, with its problems

    # What runs the tools: here one MCP server. Its annotations are believed, so what only reads needs no permission.
    toolbox = platypus.Toolbox.of([f"mcp:{sys.executable} {TRACKER / 'server.py'}"])
    policy = platypus.Policy.of(trusted=["*"], allow=["add_work_items_to_sprint"], deny=["@destructiveHint"])

    execution = platypus.execute_plan(plan, catalogue, toolbox, terms=platypus.Terms(policy), trace=trace)
    for step in execution.decision.steps:
        print(f"{step.verdict:5}  {step.tool}  ({step.rule})")
    for number, result in sorted(execution.results.items()):
        print(f"{number + 1}. {result.shown(80)}")
    print(execution.ended)
    return execution


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run a plan on the work tracker.")
    parser.add_argument("trace", type=Path, help="the file for the trace, which must not exist yet")
    try:
        main(parser.parse_args().trace)
    except platypus.PlatypusError as error:
        sys.exit(str(error))
