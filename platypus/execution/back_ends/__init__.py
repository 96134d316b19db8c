"""What runs the calls of a plan: MCP servers, Python functions, operations of OpenAPI documents, or nothing at all.

Each kind is one module with a class that has the methods of `BackEnd`. None of them knows plans, policies or traces.

    back_end.py          BackEnd: its methods, and how a call fails
    mcp_servers.py       a live MCP server, through the official SDK; started again when it has died
    python_functions.py  functions of this process
    openapi.py           operations over HTTP
    unavailable.py       a server whose entry lacks something
    dry_run.py           made-up results of the right types; nothing is called
"""
