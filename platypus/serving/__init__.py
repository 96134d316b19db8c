"""Planners behind an HTTP API: OpenAI's chat completions and responses, our own endpoints, MCP, and the page.

Requests over one catalogue are decoded together, and catalogues that clients send are kept. Nothing but that cache, and
the corrections in a run's folder, outlives a request. The folder `page/` holds the built form of `../page`.
Does not know how a model is trained.

    errors.py            what an endpoint refuses, and how that looks
    limits.py            how much one request may ask for
    bodies.py            bodies are read within the limits
    keys.py              API keys
    calls.py             the steps of a plan that a client is to run now
    conversation.py      a conversation as one request and the calls that were run for it
    batching.py          the thread that computes, and batches that requests join at any time
    planners.py          the planners of a process, and the catalogues that clients sent
    opening.py           runs, adapters, folders and hub names as planners
    asking.py            a question of any endpoint → calls or a text
    openai_common.py     what both OpenAI endpoints share
    openai_chat.py       /v1/chat/completions
    openai_responses.py  /v1/responses
    native.py            plans with their graphs, scores, checks, catalogues, corrections
    execution.py         plans run for a client
    metrics.py           counts for Prometheus, and the log
    server.py            the planners of a process, the thread that computes, and what endpoints share
    mcp_server.py        planners as a tool of MCP
    api.py               the app
"""
