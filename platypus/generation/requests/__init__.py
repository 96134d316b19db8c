"""A plan → a request that a person might write for it.

From small to large: phrases for one argument, phrases for one tool, noun phrases, clauses, requests.

    usual_phrases.py    how arguments of common names and flags are said
    argument_phrases.py how an argument's value is expressed beside a noun
    slots.py            where a tool's own description mentions an argument
    tool_sentences.py   what a tool does, from its title, name or description
    tool_phrases.py     clauses and nouns for a tool
    writer_style.py     politeness, context, quotes, case, typos
    discourse.py        what a request has mentioned so far, and how it refers back to it
    objects.py          objects in words or as JSON
    noun_phrases.py     values and results as noun phrases
    clauses.py          steps as clauses and questions
    phrasing.py         Phraser: plan → request
    refusals.py         requests that no tool can answer
"""
