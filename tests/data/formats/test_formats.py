"""Every foreign format: what a row becomes, and what cannot be converted, with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.check import check
from platypus.data.dataset import Example, read_dataset
from platypus.data.formats.conversion import Converted
from platypus.data.formats.formats import FORMATS, converted, format_of
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Step
from tests.support.command import ROOT

CASES = ROOT.parent / "shared" / "cases" / "finetuning" / "rows-of-tool-calls"
FERRY = {
    "name": "book_ferry",
    "description": "Books a ferry.",
    "parameters": {
        "type": "object",
        "properties": {"to": {"type": "string"}, "cars": {"type": "integer"}},
        "required": ["to"],
    },
}
TOOLS = [{"type": "function", "function": FERRY}]
CALL = {"name": "book_ferry", "arguments": {"to": "Amrum", "cars": 2}}
ASK = "A ferry to Amrum with two cars"
BOOKED = Plan((Step("book_ferry", {"to": "Amrum", "cars": 2}),))
AND_BACK = Plan((*BOOKED.steps, Step("book_ferry", {"to": "Dagebüll"})))
BACK = {"name": "book_ferry", "arguments": {"to": "Dagebüll"}}
HERMES_SYSTEM = f"Signatures stand within <tools> </tools>. Here they are: <tools> {json.dumps(TOOLS)} </tools>"
LEFT_OUT = "left out: "


def openai(*calls: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    wrapped = [{"id": f"c{i}", "type": "function", "function": call} for i, call in enumerate(calls)]
    return [{"role": "user", "content": ASK}, {"role": "assistant", "content": None, "tool_calls": wrapped}]


def as_text(call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "arguments": json.dumps(call["arguments"], ensure_ascii=False)}


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": speaker, "value": text} for speaker, text in pairs]


def messages(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": speaker, "content": text} for speaker, text in pairs]


PLANS = [  # format, row, plan, notes
    ("OpenAI messages", {"messages": openai(as_text(CALL)), "tools": TOOLS}, BOOKED, ()),
    ("OpenAI messages", {"messages": openai(CALL, BACK), "tools": json.dumps(TOOLS)}, AND_BACK, ()),
    (
        "OpenAI messages",
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": ASK}]},
                {"role": "assistant", "content": "One moment.", "function_call": as_text(CALL)},
                {"role": "function", "name": "book_ferry", "content": "{}"},
                {"role": "assistant", "content": "Booked."},
            ],
            "functions": [FERRY],
        },
        BOOKED,
        ("system text", "text beside the calls", "results and the answer after them"),
    ),
    (
        "Hermes",
        {
            "conversations": turns(
                ("system", HERMES_SYSTEM),
                ("human", ASK),
                ("gpt", f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{json.dumps(BACK)}\n</tool_call>"),
            )
        },
        AND_BACK,
        (),
    ),
    (
        "Hermes",
        {
            "messages": messages(
                ("system", HERMES_SYSTEM),
                ("user", ASK),
                ("assistant", f"I book it. <tool_call>{json.dumps(CALL)}</tool_call>"),
                ("tool", "<tool_response>done</tool_response>"),
                ("assistant", "Booked."),
            )
        },
        BOOKED,
        ("text beside the calls", "results and the answer after them"),
    ),
    (
        "ToolACE",
        {
            "system": f"You may use these functions:\n{json.dumps([FERRY])}\nAnswer with [name(argument=value)].",
            "conversations": turns(
                ("user", ASK), ("assistant", "[book_ferry(to=\"Amrum\", cars=2), book_ferry(to='Dagebüll')]")
            ),
        },
        AND_BACK,
        (),
    ),
    (
        "ShareGPT",
        {
            "conversations": turns(
                ("human", ASK), ("function_call", json.dumps(CALL)), ("observation", "{}"), ("gpt", "Booked.")
            ),
            "tools": json.dumps([FERRY]),
            "system": "The policy of the line.",
        },
        BOOKED,
        ("system text", "results and the answer after them"),
    ),
    (
        "ShareGPT",
        {
            "conversations": turns(("human", ASK), ("function_call", json.dumps([CALL, BACK]))),
            "tools": json.dumps(TOOLS),
        },
        AND_BACK,
        (),
    ),
    (
        "Glaive",
        {
            "system": f"SYSTEM: Use these functions if required -\n{json.dumps(FERRY, indent=4)}\n",
            "chat": f"USER: {ASK}\n\n\nASSISTANT: <functioncall> "
            '{"name": "book_ferry", "arguments": \'{"to": "Amrum", "cars": 2}\'} <|endoftext|>\n\n\n'
            'FUNCTION RESPONSE: {"status": "done"}\n\n\nASSISTANT: Booked. <|endoftext|>',
        },
        BOOKED,
        ("results and the answer after them",),
    ),
    (
        "xLAM",
        {
            "id": 4,
            "query": ASK,
            "answers": json.dumps([CALL, BACK]),
            "tools": json.dumps(
                [
                    {
                        "name": "book_ferry",
                        "description": "Books a ferry.",
                        "parameters": {"to": {"type": "str"}, "cars": {"type": "int, optional", "default": 0}},
                    }
                ]
            ),
        },
        AND_BACK,
        (),
    ),
    ("xLAM", {"query": "Fly me to the moon", "answers": [], "tools": [FERRY]}, Plan(), ()),
    (
        "plan of calls",
        {"query": ASK, "plan": [{"type": "function", "function": as_text(CALL)}], "tools": TOOLS},
        BOOKED,
        (),
    ),
    ("plan of calls", {"query": ASK, "plan": json.dumps([CALL, BACK]), "tools": [FERRY]}, AND_BACK, ()),
]

TEXTS = [  # format, row, the canonical row
    (
        "ShareGPT",
        {
            "conversations": turns(("human", "Hello"), ("gpt", "Hi."), ("human", "A tree?"), ("gpt", "An elm.")),
            "tools": "",
        },
        {"messages": messages(("user", "Hello"), ("assistant", "Hi."), ("user", "A tree?"), ("assistant", "An elm."))},
    ),
    (
        "ShareGPT",
        {"conversations": messages(("user", "Hello"), ("assistant", "Hi.")), "system": "Be brief."},
        {"messages": messages(("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi."))},
    ),
    (
        "Glaive",
        {"system": "SYSTEM: No functions here.", "chat": "USER: Hello\n\n\nASSISTANT: Hi. <|endoftext|>\n"},
        {"messages": messages(("system", "No functions here."), ("user", "Hello"), ("assistant", "Hi."))},
    ),
    (
        "Glaive",
        {"sample": "SYSTEM: Be brief. USER is human.\nUSER: Hello\nASSISTANT: Hi. <|endoftext|>"},
        {"messages": messages(("system", "Be brief. USER is human."), ("user", "Hello"), ("assistant", "Hi."))},
    ),
    (
        "OpenAI messages",
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
                *messages(("assistant", "Hi.")),
            ]
        },
        {"messages": messages(("user", "Hello"), ("assistant", "Hi."))},
    ),
    (
        "Alpaca with history",
        {
            "instruction": "And",
            "input": "an oak?",
            "output": "A tree.",
            "system": "Be brief.",
            "history": [["Elm?", "A tree."]],
        },
        {
            "messages": messages(
                ("system", "Be brief."),
                ("user", "Elm?"),
                ("assistant", "A tree."),
                ("user", "And\nan oak?"),
                ("assistant", "A tree."),
            )
        },
    ),
    (
        "prompt and completion",
        {"prompt": "Name a tree.", "completion": "An elm."},
        {"instruction": "Name a tree.", "input": "", "output": "An elm."},
    ),
    (
        "prompt and completion",
        {"prompt": messages(("user", "Name a tree.")), "completion": messages(("assistant", "An elm."))},
        {"messages": messages(("user", "Name a tree."), ("assistant", "An elm."))},
    ),
]

REFUSED = [
    ({"messages": [*openai(CALL), *openai(BACK)], "tools": TOOLS}, "has 2 requests in one dialogue"),
    (
        {
            "conversations": turns(
                ("human", ASK),
                ("function_call", json.dumps(CALL)),
                ("observation", "7"),
                ("function_call", json.dumps(BACK)),
            )
        },
        "ShareGPT: calls a tool again after a result",
    ),
    (
        {"messages": messages(("user", ASK), ("assistant", "Where to?")), "tools": TOOLS},
        "offers tools, but the answer is text",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "not text (image_url)"),
    (
        {"messages": [{"role": "user", "content": "Who?", "images": ["a.png"]}, *messages(("assistant", "Ida."))]},
        "OpenAI messages: in a turn, `images` holds pictures, which is not learned",
    ),
    (
        {"conversations": [{**turns(("human", "Who?"))[0], "audio": "a.wav"}, *turns(("gpt", "Ida."))]},
        "ShareGPT: in a turn, `audio` holds sound, which is not learned",
    ),
    (
        {"conversations": turns(("human", ASK), ("gpt", f"<functioncall> {json.dumps(CALL)}"))},
        "ShareGPT: an answer holds a call as text (`<functioncall>`)",
    ),
    (
        {"messages": messages(("user", ASK), ("assistant", f"<functioncall> {json.dumps(CALL)}"))},
        "OpenAI messages: an answer holds a call as text (`<functioncall>`)",
    ),
    ({"messages": [{"role": "critic", "content": "No"}]}, "a turn's role is 'critic'; known are system"),
    (
        {"messages": [*messages(("user", "Hello")), {"role": "assistant", "content": "Hi.", "weight": 0}]},
        "a turn that is not to be learned",
    ),
    (
        {"conversations": turns(("human", ASK), ("gpt", "<tool_call>{book</tool_call>"))},
        "Hermes: a <tool_call> cannot be read",
    ),
    ({"conversations": turns(("user", ASK), ("assistant", "[book_ferry(to=Amrum)]"))}, "argument 'to' cannot be read"),
    (
        {"query": ASK, "answers": '[{"name": "book_ferry", "arguments": [1]}]'},
        "the arguments of 'book_ferry' are no object",
    ),
    ({"query": ASK, "answers": [{"tool": "book_ferry"}]}, "`answers` has no tool's name"),
    ({"instruction": "a", "output": "b", "history": ["c"]}, "its `history` is no list of pairs"),
    (
        {
            "prompt": messages(("user", "a"), ("assistant", "b"), ("user", "c")),
            "completion": messages(("assistant", "d")),
        },
        "an assistant's turn in its prompt",
    ),
]


def of(row: dict[str, Any]) -> tuple[str, Converted]:
    known = format_of(row)
    assert known is not None
    return known.name, converted(row, known)


@pytest.mark.parametrize(("name", "row", "plan", "left_out"), PLANS)
def test_calls_become_a_planner_row_with_its_tools(
    tmp_path: Path, name: str, row: dict[str, Any], plan: Plan, left_out: tuple[str, ...]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    dataset = read_dataset(str(path), None)
    assert dataset.rejected == ()
    (example,) = dataset.rows
    assert isinstance(example, Example)
    assert example.plan == plan
    assert example.query == row.get("query", ASK)
    assert example.origin == {"source": str(path), "line": 1, "format": name}
    assert example.tools is not None and example.catalogue == example.tools.fingerprint
    (tool,) = example.tools
    assert [(argument.name, argument.required) for argument in tool.arguments] == [("to", True), ("cars", False)]
    assert of(row)[1].notes == tuple(f"left out: {what} (1)" for what in left_out)


@pytest.mark.parametrize(("name", "row", "canonical"), TEXTS)
def test_text_becomes_a_conversation_or_an_instruction(
    name: str, row: dict[str, Any], canonical: dict[str, Any]
) -> None:
    assert of(row) == (name, Converted(canonical))


def test_the_tables_have_every_format() -> None:
    assert {name for name, *_ in PLANS} | {name for name, *_ in TEXTS} == {known.name for known in FORMATS}


def test_every_format_has_an_example_in_the_docs() -> None:
    page = (ROOT / "docs" / "data-formats.md").read_text(encoding="utf-8").casefold()
    missing = [known.name for known in FORMATS if f"**{known.name}**".casefold() not in page]
    assert missing in ([], ["plan of calls"]) and "**a plan of calls**" in page


@pytest.mark.parametrize(("row", "reason"), REFUSED)
def test_what_cannot_be_converted_says_why(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError) as caught:
        of(row)
    assert reason in caught.value.what
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    (rejected,) = read_dataset(str(path), None).rejected
    assert (rejected.kind, rejected.row, rejected.line) == ("conversion", row, 1)
    assert reason in rejected.reason


@pytest.mark.parametrize(
    "row",
    [
        {"query": ASK, "plan": []},
        {"query": ASK, "plan": BOOKED.to_json(), "tools": TOOLS},
        {"query": ASK, "plan": [CALL]},  # nearly a plan: `refine` repairs it
        {"instruction": "a", "input": "", "output": "b", "system": "", "history": []},
        {"messages": messages(("user", "a"), ("assistant", "b"))},
        {"messages": [{**message, "tool_calls": None} for message in messages(("user", "a"), ("assistant", "b"))]},
        ["a", "list"],
        {"text": "USER: a"},
    ],
)
def test_canonical_and_unknown_rows_are_left_alone(row: Any) -> None:
    assert format_of(row) is None


@pytest.mark.skipif(not CASES.is_dir(), reason="no handed rows here: ../shared/cases is not beside this checkout")
def test_the_handed_rows_go_right() -> None:
    for path in sorted(CASES.glob("*.jsonl")):
        report = check(path)
        if path.stem == "glaive":  # its tool takes no arguments, its call gives one
            assert "read as Glaive: step 1 (tide_times): the tool has no argument 'port'" in str(report)
        else:
            assert report.problems == (), path
