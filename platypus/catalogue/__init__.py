"""The tools that a planner may use: `read_catalogue(source)` gives a checked `Catalogue`.

Does not know plans, prompts or models.

    prose.py            descriptions → plain text: one line, the first paragraph, the first sentence
    patterns.py         regular expressions of JSON Schema as Python and llguidance read them
    schema.py           the JSON-Schema subset: parts, what fits what, which values are allowed
    drafts.py           the drafts of JSON Schema → the words of 2020-12; what a `$ref` means
    intersection.py     what two schemas allow together, and what a schema forbids
    kinds.py            objects, arrays, texts and numbers → the subset, one kind at a time
    tightening.py       a server's schema → the subset: references, `allOf`, alternatives, conditions
    tools.py            Argument, Tool, Catalogue
    foreign_types.py    tools of public data sets: Python's type names, arguments listed by name → JSON Schema
    argument_lists.py   the original task's lists of arguments → JSON Schema
    sources/            what a catalogue may come from: files, MCP servers, OpenAPI, Python functions → MCP definitions
    reading.py          a source → Catalogue
    words.py            words of identifiers, and forms of English words
    subjects.py         what a tool makes, finds or destroys, and which arguments take its id
    dataflow.py         which outputs are sensible for which arguments
"""
