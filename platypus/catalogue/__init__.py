"""The tools that a planner may use: `read_catalogue(source)` gives a checked `Catalogue`.

Does not know plans, prompts or models.

    prose.py            descriptions → plain text: one line, the first paragraph, the first sentence
    schema.py           the JSON-Schema subset: check, inline, parts, what fits what
    tools.py            Argument, Tool, Catalogue
    argument_lists.py   the original task's lists → MCP definitions
    foreign_types.py    tools of public data sets: Python's type names, arguments listed by name → JSON Schema
    sources/            what a catalogue may come from: files, MCP servers, OpenAPI, Python functions → MCP definitions
    reading.py          a source → Catalogue
    words.py            words of identifiers, and forms of English words
    subjects.py         what a tool makes, finds or destroys, and which arguments take its id
    dataflow.py         which outputs are sensible for which arguments
"""
