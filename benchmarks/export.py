"""Same bytes, same plan: what each program makes of the requests of a run, beside Platypus itself.

    python benchmarks/export.py RUN                               transformers, llama.cpp (f16, q8_0, q4_k_m)
    python benchmarks/export.py RUN --programs serve,int8,nf4,torchao-int8
    python benchmarks/export.py RUN --programs mlx --mlx PYTHON   the Python of an environment with mlx-lm

For the first requests of the run's test, validation and training rows, the prompt ids that a program makes of its own
chat template are compared with ours, and its greedy answers with the plans of Platypus on the same merged model: free
ones with free ones, those under the exported grammar with those under ours, where the program takes one. Ids of
`transformers serve` are compared by their number, which is all that it tells. Everything runs in one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

os.environ.setdefault("OMP_NUM_THREADS", "1")

from platypus.data.dataset import Example, read_dataset
from platypus.errors import PlatypusError
from platypus.exporting.gguf import check_gguf, write_gguf
from platypus.exporting.llama_server import LlamaServer
from platypus.exporting.model_folder import check_quantisation, copy_model, quantise_model
from platypus.exporting.planner_files import export_catalogue
from platypus.inference.opening import open_planner, prompt_settings
from platypus.inference.planner import Planner
from platypus.run.folder import Run

GGUF, QUANTISED = ("f16", "q8_0", "q4_k_m"), ("int8", "nf4", "torchao-int8")
PROGRAMS = ("transformers", *GGUF, "serve", "mlx", *QUANTISED)
ON_MLX = """
import json, sys
import mlx.core as mx
mx.set_default_device(mx.cpu)
from mlx_lm import load, stream_generate
folder, tokens = sys.argv[1:]
model, tokenizer = load(folder)
for line in sys.stdin:
    ids = tokenizer.apply_chat_template(json.loads(line), add_generation_prompt=True)
    text = "".join(part.text for part in stream_generate(model, tokenizer, ids, max_tokens=int(tokens)))
    print(json.dumps([list(ids), text]), flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What a program made of a request: the ids of its prompt, or their number; its free and its constrained answer."""

    ids: list[int] | int
    free: str
    constrained: str | None = None


@dataclass(frozen=True)
class Asked:
    """The requests, as texts of a chat, with our ids and our plans, free and constrained."""

    planner: Planner
    requests: Sequence[str]
    ids: Sequence[list[int]]
    free: Sequence[Any]
    constrained: Sequence[Any]
    tokens: int
    lark: str

    @classmethod
    def of(cls, run: Run, count: int, work: Path) -> "Asked":
        planner, free = (open_planner(run.decoded(kind)) for kind in ("grammar", "free"))
        planner = replace(planner, settings=planner.settings.model_copy(update={"beams": 1}))  # as programs decode
        rows = [
            row
            for part in ("test", "valid", "train")
            for row in read_dataset(str(run.folder("refine") / f"{part}.jsonl"), run.catalogue).rows
            if isinstance(row, Example)
        ]
        requests = list(dict.fromkeys(row.query for row in rows))[:count]
        assert run.catalogue is not None
        export_catalogue(run.catalogue, work, prompt=prompt_settings(run), max_steps=run.recipe.decode.max_steps)
        tokens = run.recipe.evaluate.max_new_tokens
        return cls(
            planner,
            requests,
            [planner.prompt.ids(request) for request in requests],
            list(free.plan(requests, batch_size=1, max_new_tokens=tokens)),
            list(planner.plan(requests, batch_size=1, max_new_tokens=tokens)),
            tokens,
            (work / "grammar.lark").read_text(encoding="utf-8"),
        )

    @property
    def chats(self) -> list[list[dict[str, str]]]:
        return [[{"role": "user", "content": self.planner.prompt.request_text(one)}] for one in self.requests]

    def row(self, name: str, said: Sequence[Said], seconds: float) -> str:
        read = self.planner.prompt.read
        ids = [one.ids in (ours, len(ours)) for one, ours in zip(said, self.ids, strict=True)]
        texts = [one.free.strip() == ours.text.strip() for one, ours in zip(said, self.free, strict=True)]
        free = [read(one.free, q) == ours.plan for one, q, ours in zip(said, self.requests, self.free, strict=True)]
        held = [
            read(one.constrained, q) == ours.plan
            for one, q, ours in zip(said, self.requests, self.constrained, strict=True)
            if one.constrained is not None
        ]
        cells = [name, *(f"{sum(part)} of {len(part)}" if part else "-" for part in (ids, texts, free, held))]
        return f"| {' | '.join(cells)} | {seconds:.0f} |"


def by_transformers(folder: Path, asked: Asked) -> Iterator[Said]:
    """A folder opened by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    for chat in asked.chats:
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        with torch.inference_mode():
            out = model.generate(torch.tensor([ids]), max_new_tokens=asked.tokens, do_sample=False)
        yield Said(list(ids), tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True))


def by_llama_cpp(file: Path, asked: Asked) -> Iterator[Said]:
    """A GGUF file in llama.cpp's own server."""
    server = LlamaServer.open(file, context=2 * max(map(len, asked.ids)) + asked.tokens)
    for chat in asked.chats:
        yield Said(
            server.prompt_ids(chat),
            server.answer(chat, tokens=asked.tokens),
            server.answer(chat, tokens=asked.tokens, grammar=asked.lark),
        )


def by_serve(folder: Path, asked: Asked, *, port: int) -> Iterator[Said]:
    """`transformers serve`, asked over HTTP."""
    with served(folder, port):
        for chat in asked.chats:
            body = {"model": str(folder), "messages": chat, "temperature": 0, "max_tokens": asked.tokens}
            got = post(f"http://localhost:{port}/v1/chat/completions", body)
            yield Said(got["usage"]["prompt_tokens"], got["choices"][0]["message"]["content"])


def by_mlx(folder: Path, asked: Asked, *, python: str) -> Iterator[Said]:
    """MLX on the CPU."""
    lines = "".join(json.dumps(chat) + "\n" for chat in asked.chats)
    command = [python, "-c", ON_MLX, str(folder), str(asked.tokens)]
    for line in subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        yield Said(*json.loads(line))


@contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    """`transformers serve` with a model, until it answers, and while it is asked."""
    command = [Path(sys.executable).parent / "transformers", "serve", folder, "--port", str(port), "--device", "cpu"]
    with subprocess.Popen([*map(str, command), "--dtype", "float32"]) as process:
        try:
            for _ in range(600):
                try:
                    urlopen(f"http://localhost:{port}/health").close()
                    break
                except OSError:
                    time.sleep(1)
            yield
        finally:
            process.terminate()


def post(url: str, body: dict[str, Any]) -> Any:
    with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})) as answer:
        return json.load(answer)


def said_by(program: str, model: Path, asked: Asked, work: Path, options: argparse.Namespace) -> Iterator[Said]:
    """What a program says, on an export that is made for it in `work`."""
    folder = work / program
    if program in GGUF:
        check_gguf(model, program)
        write_gguf(model, work / f"{program}.gguf", program)
        return by_llama_cpp(work / f"{program}.gguf", asked)
    if program in QUANTISED:
        check_quantisation(program)
        quantise_model(model, folder, program)
        return by_transformers(folder, asked)
    copy_model(model, folder)
    if program == "mlx":
        return by_mlx(folder, asked, python=options.mlx)
    return by_serve(folder, asked, port=options.port) if program == "serve" else by_transformers(folder, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--programs", default="transformers,f16,q8_0,q4_k_m", help=", ".join(PROGRAMS))
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--mlx", default=sys.executable, help="the Python with mlx-lm")
    parser.add_argument("--port", type=int, default=8123, help="of transformers serve")
    options = parser.parse_args()
    run = Run.open(options.run)
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked.of(run, options.requests, Path(folder))
        print(f"{len(asked.requests)} requests of {run.path.name}, notation {asked.planner.prompt.notation}\n")
        print(
            "| program | prompts | texts, free | plans, free | plans, grammar | seconds |\n|---|---|---|---|---|---|",
            flush=True,
        )
        for program in options.programs.split(","):
            start = time.monotonic()
            try:
                said = list(said_by(program, run.folder("merge") / "model", asked, Path(folder), options))
                print(asked.row(program, said, time.monotonic() - start), flush=True)
            except PlatypusError as error:
                print(f"| {program} | {str(error).splitlines()[0]} | | | | |", flush=True)


if __name__ == "__main__":
    main()
