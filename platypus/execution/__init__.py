"""Plans that run: a plan is judged by a policy as a whole, then executed over MCP, OpenAPI or Python, with a trace.

    toolbox = Toolbox.of(["mcp:npx -y some-server"])
    execution = execute_plan(plan, catalogue, toolbox, trace=Path("trace.jsonl"))

Knows plans and catalogues, but no models and no recipes: the planner that may repair a plan is handed in as a function.
What a tool returns is data: it fills arguments, after a check against their schemas, and is never read as a plan.

    policy.py           rules, flows and limits; the decision about a whole plan
    rule_check.py       rules that name nothing, refused
    results.py          what a tool returned, as plain data
    mock_values.py      made-up values of a schema, for dry runs
    masking.py          secrets in what is written down
    references.py       results → the arguments of later steps, checked
    events.py           what the events of a trace hold
    trace.py            what happened, as JSON Lines on the disk, and read back
    back_ends/          what runs calls: MCP servers, Python functions, OpenAPI, a dry run
    toolbox.py          sources → back ends; which of them has each tool of a plan
    executor.py         the steps of one plan: order, timeouts, repetitions, limits
    earlier_calls.py    what was done for earlier plans, and is not done again
    quoting.py          what a planner is told when it is asked again
    execution.py        a plan → its decision → its run; resumed, and repaired by the planner
    drawing.py          decisions, steps and traces as text
    terminal.py         a dialogue on the terminal, and how it ended
"""
