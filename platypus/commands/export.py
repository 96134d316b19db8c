"""export: the files that another server needs to answer with valid plans only.

These are the grammar as a Lark file for servers with llguidance (vLLM, SGLang, llama.cpp), a JSON schema for others,
the text around a request, an example request for each server, and a README with the commands. The grammar is compiled
within the limits of such servers, and checked against the run's test plans. Servers do not check for equal elements and
may choose tokens that are not canonical, so their answers have to be checked like those of any model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from llguidance import LLMatcher, LLTokenizer
from transformers import AutoConfig, AutoTokenizer

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, read_dataset
from platypus.decoding.grammar.plans import plan_grammar
from platypus.decoding.grammar.schemas import plan_schema
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import CatalogueError, RunError
from platypus.inference.opening import card_of, is_merged, prompt_settings
from platypus.model.bases import context_length
from platypus.plan.notation import Notation, print_plan
from platypus.plan.plan import Plan
from platypus.prompt.prompt import Prompt
from platypus.prompt.templates import frame
from platypus.run.folder import Outcome, Run
from platypus.run.settings import PromptSettings

REQUEST = "Summarize my open issues"
LLGUIDANCE = "0.7.30"  # the first release with parametric grammars
SERVERS: Mapping[str, Mapping[str, Any]] = {  # the field of a chat request that takes a grammar
    "vllm": {"structured_outputs": {"grammar": ""}},
    "sglang": {"ebnf": ""},
    "llama.cpp": {"grammar": ""},
}
README = """\
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


@dataclass(frozen=True)
class GrammarCheck:
    """The number of plans checked, and the texts of those that the grammar or the schema does not accept."""

    plans: int
    not_in_grammar: tuple[str, ...]
    not_in_schema: tuple[str, ...]

    def __str__(self) -> str:
        missing = len(self.not_in_grammar)
        return (
            f"Of the run's {self.plans} test plans it takes " + (str(self.plans - missing) if missing else "all") + "."
        )


def export(run: Run, *, force: bool = False) -> Outcome:
    """Write `export/` for the run's merged model.

    Raises RunError without a merged model or a catalogue, or if there can be no merged model; CatalogueError for a
    grammar that servers would refuse.
    """
    catalogue = run.catalogue
    if catalogue is None:
        raise RunError(
            "the run has no catalogue, so its answers have no grammar",
            where=str(run.path),
            remedy=f"Serve the plain model: {run.path / 'merge' / 'model'}",
        )
    if not run.is_done("merge") and run.is_done("train") and card_of(run).invocation:
        raise RunError(
            'its adapter has prefix = "frozen" and cannot be merged, and other servers are given a merged model',
            where=str(run.path),
            remedy=f"Serve it here: platypus serve {run.path}; write the grammar alone: platypus export --catalogue"
            ' FILE; or train with prefix = "auto" under [train].',
        )
    merged = run.fingerprint("merge")
    if not is_merged(run):
        raise RunError(
            "the merged model was made from an older adapter",
            where=str(run.path),
            remedy=f"Run: platypus merge {run.path}",
        )
    if prompt_settings(run).template == "chat":
        raise RunError(
            "its merged model keeps the chat template of its base, which does not render the requests of a planner",
            where=str(run.path),
            remedy='Train it with template = "alpaca" under [prompt].',
        )
    return run.perform(
        "export",
        inputs={"merge": merged, "refine": run.fingerprint("refine")},
        settings={"steps": run.recipe.decode.max_steps, "tokens": run.recipe.evaluate.max_new_tokens},
        work=lambda folder: _work(run, catalogue, folder),
        force=force,
    )


def export_catalogue(
    catalogue: Catalogue, folder: Path, *, prompt: PromptSettings, max_steps: int, lead: str = ""
) -> dict[str, Any]:
    """Write the grammar, the schema (only for `json`) and the text around a request; `lead` is text before every plan.

    Raises CatalogueError for a grammar that servers would refuse.
    """
    notation, markers = prompt.notation, prompt.markers
    grammar = plan_grammar(catalogue, notation, max_steps=max_steps, lead=lead, markers=markers)
    compiled(grammar.lark, LLTokenizer("byte"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grammar.lark").write_text(grammar.lark, encoding="utf-8")
    (folder / "schema.json").unlink(missing_ok=True)  # of an earlier export in another notation
    if notation == "json":
        schema = plan_schema(catalogue, max_steps=max_steps)
        (folder / "schema.json").write_text(json.dumps(schema, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, text in frame(catalogue, notation, markers=markers, rendering=prompt.rendering)._asdict().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    sizes = {"steps": grammar.steps, "classes": grammar.classes, "bits": grammar.bits * grammar.steps}
    return {"tools": len(catalogue), "notation": notation, "bytes": len(grammar.lark.encode()), **sizes}


def compiled(lark: str, tokens: LLTokenizer) -> LLMatcher:
    """The grammar, compiled as servers do, within llguidance's default limits. Raises CatalogueError if that fails."""
    matcher = LLMatcher(tokens, LLMatcher.grammar_from_lark(lark), log_level=0)
    if matcher.is_error():
        raise CatalogueError(
            f"its grammar cannot be compiled by a server: {matcher.get_error().partition(chr(10))[0]}",
            remedy="Use fewer tools, or a smaller `max_steps` under [decode].",
        )
    return matcher


def check(folder: Path, plans: Sequence[Plan], *, notation: Notation, vocabulary: Vocabulary) -> GrammarCheck:
    """Check these plans against the written files: the grammar token by token, the schema as JSON."""
    matcher = compiled((folder / "grammar.lark").read_text(encoding="utf-8"), vocabulary.tokens)
    schema = folder / "schema.json"
    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")) if schema.exists() else {})
    printed = [print_plan(plan, notation) for plan in plans]
    return GrammarCheck(
        len(plans),
        tuple(text for text in printed if not _takes(matcher, vocabulary.encode(text))),
        tuple(text for text, plan in zip(printed, plans, strict=True) if not validator.is_valid(plan.to_json())),
    )


def _takes(matcher: LLMatcher, ids: Sequence[int]) -> bool:
    probe = matcher.deep_copy()
    return probe.try_consume_tokens(list(ids)) == len(ids) and probe.is_accepting()


def _work(run: Run, catalogue: Catalogue, folder: Path) -> dict[str, Any]:
    prompt, max_steps = prompt_settings(run), run.recipe.decode.max_steps
    notation = prompt.notation
    model = run.folder("merge") / "model"
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    config = AutoConfig.from_pretrained(model)
    size = max(len(tokenizer), config.vocab_size)
    if not Prompt.of(tokenizer, catalogue, prompt).has_room(context_length(config)):
        raise RunError(
            f"its prompt has no room for all {len(catalogue)} tools, so each request has its own prompt and grammar",
            where=str(run.path),
            remedy="Ask it through Platypus, or split the catalogue, or set a larger `cutoff` if the base allows it.",
        )
    vocabulary = Vocabulary(tokenizer, size=size)
    results = export_catalogue(catalogue, folder, prompt=prompt, max_steps=max_steps, lead=vocabulary.lead)
    rows = read_dataset(str(run.folder("refine") / "test.jsonl"), catalogue).rows
    plans = [row.plan.ordered(catalogue) for row in rows if isinstance(row, Example)]
    check_result = check(folder, plans, notation=notation, vocabulary=vocabulary)
    lark = (folder / "grammar.lark").read_text(encoding="utf-8")
    for server, field in SERVERS.items():
        request = {
            "model": "planner",
            "messages": [{"role": "user", "content": REQUEST}],
            "temperature": 0,
            "max_tokens": run.recipe.evaluate.max_new_tokens,
            **_filled(field, lark),
        }
        (folder / f"{server}.json").write_text(json.dumps(request, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(run, prompt, max_steps, check_result), encoding="utf-8")
    return {
        **results,
        "test_plans": check_result.plans,
        "in_grammar": check_result.plans - len(check_result.not_in_grammar),
        **({"in_schema": check_result.plans - len(check_result.not_in_schema)} if notation == "json" else {}),
        "not_taken": list(dict.fromkeys((*check_result.not_in_grammar, *check_result.not_in_schema))),
    }


def _filled(field: Mapping[str, Any], lark: str) -> dict[str, Any]:
    return {name: _filled(inner, lark) if isinstance(inner, Mapping) else lark for name, inner in field.items()}


def _readme(run: Run, prompt: PromptSettings, max_steps: int, check_result: GrammarCheck) -> str:
    return README.format(
        model=run.path / "merge" / "model",
        catalogue=run.path / "catalogue.json",
        marked=MARKED if prompt.markers else "",
        named=", marked_texts(request)" if prompt.markers else "",
        notation=prompt.notation,
        steps=max_steps,
        version=LLGUIDANCE,
        request=REQUEST,
        schema_row=SCHEMA_ROW if prompt.notation == "json" else "",
        schema_note=SCHEMA_NOTE if prompt.notation == "json" else NO_SCHEMA_NOTE,
        checked=check_result,
    )
