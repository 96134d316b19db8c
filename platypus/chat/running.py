"""A plan of a conversation, run before the eyes of its user."""

from collections.abc import Callable

from platypus.catalogue.tools import Catalogue
from platypus.execution.execution import Execution, execute_plan
from platypus.execution.terminal import Answers, cancelling, terminal_dialogue
from platypus.plan.plan import Plan
from platypus.run.folder import Run
from platypus.run.toolboxes import dry_toolbox, new_trace, run_toolbox, terms_of


def run_in_chat(
    plan: Plan, tools: Catalogue, run: Run, request: str, tell: Callable[[str], None], *, dry_run: bool
) -> Execution:
    """The execution of a plan, with what runs the tools of its run. Raises PlatypusError."""
    run = run.reread()  # the policy of now counts
    toolbox = dry_toolbox(lambda: run_toolbox(run)) if dry_run else run_toolbox(run)
    terms = terms_of(run.recipe.execute, dry_run=dry_run, others=run.catalogue)
    dialogue, trace = terminal_dialogue(tell, Answers()), None if dry_run else new_trace(run)
    with cancelling(trace, tell):
        return execute_plan(plan, tools, toolbox, terms=terms, dialogue=dialogue, request=request, trace=trace)
