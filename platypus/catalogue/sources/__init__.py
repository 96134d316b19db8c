"""What a catalogue may come from. Each kind of source → MCP definitions, as plain data.

Each module of a kind has two functions, which its `FORMAT` holds: `recognises` says whether a source is of the kind,
and `definitions` gives its tools. `platypus.catalogue.reading` tries the kinds in turn and reads what they give.
Schemas are handed on as they are: what a schema may hold is not known here.

    source.py              Source: a name, what its file holds, which parts are wanted; JSON, JSON Lines, YAML
    variables.py           ${VAR} in texts → values of the environment, which no message shows
    tool_lists.py          lists of tools: MCP, OpenAI, Anthropic, Gemini, BFCL; one, in pages, or one tool a line
    mcp_server.py          a live MCP server: a command, or a URL
    mcp_configuration.py   the files in which MCP clients keep their servers
    openapi.py             OpenAPI 3 documents: one tool for each operation
    python_functions.py    functions of a Python file or module
"""
