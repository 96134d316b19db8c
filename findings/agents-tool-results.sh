#!/usr/bin/env bash
# openai-agents 0.24.0, llama-index-core 0.14.25, langchain-core 1.8.3, pydantic-ai-slim 2.68.0: the model is told one
# Python value, returned by a tool, in three ways.
#
# Source:   agents/items.py, ItemHelpers._convert_tool_output: str(output); the docstring of FunctionTool.on_invoke_tool
#           says "something we can call str() on". llama_index/core/tools/function_tool.py, _parse_tool_output: str().
#           langchain_core/tools/base.py, _stringify: json.dumps, and str() where that fails.
#           pydantic_ai/messages.py, model_response_str: None is "", "any other value as its JSON text", but
#           _unwrap_data makes None of an empty list. For langchain and pydantic-ai the empty list is an open issue.
# Guess:    A list returned by a tool reaches the model as JSON in each: it is the format of the call's arguments and of
#           the API around it, and the TypeScript sister of openai-agents, @openai/agents 0.20.0, has JSON.stringify
#           there. A list of no results is "[]".
# Seen:     openai-agents and llama-index send Python's own notation, [{'open': True}], which no reader of JSON takes.
#           langchain sends JSON until there is one date somewhere in the value: then all of it is Python's notation.
#           pydantic-ai sends JSON. An empty list is "[]" to openai-agents alone: llama-index and pydantic-ai send an
#           empty text, langchain a message whose content is a list of no parts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/openai3"
"$folder/openai3/bin/pip" install --quiet openai==3.57.0 openai-agents==0.24.0 langchain-core==1.8.3 \
  langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0'
python3 -m venv "$folder/openai2" # llama-index does not take openai 3
"$folder/openai2/bin/pip" install --quiet openai==2.54.0 llama-index-core==0.14.25 llama-index-llms-openai-like==0.8.1
cat >"$folder/probe.py" <<'PYTHON'
import asyncio
import datetime
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

returned: Any = None
received: Any = None


def look_up() -> Any:
    """Look it up."""
    return returned


class Model(BaseHTTPRequestHandler):
    """A stand-in for a model: it calls the tool, keeps the result that it is sent, and ends."""

    def do_POST(self):
        global received
        last = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]
        message = {"role": "assistant", "content": "done"}
        if last["role"] == "tool":
            received = last["content"]
        else:
            call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        reason = "tool_calls" if "tool_calls" in message else "stop"
        answer = json.dumps({
            "id": "1", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def openai_agents(url):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("m", AsyncOpenAI(base_url=url, api_key="none"))
    Runner.run_sync(Agent("a", model=model, tools=[function_tool(look_up)]), "hello")


def langchain(url):
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    tool = tool(look_up)
    model = ChatOpenAI(model="m", base_url=url, api_key="none").bind_tools([tool])
    call = model.invoke([HumanMessage("hello")])
    model.invoke([HumanMessage("hello"), call, tool.invoke(call.tool_calls[0])])


def pydantic_ai(url):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="none"))
    Agent(model, tools=[look_up]).run_sync("hello")


def llama_index(url):
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.llms.openai_like import OpenAILike

    async def run():
        kind = {"is_chat_model": True, "is_function_calling_model": True}
        model = OpenAILike(model="m", api_base=url, api_key="none", **kind)
        await FunctionAgent(tools=[look_up], llm=model, streaming=False).run("hello")

    asyncio.run(run())


RESULTS = [[{"open": True}], [{"open": True, "day": datetime.date(2026, 1, 2)}], []]
EXPECTED = {
    openai_agents: ["[{'open': True}]", "[{'open': True, 'day': datetime.date(2026, 1, 2)}]", "[]"],
    llama_index: ["[{'open': True}]", "[{'open': True, 'day': datetime.date(2026, 1, 2)}]", ""],
    langchain: ['[{"open": true}]', "[{'open': True, 'day': datetime.date(2026, 1, 2)}]", []],
    pydantic_ai: ['[{"open":true}]', '[{"open":true,"day":"2026-01-02"}]', ""],
}
server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
for framework in (globals()[name] for name in sys.argv[1:]):
    seen = []
    for returned in RESULTS:
        framework(f"http://127.0.0.1:{server.server_port}/v1")
        seen.append(received)
    print(framework.__name__, "sends:", *map(repr, seen))
    assert seen == EXPECTED[framework], "changed"
PYTHON
"$folder/openai3/bin/python" -W ignore "$folder/probe.py" openai_agents langchain pydantic_ai
"$folder/openai2/bin/python" -W ignore "$folder/probe.py" llama_index
echo "as described"
