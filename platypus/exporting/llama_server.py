"""A GGUF file in llama.cpp: the prompts that its own chat template makes, and its answers.

The server of llama.cpp itself, in this process (the package xllamacpp). Knows texts and tokens, not plans.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from platypus.errors import ModelError

MISSING = "Install what it needs: pip install 'platypus-llm[export]'"
AS_FOLDER = "Serve the folder instead: --to hf, vllm, sglang or mlx."  # where there can be no GGUF file


@dataclass(frozen=True)
class LlamaServer:
    """llama.cpp with a model: greedy, one request at a time, keys and values in float32."""

    server: Any

    @classmethod
    def open(cls, file: Path, *, context: int) -> Self:
        """Load a GGUF file. Raises ModelError if llama.cpp is missing or cannot read it."""
        try:
            import xllamacpp
        except ImportError as error:
            raise ModelError(
                "reading a GGUF file back needs the package `xllamacpp`", where=str(file), remedy=MISSING
            ) from error
        options = xllamacpp.CommonParams()
        options.model.path = str(file)
        options.n_ctx, options.n_parallel, options.warmup, options.use_jinja = context, 1, False, True
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
        options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        options.verbosity = -1
        try:
            return cls(xllamacpp.Server(options))
        except RuntimeError as error:
            raise ModelError(
                f"llama.cpp cannot read it: {error}",
                where=str(file),
                remedy="If it is whole, serve the folder instead: --to hf, vllm, sglang or mlx.",
            ) from error

    def prompt_ids(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The ids of a chat's prompt, by the template in the file."""
        text = self._post("/apply-template", {"messages": list(messages)})["prompt"]
        return self.ids(text, special=True)

    def ids(self, text: str, *, special: bool = False) -> list[int]:
        """The ids of a text; `special`: as those of a prompt, with BOS, and with special tokens read as such."""
        asked = {"content": text, "add_special": special, "parse_special": special}
        return list(self._post("/tokenize", asked)["tokens"])

    def answer(self, messages: Sequence[Mapping[str, str]], *, tokens: int, grammar: str = "") -> str:
        """The greedy answer to a chat, of at most `tokens` tokens, under a grammar if one is given."""
        asked = {"messages": list(messages), "temperature": 0, "max_tokens": tokens}
        found = self.server.handle_chat_completions({**asked, **({"grammar": grammar} if grammar else {})})
        if "choices" not in found:
            raise ModelError(f"llama.cpp cannot answer: {found.get('message', found)}")
        return str(found["choices"][0]["message"]["content"])

    def _post(self, path: str, asked: Mapping[str, Any]) -> Any:
        request = Request(
            f"{self.server.listening_address}{path}", json.dumps(asked).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request) as answer:
            return json.load(answer)
