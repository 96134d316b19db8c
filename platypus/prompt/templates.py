"""The text of prompts: Alpaca's template, the rules for each notation, and the frame around a request.

The template is Stanford Alpaca's (`PROMPT_DICT` in github.com/tatsu-lab/stanford_alpaca, as in alpaca-lora's
`templates/alpaca.json` and axolotl's `AlpacaPrompter`), byte for byte.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.plan.notation import Notation
from platypus.prompt.catalogue_text import Rendering, render_catalogue

Template = Literal["alpaca", "chat"]

WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)
RULES: Mapping[Notation, str] = {
    "json": (
        "Plan the tool calls that fulfil the request. Answer with a JSON list of calls in the order in which they run: "
        '[{"tool_name": "…", "arguments": [{"argument_name": "…", "argument_value": …}]}]. '
        'As a value, or as an element of a list, "$$PREV[0]" is the output of the first call, "$$PREV[1]" of the '
        'second, and "$$PREV[0].field" a part of it. Arguments marked ? are optional; leave out what the request does '
        "not ask for. If these tools cannot fulfil the request, answer []."
    ),
    "calls": (
        "Plan the tool calls that fulfil the request. Answer with one call a line in the order in which they run: "
        "tool(argument=value, argument=value). Values are JSON. "
        "As a value, or as an element of a list, $0 is the output of the first call, $1 of the second, "
        "and $0.field a part of it. Arguments marked ? are optional; leave out what the request does "
        "not ask for. If these tools cannot fulfil the request, answer []."
    ),
}
MARKERS = "In the request <1> stands behind the first value; as a value, <1> is that text."


class Frame(NamedTuple):
    """The text before a request in its prompt, and the text after it."""

    before: str
    after: str


def shared_frame(notation: Notation, *, markers: bool = False) -> tuple[str, str, str]:
    """The text that all planners' prompts share: before the tools, between tools and request, and after the request."""
    before, after = WITH_INPUT.split("{input}")
    begin, between = before.split("{instruction}")
    rules = f"{RULES[notation]} {MARKERS}" if markers else RULES[notation]
    return f"{begin}{rules}\n\nTools:\n", between, after


@lru_cache(maxsize=64)
def frame(
    catalogue: Catalogue | None, notation: Notation, *, markers: bool = False, rendering: Rendering = "full"
) -> Frame:
    """The text around a request: rules and tools before it; without a catalogue, the request is the instruction.

    Cached, because rows that bring the same tools often stand together.
    """
    if catalogue is None:
        return Frame(*WITHOUT_INPUT.split("{instruction}"))
    before, between, after = shared_frame(notation, markers=markers)
    return Frame(f"{before}{render_catalogue(catalogue, rendering)}{between}", after)
