"""Showing: plans, alternatives, explanations and tools as text for people.

    1. search
         customer = "CustomerABC"
    2. summarize
         objects ← the output of search

The lines of a plan's first steps are the first lines of the plan, so that it can be printed while it grows.
"""

import json
from collections.abc import Iterator, Sequence

from rich.text import Text

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.tools import Catalogue
from platypus.chat.explaining import Explanation, Part, Span
from platypus.inference.planner import Answer
from platypus.inference.retrieval import Retriever
from platypus.plan.notation import readable
from platypus.plan.plan import Malformed, Plan, Reference, Step, Value

FOUND = 10  # tools that a search shows


def plan_lines(plan: Plan) -> list[Text]:
    """The plan, with the outputs that it uses by the names of their tools."""
    if not plan.steps:
        return [Text(readable(plan))]
    lines = []
    for number, step in enumerate(plan.steps):
        lines.append(Text.assemble(f"{number + 1}. ", (step.tool, "bold")))
        for name, value in step.arguments.items():
            sign = "←" if _refers(value) else "="
            lines.append(Text.assemble("     ", (name, "cyan"), f" {sign} {_value(value, plan.steps[:number])}"))
    return lines


def readable_lines(plan: Plan) -> list[Text]:
    """The plan with one line for each step."""
    return [Text(line) for line in readable(plan).split("\n")]


def malformed_text(answer: Malformed) -> str:
    """An answer that is no valid plan, with every problem."""
    return "\n  ".join([f"not a valid plan: {answer.text}", *map(str, answer.problems)])


def _refers(value: Value) -> bool:
    return any(isinstance(one, Reference) for one in (value if isinstance(value, list) else [value]))


def _value(value: Value, earlier: Sequence[Step]) -> str:
    if isinstance(value, Reference):
        return _output(value, earlier)
    if isinstance(value, list):
        return f"[{', '.join(_value(element, earlier) for element in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _output(reference: Reference, earlier: Sequence[Step]) -> str:
    """`the output of search`, with its number where several of the earlier steps call that tool."""
    tool = earlier[reference.step].tool
    number = f" (step {reference.step + 1})" if sum(step.tool == tool for step in earlier) > 1 else ""
    part = f"{'.'.join(reference.path)} of " if reference.path else ""
    return f"{part}the output of {tool}{number}"


def alternative_lines(answers: Sequence[Answer], present: Plan | None) -> Iterator[Text]:
    """Plans with their probabilities; the present one is marked."""
    for number, answer in enumerate(answers, 1):
        if isinstance(answer.plan, Plan):
            marked = "  (the present plan)" if answer.plan == present else ""
            yield Text.assemble((f"[{number}] {answer.probability or 0:.1%}", "bold"), marked)
            yield from (Text.assemble("    ", line) for line in plan_lines(answer.plan))


def explanation_lines(explained: Explanation, plan: Plan) -> Iterator[Text]:
    """Each step and argument with the words of the request that are like it."""
    for number, step in enumerate(explained.steps):
        said: Text | str = Text(" ").append_text(_quoted(explained.request, step.spans)) if step.spans else ""
        yield Text.assemble(f"{number + 1}. ", (step.tool, "bold"), said)
        for name, parts in step.arguments.items():
            for part in parts:
                yield _part_line(explained.request, name, part, plan.steps[:number])
    if explained.unused:
        words = ", ".join(f"“{word}”" for word in explained.unused)
        yield Text(f"No step has: {words}", style="yellow")


def _part_line(request: str, name: str, part: Part, earlier: Sequence[Step]) -> Text:
    if isinstance(part.value, Reference):
        return Text.assemble("     ", (name, "cyan"), f" ← {_output(part.value, earlier)}")
    head = Text.assemble("     ", (name, "cyan"), f" = {json.dumps(part.value, ensure_ascii=False)}")
    if part.spans:
        return Text.assemble(head, " ", _quoted(request, part.spans))
    return Text.assemble(head, (f": {part.note}", "yellow"))


def _quoted(request: str, spans: Sequence[Span]) -> Text:
    return Text("from " + ", ".join(f"“{request[start:end]}”" for start, end in spans), style="green")


def tool_lines(catalogue: Catalogue, search: str = "") -> Iterator[Text]:
    """The tools, each with the first sentence about it; those that are most like the search, best first."""
    shown = list(catalogue)
    if search:
        retriever = Retriever(catalogue)
        likeness = dict(zip((tool.name for tool in catalogue), retriever.likeness(search), strict=True))
        shown = [tool for tool in catalogue if search.casefold() in tool.name.casefold() or likeness[tool.name] > 0]
        shown = sorted(shown, key=lambda tool: -likeness[tool.name])[:FOUND]
    for tool in shown:
        yield Text.assemble((tool.name, "bold"), f"  {first_sentence(tool.description) or tool.title}".rstrip())
