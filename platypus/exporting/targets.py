"""The programs that a planner is exported for: what each takes, how it is started and asked, what it cannot promise."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from platypus.errors import RunError
from platypus.plan.notation import Notation

TargetName = Literal["hf", "gguf", "vllm", "sglang", "ollama", "mlx"]
GgufType = Literal["f16", "q8_0", "q4_k_m"]
BitsOf = Literal["int8", "nf4", "torchao-int8"]  # how a Hugging Face folder is quantised
REQUEST = "Summarize my open issues"
GRAMMAR = ""  # in the fields of a request: the place of the grammar
FREE = "It takes no grammar: answers are free text, and some may not be valid plans."
SCHEMA = (
    "It takes no grammar but `schema.json`, which promises known tools and arguments, allowed literals, and as many"
    " arguments as are required; not which ones, nor that a reference is to an earlier step whose output fits."
)
NO_SCHEMA = (
    "It takes no grammar but a JSON schema, and there is none of the notation `calls`: answers are free text, and some"
    ' may not be valid plans. A model that is trained with notation = "json" under [prompt] gets a `schema.json`.'
)
_CHAT = """\
    jq '.messages[-1].content = "{request}"' request.json | curl -s localhost:{port} \\
        -H 'Content-Type: application/json' -d @- | jq -r '{answer}'"""


@dataclass(frozen=True)
class Target:
    """A program. `grammar` is what a chat request has beside the messages, with the grammar at its empty text."""

    title: str
    start: str
    port: str
    grammar: Mapping[str, Any] = field(default_factory=dict)
    losses: Sequence[str] = ()
    answer: str = ".choices[0].message.content"
    gguf: bool = False
    folder: bool = False  # a Hugging Face folder that may be quantised

    @property
    def model(self) -> str:
        """The name of the model in the export."""
        return "model.gguf" if self.gguf else "model"

    def losses_of(self, notation: Notation) -> list[str]:
        """What the program cannot promise of plans in this notation."""
        if self.grammar or FREE in self.losses:
            return list(self.losses)
        return [SCHEMA if notation == "json" else NO_SCHEMA, *self.losses]

    def commands(self, **facts: Any) -> str:
        """The commands that start the program and ask it, as indented lines."""
        asked = _CHAT.format(request=REQUEST, port=self.port, answer=self.answer)
        return f"{self.start.format(**facts)}\n{asked}"


TARGETS: Mapping[TargetName, Target] = {
    "hf": Target(
        "transformers",
        "    transformers serve ./model --dtype {dtype}",
        "8000/v1/chat/completions",
        losses=(FREE,),
        folder=True,
    ),
    "vllm": Target(
        "vLLM",
        "    vllm serve ./model --served-model-name planner --dtype {dtype}"
        " --structured-outputs-config.backend guidance",
        "8000/v1/chat/completions",
        {"structured_outputs": {"grammar": GRAMMAR}},
        ("Releases before 0.12 say `--guided-decoding-backend guidance`, and `guided_grammar` for"
         " `structured_outputs.grammar`.",),
        folder=True,
    ),
    "sglang": Target(
        "SGLang",
        "    python -m sglang.launch_server --model-path ./model --served-model-name planner --dtype {dtype}"
        " --grammar-backend llguidance",
        "30000/v1/chat/completions",
        {"ebnf": GRAMMAR},
        folder=True,
    ),
    "mlx": Target(
        "MLX",
        "    mlx_lm.server --model ./model --port 8080",
        "8080/v1/chat/completions",
        losses=(FREE,),
    ),
    "gguf": Target(
        "llama.cpp",
        "    llama-server --model model.gguf --jinja --ctx-size {context} --flash-attn off \\\n"
        "        --cache-type-k f32 --cache-type-v f32 --port 8080",
        "8080/v1/chat/completions",
        {"grammar": GRAMMAR},
        ("Keys and values are kept in f16 unless the two `--cache-type` options say otherwise.",
         "A llama.cpp that was built without llguidance (`-DLLAMA_LLGUIDANCE=ON`) ends itself at `grammar.lark`."),
        gguf=True,
    ),
    "ollama": Target(
        "Ollama",
        "    ollama create planner -f Modelfile",
        "11434/api/chat",
        answer=".message.content",
        gguf=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ExportOptions:
    """What is asked for: a target, the GGUF type, the size of shards ("2GB"), and 8 or 4 bits. None: as merged."""

    to: TargetName
    type: GgufType | None = None
    shard_size: str | None = None
    quantise: BitsOf | None = None

    def check(self) -> None:
        """Raise RunError for an option that the target has no use for."""
        target = TARGETS[self.to]
        if self.shard_size is not None and not re.fullmatch(r"[1-9][0-9]*(MB|GB)", self.shard_size):
            raise RunError(f"{self.shard_size!r} is no size", where="--shard-size", remedy="Say it as 2GB or 500MB.")
        others = {
            "--type": (self.type, target.gguf, "the targets gguf and ollama"),
            "--shard-size": (self.shard_size, not target.gguf, "targets that get a Hugging Face folder"),
            "--quantise": (self.quantise, target.folder, "the targets hf, vllm and sglang"),
        }
        for option, (value, has_use, users) in others.items():
            if value is not None and not has_use:
                remedy = f"Leave it out{', or use --type' if target.gguf else ''}."
                if self.to == "mlx":
                    remedy = "Leave it out, and quantise on the Mac: mlx_lm.convert --hf-path model -q"
                raise RunError(f"is for {users}", where=f"{option} with --to {self.to}", remedy=remedy)

    @property
    def gguf_type(self) -> GgufType:
        """The type of a GGUF file."""
        return self.type or get_args(GgufType)[0]


def chat_request(target: TargetName, *, lark: str, schema: Mapping[str, Any] | None, tokens: int) -> dict[str, Any]:
    """A greedy chat request to the program, with the grammar, or the schema, if it takes one."""
    messages = [{"role": "user", "content": REQUEST}]
    if target == "ollama":  # temperature and length stand in the Modelfile
        return {"model": "planner", "messages": messages, "stream": False, **({"format": schema} if schema else {})}
    name = "./model" if target in ("hf", "mlx") else "planner"
    filled = _filled(TARGETS[target].grammar, lark)
    return {"model": name, "messages": messages, "temperature": 0, "max_tokens": tokens, **filled}


def _filled(field: Mapping[str, Any], lark: str) -> dict[str, Any]:
    return {name: _filled(inner, lark) if isinstance(inner, Mapping) else lark for name, inner in field.items()}
