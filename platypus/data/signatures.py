"""What two rows may have in common: the request, the request's template, the plan's skeleton.

Each is a text, and rows are alike in one respect if these texts are equal. How similar two texts are is measured in
`platypus.refinement.similarity`.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import starmap

from platypus.catalogue.prose import one_line
from platypus.data.conversation import Conversation
from platypus.data.dataset import Example, Instruction, Row
from platypus.plan.plan import MARK, Plan, Reference, Value

MASK = "@"  # stands for a value in a template
QUOTATION = re.compile(r"""\"[^"]*"|“[^”]*”|(?<!\w)'[^']*'(?!\w)""")
ID = re.compile(r"\b[a-z]+-\w*\d\w*|\b\w*\d\w*")
PART = re.compile(r"\w+|@")
LIST = re.compile(r"@(?: (?:(?:and|or) )?@)+")


def one_line_request(row: Row) -> str:
    """The request on one line: an Alpaca row's instruction and input, a conversation's turns before the last one."""
    return one_line(" ".join(request_parts(row)))


def request_parts(row: Row) -> tuple[str, str]:
    """The request in two parts, either of which other rows may share: an instruction, "" for none, and its input.

    Of a conversation these are the system turn, and the turns after it but the last one.
    """
    match row:
        case Example():
            return "", row.query
        case Instruction():
            return (row.instruction, row.input) if row.input.strip() else ("", row.instruction)
        case Conversation():
            system = "".join(message.content for message in row.question if message.role == "system")
            return system, " ".join(message.content for message in row.question if message.role != "system")


def answer_text(row: Instruction | Conversation) -> str:
    """The answer of a row that is answered in text; of a conversation, its last turn."""
    return row.output if isinstance(row, Instruction) else row.answer


def normalised(text: str) -> str:
    """The request without what does not change its meaning: case, Unicode forms of letters, the final full stop."""
    return unicodedata.normalize("NFKC", text).casefold().rstrip(" .!").strip()


def request_template(row: Row) -> str:
    """The request with its values masked: the plan's literals, quotations, ids, numbers, and lists of these.

    "Summarize ISS-14 and "TKT 3", please." → "summarize @ please".
    """
    text = one_line_request(row).casefold()
    if isinstance(row, Example):
        literals = {one_line(literal).casefold() for literal in plan_literals(row.plan)}
        for literal in sorted(literals, key=lambda literal: (-len(literal), literal)):
            text = _masked(text, literal) if literal else text
    text = ID.sub(MASK, QUOTATION.sub(MASK, text))
    return LIST.sub(MASK, " ".join(PART.findall(text)))


def _masked(text: str, literal: str) -> str:
    """The text with the literal, or its plural in -s, masked where it is not part of a longer word."""
    at = text.find(literal)
    while at >= 0:
        end = at + len(literal)
        end += text[end : end + 1] == "s" and not _in_word(text[end + 1 : end + 2])
        is_word = not (_in_word(text[at - 1 : at]) or _in_word(text[end : end + 1]))
        text = text[:at] + MASK + text[end:] if is_word else text
        at = text.find(literal, at + 1)
    return text


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def literal_texts(value: Value) -> Iterator[str]:
    """The literals in a value, unchanged, as texts: strings and numbers, but no booleans, nulls or references."""
    if isinstance(value, list):
        for element in value:
            yield from literal_texts(element)
    elif isinstance(value, dict):
        for element in value.values():
            yield from literal_texts(element)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def plan_literals(plan: Plan) -> list[str]:
    """The literals of a plan that its request should contain: all but booleans and nulls."""
    return [text for step in plan for value in step.arguments.values() for text in literal_texts(value)]


def plan_skeleton(plan: Plan) -> str:
    """The plan without its values: tools, arguments, and which step uses which output; `[]` for the empty plan.

    `search(customer) summarize(objects=0)`: step 2 takes the output of step 1, the other value is a literal.
    """
    steps = (f"{step.tool}({','.join(sorted(starmap(_shape, step.arguments.items())))})" for step in plan)
    return " ".join(steps) or "[]"


def _shape(name: str, value: Value) -> str:
    elements = value if isinstance(value, list) else [value]
    references = [str(element).removeprefix(MARK) for element in elements if isinstance(element, Reference)]
    return f"{name}={'+'.join(references).replace(']', '')}" if references else name
