#!/usr/bin/env bash
# pydantic-ai-slim 2.68.0, langchain-openai 1.7.4, openai-agents 0.24.0: the model is shown its own tool call in another
# spelling than it wrote.
#
# Source:   pydantic_ai/messages.py, args_as_json_str: always compact JSON, for the sake of stored histories (so its
#           docstring). langchain_openai/chat_models/base.py, _lc_tool_call_to_openai_tool_call: json.dumps of the
#           parsed arguments. openai-agents keeps the text.
# Guess:    "arguments" is a string in the API, so it goes back as it came: a server has the tokens of the history in
#           its cache, and requests recorded as training rows hold what the model wrote.
# Seen:     pydantic-ai takes the spaces out, langchain puts them in, both write \u00fc as a letter and 1e2 as 100.0.
#           What one of them keeps, the other changes. openai-agents changes nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai==3.57.0 openai-agents==0.24.0 langchain-core==1.8.3 \
  langchain-openai==1.7.4 'pydantic-ai-slim[openai]==2.68.0'
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

written = received = ""


def pay(to: str, sum: float) -> str:
    """Pay."""
    return "paid"


class Model(BaseHTTPRequestHandler):
    """A stand-in for a model: it calls the tool, keeps the call that it is sent back, and ends."""

    def do_POST(self):
        global received
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        message = {"role": "assistant", "content": "done"}
        if messages[-1]["role"] == "tool":
            received = messages[-2]["tool_calls"][0]["function"]["arguments"]
        else:
            call = {"id": "call_1", "type": "function", "function": {"name": "pay", "arguments": written}}
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


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"


def openai_agents():
    model = OpenAIChatCompletionsModel("m", AsyncOpenAI(base_url=url, api_key="none"))
    Runner.run_sync(OpenAIAgent("a", model=model, tools=[function_tool(pay)]), "hello")


def langchain():
    model = ChatOpenAI(model="m", base_url=url, api_key="none").bind_tools([tool(pay)])
    call = model.invoke([HumanMessage("hello")])
    model.invoke([HumanMessage("hello"), call, tool(pay).invoke(call.tool_calls[0])])


def pydantic_ai():
    model = OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="none"))
    Agent(model, tools=[pay]).run_sync("hello")


set_tracing_disabled(True)
SPACED, COMPACT, ESCAPED = '{"to": "Jürg", "sum": 100.0}', '{"to":"Jürg","sum":100.0}', r'{"to":"J\u00fcrg","sum":1e2}'
EXPECTED = {
    openai_agents: [SPACED, COMPACT, ESCAPED],
    langchain: [SPACED, SPACED, SPACED],
    pydantic_ai: [COMPACT, COMPACT, COMPACT],
}
print("the model writes:", SPACED, COMPACT, ESCAPED)
for framework, expected in EXPECTED.items():
    seen = []
    for written in (SPACED, COMPACT, ESCAPED):
        framework()
        seen.append(received)
    print(framework.__name__, "sends back:", *seen)
    assert seen == expected, "changed"
PYTHON
echo "as described"
