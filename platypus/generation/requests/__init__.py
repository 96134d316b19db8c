"""A plan → a request that somebody would write for it.

Each module is one level of a sentence.

    argument_phrases.py how an argument's value is expressed beside a noun
    slots.py            where an argument's noun stands in a tool's own description
    tool_phrases.py     clauses and nouns for a tool
    writer_style.py     politeness, context, quotes, case, typos
    discourse.py        what a request has mentioned, and how it refers back to it
    noun_phrases.py     values and results as noun phrases
    clauses.py          steps as clauses and questions
    phrasing.py         Phraser: plan → request
    refusals.py         requests that no tool can answer
"""
