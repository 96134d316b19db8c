"""Rows of public data sets → canonical rows: `converted(row)` gives the row, or None if its format is not known here.

Does not check plans or catalogues: that is done in `platypus.data.dataset`, with the tools that a row brings.

    conversion.py       Format, Converted: what a foreign format is, and what a row of it becomes
    tool_calls.py       calls as public sets write them → the steps of a plan; names of tools that are usable
    dialogues.py        the turns of a dialogue → one planner row or one conversation row
    openai.py           `messages` with `tools` and `tool_calls`, or `functions` and `function_call`
    hermes.py           `<tools>` in the system text, `<tool_call>` in the answer
    toolace.py          a list of tools in the system text, calls as `[name(argument="value")]`
    sharegpt.py         `conversations` of `from` and `value`, also with `function_call`: APIGen-MT, LLaMA-Factory
    glaive.py           `SYSTEM: …`, `USER: …`, `ASSISTANT: <functioncall> …` in one text
    xlam.py             `query`, `answers`, `tools` as JSON texts
    plan_calls.py       `query` and a `plan` whose steps are calls in OpenAI's or xLAM's form
    alpaca.py           `instruction` and `output` with `system` or `history`, as in LLaMA-Factory
    completion.py       `prompt` and `completion`
    formats.py          all of these, in the order in which they are tried
"""
