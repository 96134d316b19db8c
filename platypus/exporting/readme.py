"""The page beside an export: its files, the commands, the known losses, and how an answer is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platypus.exporting.targets import REQUEST, TARGETS, TargetName
from platypus.run.settings import PromptSettings

LLGUIDANCE = "0.7.30"  # the first release with parametric grammars
SERVERS = """\
# Serving {model}

| file | what |
|---|---|
| `grammar.lark` | the valid plans of up to {steps} steps in `{notation}`, for llguidance {version} or later |
| `vllm.json`, `sglang.json`, `llama.cpp.json` | a chat request for each server, with the grammar in it |
| `before.txt`, `after.txt` | the text around a request |
{schema_row}
The model is a Hugging Face folder. Its chat template puts the last message of the user between the two texts, so chat
requests need nothing but the request. Where there is no chat template, the prompt is `before.txt`, the request,
`after.txt`, after one BOS token if the tokenizer has one, and the answer ends with EOS.

## vLLM

    vllm serve {model} --served-model-name planner --structured-outputs-config.backend guidance
    jq '.messages[0].content = "{request}"' vllm.json | curl -s localhost:8000/v1/chat/completions \\
        -H 'Content-Type: application/json' -d @- | jq -r '.choices[0].message.content'

Releases before 0.12 say `--guided-decoding-backend guidance`, and `guided_grammar` for `structured_outputs.grammar`.

## SGLang

    python -m sglang.launch_server --model-path {model} --served-model-name planner --grammar-backend llguidance
    jq '.messages[0].content = "{request}"' sglang.json | curl -s localhost:30000/v1/chat/completions \\
        -H 'Content-Type: application/json' -d @- | jq -r '.choices[0].message.content'

## llama.cpp

With Rust installed, in its folder, for a tokenizer that its conversion knows:

    cmake -B build -DLLAMA_LLGUIDANCE=ON && cmake --build build --config Release
    python convert_hf_to_gguf.py {model} --outfile planner.gguf
    build/bin/llama-server --model planner.gguf --jinja --port 8080
    jq '.messages[0].content = "{request}"' llama.cpp.json | curl -s localhost:8080/v1/chat/completions \\
        -H 'Content-Type: application/json' -d @- | jq -r '.choices[0].message.content'

`llama-cli --grammar-file grammar.lark` takes the file as it is: its first line says that it is for llguidance. A
llama.cpp that was built without it ends itself at such a grammar.

## Other servers

{schema_note}

"""
PAGE = """\
# A planner for {title}

| file | what |
|---|---|
{files}

## Start it, and ask

{commands}

{how}

## Known losses

{losses}

"""
READING = """\
## Reading an answer

    from pathlib import Path
    from platypus.catalogue.reading import read_catalogue
    from platypus.plan.notation import read_plan
{marked}
    catalogue = read_catalogue(Path("{catalogue}"))
    read_plan(answer, "{notation}", catalogue{named})  # a Plan, or Malformed with its problems

Not held by `grammar.lark`: that elements of a `uniqueItems` array, and keys of an object, differ, and that markers, if
there are any, are the request's. An answer that was cut off at `max_tokens` is no plan. {checked}
"""
MARKED = """\
    from platypus.prompt.markers import marked_texts, request_with_markers

    request_with_markers(request)  # what to send for a request: the model was trained with markers
"""
SCHEMA_ROW = "| `schema.json` | a JSON schema of plans, for servers without llguidance |\n"
SCHEMA_NOTE = """\
`schema.json` goes where a server takes a JSON schema (`response_format`). It promises known tools and arguments,
allowed literals, and as many arguments as are required. It cannot promise which ones, that none stands twice, or that a
reference is to an earlier step whose output fits: read the answers as below.

Its keywords are those that XGrammar, Outlines and lm-format-enforcer keep. Formats are written as patterns of whole
texts (`^…$`); formats of the catalogue's own, `uniqueItems`, and lengths beside a pattern are left out. Limits of
numbers hold in XGrammar alone: the other two drop them."""
NO_SCHEMA_NOTE = """\
No JSON schema describes the notation `calls`. A server without llguidance answers freely, and the answer is read as
below; a model that is trained with `notation = "json"` under [prompt] gets a `schema.json` as well."""

HOW = """\
The model's chat template puts the last message of the user between `before.txt` and `after.txt`, so a request needs
nothing but its text. In it, the text of a special token (as `</s>`) is read as that token."""
FILES = {  # in an export for one program, those that it has
    "model": "the model, a Hugging Face folder",
    "model.gguf": "the model",
    "Modelfile": "what Ollama makes of it: the prompt, its length, what ends an answer",
    "request.json": "a request of the program, with the grammar or the schema if it takes one",
    "grammar.lark": "the valid plans, for llguidance",
    "schema.json": "a JSON schema of plans, for programs without llguidance",
    "before.txt": "the text before a request",
    "after.txt": "the text after a request",
    "catalogue.json": "the tools",
}


@dataclass(frozen=True)
class Facts:
    """What a page says of a planner: its model, its catalogue's file, its prompts, and how its grammar was checked."""

    model: str
    catalogue: str
    prompt: PromptSettings
    steps: int
    checked: str

    def servers_page(self) -> str:
        """The page of an export for any server."""
        json = self.prompt.notation == "json"
        page = SERVERS.format(
            model=self.model,
            notation=self.prompt.notation,
            steps=self.steps,
            version=LLGUIDANCE,
            request=REQUEST,
            schema_row=SCHEMA_ROW if json else "",
            schema_note=SCHEMA_NOTE if json else NO_SCHEMA_NOTE,
        )
        return page + self._reading()

    def target_page(self, to: TargetName, folder: Path, losses: Sequence[str], **facts: object) -> str:
        """The page of an export for one program; `facts` are those that its commands name."""
        files = [f"| `{name}` | {what} |" for name, what in FILES.items() if (folder / name).exists()]
        page = PAGE.format(
            title=TARGETS[to].title,
            files="\n".join(files),
            commands=TARGETS[to].commands(**facts),
            how=HOW,
            losses="\n".join(f"- {loss}" for loss in losses or ["None is known."]),
        )
        return page + self._reading()

    def _reading(self) -> str:
        markers = self.prompt.markers
        return READING.format(
            catalogue=self.catalogue,
            notation=self.prompt.notation,
            marked=MARKED if markers else "",
            named=", marked_texts(request)" if markers else "",
            checked=self.checked,
        )
