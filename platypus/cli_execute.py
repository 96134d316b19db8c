"""`platypus execute` on the command line: its arguments → the command."""

from pathlib import Path
from typing import Annotated

import typer

from platypus.options import Json, Only, OtherTools, Today, check_request, open_run, read_tools_of

RunOrRequest = Annotated[
    str | None,
    typer.Argument(metavar="RUN", help="The run's folder. Without one, say REQUEST alone.", show_default=False),
]
Request = Annotated[str | None, typer.Argument(metavar="REQUEST", help="What is wanted.", show_default=False)]
PlanFile = Annotated[
    str | None, typer.Option("--plan", metavar="FILE", help="Run the plan in this file (-: standard input).")
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="SOURCE", help="What runs the tools, else as in the recipe. Repeatable."),
]
Trusted = Annotated[
    list[str] | None,
    typer.Option("--trust", metavar="SERVER", help="Believe this server's annotations too. Repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Call nothing: results of the right types are made up.")]
Yes = Annotated[bool, typer.Option("--yes", help="Say yes to what would be asked before the first step.")]
Resumed = Annotated[
    Path | None, typer.Option("--resume", metavar="TRACE", help="Go on with the execution that left this trace.")
]
Again = Annotated[
    bool, typer.Option("--again", help="With --resume: repeat steps of which nobody knows if they were done.")
]
NewTrace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Where the trace goes, if not into RUN/traces/. A new file."),
]
Replans = Annotated[
    int, typer.Option("--replan", metavar="N", min=0, help="How often to ask the planner again if a step fails.")
]


def execute(
    run: RunOrRequest = None,
    request: Request = None,
    plan: PlanFile = None,
    catalogue: OtherTools = None,
    only: Only = None,
    source: Sources = None,
    trust: Trusted = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    resume: Resumed = None,
    again: Again = False,
    trace: NewTrace = None,
    replan: Replans = 0,
    today: Today = None,
    as_json: Json = False,
) -> None:
    """Plan a request, check the whole plan, run it. Exit code 1 when not all of it was done.

    The policy stands under [execute] in the recipe. Without RUN, the tools are those of --catalogue.
    """
    from platypus.commands.execute import Wanted, execute_wanted, place_of
    from platypus.execution.terminal import Answers

    tools = read_tools_of(catalogue, only)
    if run is not None and request is None and plan is None and resume is None:
        run, request = None, run
        if tools is None:
            raise typer.BadParameter("say RUN and REQUEST, or REQUEST and --catalogue SOURCE", param_hint="REQUEST")
    if (request is not None) + (plan is not None or resume is not None) != 1:
        raise typer.BadParameter("say one of REQUEST, --plan FILE, and --resume TRACE", param_hint="REQUEST")
    if request is not None:
        check_request(request)
    if replan and request is None and resume is None:
        raise typer.BadParameter("a plan from a file has no request to plan anew", param_hint="--replan")
    if again and resume is None:
        raise typer.BadParameter("is for --resume TRACE", param_hint="--again")
    if resume is not None and (trace is not None or dry_run):
        option = "--trace" if trace is not None else "--dry-run"
        raise typer.BadParameter("--resume goes on with its own trace, and really", param_hint=option)
    answers = Answers(yes, again)
    wanted = Wanted(request, plan, resume, trace, source or (), trust or (), replan, dry_run, answers, as_json)
    opened = None if run is None else open_run(Path(run), today=today)
    if not execute_wanted(place_of(opened, tools, catalogue, only or (), today), wanted):
        raise typer.Exit(1)
