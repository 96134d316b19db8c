"""The tools that a planner may use: `read_catalogue(path)` gives a checked `Catalogue`.

Knows no plans, no prompts and no models.

    schema.py           the JSON-Schema subset: check, inline, parts, what fits what
    tools.py            Argument, Tool, Catalogue
    argument_lists.py   the original task's lists → MCP definitions
    reading.py          a catalogue file → Catalogue; finds out which format it has
    words.py            words of identifiers, and forms of English words
    dataflow.py         which outputs sensibly fill which arguments
"""
