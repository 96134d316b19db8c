"""export: the files that another program needs to answer with valid plans.

Without a target, these are the grammar as a Lark file for servers with llguidance (vLLM, SGLang, llama.cpp), a JSON
schema for others, the text around a request, an example request for each server, and a README with the commands. With a
target, one program gets all that it needs: the model in its shape, a request, and a README that lists what is lost.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import RunError
from platypus.exporting.gguf import check_gguf, write_gguf
from platypus.exporting.model_folder import check_quantisation, copy_model, quantise_model
from platypus.exporting.modelfile import modelfile
from platypus.exporting.planner_files import GrammarCheck, check, export_catalogue
from platypus.exporting.read_back import read_back
from platypus.exporting.readme import Facts
from platypus.exporting.targets import TARGETS, ExportOptions, TargetName, chat_request
from platypus.inference.opening import card_of, is_merged, prompt_settings
from platypus.model.bases import context_length, end_ids
from platypus.model.streamed import fits
from platypus.prompt.chat_template import has_gap
from platypus.prompt.prompt import Prompt
from platypus.run.definition import CATALOGUE
from platypus.run.folder import Outcome, Run
from platypus.run.refined import refined_rows

SERVERS: Mapping[str, TargetName] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llama.cpp": "gguf",
}  # files of requests, and the targets they are for


ANSWERS = 4  # of a GGUF file, that are compared with the model's
LENGTH = 64  # the most tokens of each
PROMPTS = 32  # of a GGUF file, whose ids are


def export(run: Run, *, force: bool = False) -> Outcome:
    """Write `export/` for the run's merged model.

    Raises RunError without a merged model or a catalogue, or if there can be no merged model; CatalogueError for a
    grammar that servers would refuse.
    """
    catalogue = _exportable(run)
    return run.perform(
        "export",
        inputs={"merge": run.fingerprint("merge"), "refine": run.fingerprint("refine")},
        settings={"steps": run.recipe.decode.max_steps, "tokens": run.recipe.evaluate.max_new_tokens},
        work=lambda folder: _for_servers(_Planner.of(run, catalogue), folder),
        force=force,
    )


def export_to(run: Run, options: ExportOptions, *, force: bool = False) -> Outcome:
    """Write `export-TARGET/`: the run's merged model as one program takes it, with all that it needs to plan.

    Raises RunError and ModelError, before anything is written, for what the program cannot have; and ModelError for a
    GGUF file whose prompts or plans would be others.
    """
    options.check()
    catalogue = _exportable(run)
    stage, model = f"export-{options.to}", run.folder("merge") / "model"
    if (run.path / stage).exists() and not run.is_done(stage):
        raise RunError(
            "there is a folder of this name that no export wrote", where=str(run.path / stage), remedy="Move it away."
        )
    if options.quantise:
        check_quantisation(options.quantise)
    return run.perform(
        stage,
        inputs={"merge": run.fingerprint("merge"), "refine": run.fingerprint("refine")},
        settings={
            "steps": run.recipe.decode.max_steps,
            "tokens": run.recipe.evaluate.max_new_tokens,
            **{key: value for key, value in asdict(options).items() if value is not None},
        },
        work=lambda folder: _for_target(_Planner.of(run, catalogue), options, model, folder),
        force=force,
    )


def _exportable(run: Run) -> Catalogue:
    """The run's catalogue. Raises RunError for a run that other programs cannot serve."""
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
    run.folder("merge")
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
    return catalogue


@dataclass(frozen=True)
class _Planner:
    """A run's merged model as others serve it: its prompts, its tokens, its test rows.

    `context` is the room for the longest prompt and its answer: keys and values take memory for all of it.
    """

    run: Run
    prompt: Prompt
    tokenizer: Any
    vocabulary: Vocabulary
    rows: Sequence[Example]
    context: int

    @classmethod
    def of(cls, run: Run, catalogue: Catalogue) -> "_Planner":
        """Raises RunError if the prompt has no room for all tools."""
        model = run.folder("merge") / "model"
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
        config = AutoConfig.from_pretrained(model)
        prompt, context = Prompt.of(tokenizer, catalogue, prompt_settings(run)), context_length(config) or 0
        if not prompt.has_room(context):
            raise RunError(
                f"its prompt has no room for all {len(catalogue)} tools, so each request has its own prompt and"
                " grammar",
                where=str(run.path),
                remedy="Ask it through Platypus, or split the catalogue, or set a larger `cutoff` if the base allows"
                " it.",
            )
        context = min(context, prompt.cutoff + run.recipe.evaluate.max_new_tokens)
        vocabulary = Vocabulary(tokenizer, size=max(len(tokenizer), config.get_text_config().vocab_size))
        rows = refined_rows(run, "test")
        return cls(run, prompt, tokenizer, vocabulary, [row for row in rows if isinstance(row, Example)], context)

    @property
    def catalogue(self) -> Catalogue:
        """The run's tools."""
        assert self.prompt.catalogue is not None
        return self.prompt.catalogue

    def write(self, folder: Path) -> tuple[dict[str, Any], GrammarCheck]:
        """Write grammar, schema and texts; returns what the grammar is like and how it was checked."""
        settings, steps = prompt_settings(self.run), self.run.recipe.decode.max_steps
        results = export_catalogue(self.catalogue, folder, prompt=settings, max_steps=steps, lead=self.vocabulary.lead)
        plans = [row.plan.ordered(self.catalogue) for row in self.rows]
        checked = check(folder, plans, notation=settings.notation, vocabulary=self.vocabulary)
        return {
            **results,
            "test_plans": checked.plans,
            "in_grammar": checked.plans - len(checked.not_in_grammar),
            **({"in_schema": checked.plans - len(checked.not_in_schema)} if settings.notation == "json" else {}),
            "not_taken": list(dict.fromkeys((*checked.not_in_grammar, *checked.not_in_schema))),
        }, checked

    def facts(self, checked: GrammarCheck, *, model: str, catalogue: str) -> Facts:
        """What the README says of it."""
        return Facts(model, catalogue, prompt_settings(self.run), self.run.recipe.decode.max_steps, str(checked))

    def request(self, to: TargetName, folder: Path) -> str:
        """A request of a program, as JSON, with the grammar or schema in the folder."""
        schema = folder / "schema.json"
        request = chat_request(
            to,
            lark=(folder / "grammar.lark").read_text(encoding="utf-8"),
            schema=json.loads(schema.read_text(encoding="utf-8")) if schema.exists() else None,
            tokens=self.run.recipe.evaluate.max_new_tokens,
        )
        return json.dumps(request, ensure_ascii=False) + "\n"

    def modelfile(self, model: Path) -> str:
        """Ollama's Modelfile; its prompt begins with the same space as the chat template, if that has one."""
        frame = self.prompt.frame
        if has_gap((model / "chat_template.jinja").read_text(encoding="utf-8")):
            frame = frame._replace(before=" " + frame.before)
        ends = json.loads((model / "generation_config.json").read_text(encoding="utf-8")).get("eos_token_id")
        stops = [self.tokenizer.convert_ids_to_tokens(end) for end in end_ids(ends)]
        tokens = self.run.recipe.evaluate.max_new_tokens
        return modelfile(**frame._asdict(), stops=stops, context=self.context, tokens=tokens)


def _for_servers(planner: _Planner, folder: Path) -> dict[str, Any]:
    results, checked = planner.write(folder)
    for file, target in SERVERS.items():
        (folder / f"{file}.json").write_text(planner.request(target, folder), encoding="utf-8")
    path = planner.run.path
    facts = planner.facts(checked, model=str(path / "merge" / "model"), catalogue=str(path / "catalogue.json"))
    (folder / "README.md").write_text(facts.servers_page(), encoding="utf-8")
    return results


def _for_target(planner: _Planner, options: ExportOptions, model: Path, folder: Path) -> dict[str, Any]:
    target, losses = TARGETS[options.to], list[str]()
    if target.gguf:
        made, losses = _gguf(planner, options, model, folder / target.model)
    elif options.quantise:
        made = quantise_model(model, folder / target.model, options.quantise, shard_size=options.shard_size)
        losses = [f"The linear layers are rounded to {options.quantise}, so some plans may be others."]
    else:
        made = copy_model(model, folder / target.model, shard_size=options.shard_size)
    if (beams := planner.run.recipe.decode.beams) > 1:
        losses = [*losses, f"Platypus searches with {beams} beams, and this request is greedy: some plans are others."]
    results, checked = planner.write(folder)
    shutil.copyfile(planner.run.path / CATALOGUE, folder / CATALOGUE)
    (folder / "request.json").write_text(planner.request(options.to, folder), encoding="utf-8")
    if options.to == "ollama":
        (folder / "Modelfile").write_text(planner.modelfile(model), encoding="utf-8")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    page = planner.facts(checked, model=target.model, catalogue=CATALOGUE).target_page(
        options.to,
        folder,
        [*target.losses_of(prompt_settings(planner.run).notation), *losses],
        dtype=config["dtype"],
        context=planner.context,
    )
    (folder / "README.md").write_text(page, encoding="utf-8")
    return {**made, **results, "losses": losses}


def _gguf(planner: _Planner, options: ExportOptions, model: Path, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Write a GGUF file and read it back: what it holds, and what is lost."""
    kind, requests = options.gguf_type, [row.query for row in planner.rows[:PROMPTS]] or ["1", "Plan"]
    check_gguf(model, kind)
    written = write_gguf(model, file, kind)
    tokens = planner.run.recipe.evaluate.max_new_tokens
    answers = ANSWERS if fits(str(model)) else 0
    compared = read_back(
        file,
        model,
        planner.prompt,
        requests,
        kind=kind,
        answers=answers,
        tokens=min(tokens, LENGTH),
        context=planner.context,
    )
    held = ", ".join(f"{count} {name}" for name, count in written.tensors.items())
    losses = [f"The matrices are rounded to {kind} ({held})." if len(written.tensors) > 1 or kind != "f16" else
              "The weights are rounded to float16."]  # fmt: skip
    facts = {"type": kind, "model_bytes": file.stat().st_size, "pretokenizer": written.pretokenizer or "sentencepiece"}
    checks = {
        "same_prompts": compared.prompts,
        "same_answers": f"{compared.answers - compared.other_answers} of {compared.answers}",
    }
    return {**facts, "tensors": dict(written.tensors), **checks}, [*losses, *compared.losses]
