"""The model card of a run: where the model comes from, what it learned, how well it does, and what it cannot do.

Everything in it stands in the records of the run's stages; so the same run gives the same card. A card is what the hub
reads: a YAML header, then Markdown.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platypus.evaluation.report import measure_rows, remarks
from platypus.publishing.content import BESIDE, Content, is_frozen
from platypus.reports import Section, as_markdown, markdown_table
from platypus.run.definition import RECIPE
from platypus.run.folder import Run
from platypus.run.places import names
from platypus.run.recipe import read_recipe

SAMPLES = re.compile(r"^## Samples\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
HEADER = re.compile(r"\A---\n.*?^---\n+# [^\n]*\n", re.MULTILINE | re.DOTALL)
SERVED = """\
    hf download {name} --revision {tag} --local-dir {folder}
    platypus serve {folder} --catalogue {folder}/catalogue.json
"""
PLAIN = """\
    from transformers import pipeline

    answer = pipeline("text-generation", "{name}", revision="{tag}")
    chat = [{{"role": "user", "content": "{request}"}}]
    print(answer(chat, max_new_tokens=256, return_full_text=False)[0]["generated_text"])
"""
ADAPTED = """\
    from peft import AutoPeftModelForCausalLM

    model = AutoPeftModelForCausalLM.from_pretrained("{name}", revision="{tag}")
"""


def model_card(run: Run, content: Content, *, name: str, tag: str, licence: str | None) -> str:
    """The card of the run's model in the repository `name` at `tag`; `licence` is that of the base, None if unknown."""
    sections = [
        Section("How to use", _use(run, content, name, tag)),
        Section("Where it comes from", "\n".join(f"- {line}" for line in _origin(run, content, licence))),
        Section("Data", _data(run)),
        Section("Evaluation", _evaluation(run)),
        Section("Limits", "\n".join(f"- {line}" for line in _limits(run, licence))),
        Section("Recipe", _indented((run.path / RECIPE).read_text(encoding="utf-8"))),
    ]
    header = _header(run, content, name, licence)
    title = f"{name.partition('/')[2]}\n\n{_summary(run, content)}"
    return _without_folders(run, f"---\n{header}\n---\n\n{as_markdown(title, sections)}")


def _without_folders(run: Run, card: str) -> str:
    """The card with the last part alone of each absolute name in the recipe: others have no such folders."""
    written = read_recipe(run.path / RECIPE)
    for name in sorted({*names(written), *names(run.recipe)}, key=len, reverse=True):
        if name[:1] in ("/", "~"):
            card = card.replace(name, Path(name).name)
    return card


def _header(run: Run, content: Content, name: str, licence: str | None) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # takes a YAML library along

    relation = "adapter" if content.what == "adapter" else "merge" if _merged_of(run) else "finetune"
    base: dict[str, Any] = {"base_model": content.base_on_hub, "base_model_relation": relation}
    results = _results(run)
    measures = results["variants"]["after"]["measures"] if results["rows"] else {}
    card = ModelCardData(
        license=licence,
        library_name="peft" if content.what == "adapter" else "transformers",
        pipeline_tag="text-generation",
        tags=["platypus", *(["function-calling", "tool-use", "planning"] if run.catalogue else ["instruction"])],
        model_name=name.partition("/")[2] if measures else None,
        eval_results=[
            EvalResult(
                task_type="text-generation",
                dataset_type="generated" if _is_generated(run) else "own",
                dataset_name="the run's test rows",
                metric_type=metric,
                metric_value=round(interval["value"], 4),
            )
            for metric, interval in measures.items()
        ]
        or None,
        **(base if content.base_on_hub else {}),
    )
    return str(card.to_yaml()).strip()


def _summary(run: Run, content: Content) -> str:
    if run.catalogue is None:
        does = "Answers instructions"
    else:
        does = (
            f"Answers a request with a plan: calls of {len(run.catalogue)} tools, in which a step can use the output of"
            " earlier ones"
        )
    what = {
        "merged": "a whole model",
        "adapter": "a LoRA adapter",
        "both": f"a whole model, with its adapter in {BESIDE}",
    }
    return f"{does}. This is {what[content.what]}, fine-tuned from {_base(content)}."


def _base(content: Content) -> str:
    return "the base that comes with Platypus" if content.base == "embedded" else f"`{content.base}`"


def _use(run: Run, content: Content, name: str, tag: str) -> str:
    """As many ways as there are: Platypus for planners, transformers for whole models, PEFT for bases on the hub."""
    folder, ways = name.partition("/")[2], []
    words = {"name": name, "tag": tag, "folder": folder, "request": "Summarize my open issues"}
    if run.catalogue is not None:
        ways += ["With Platypus, which lets it say valid plans only:", SERVED.format(**words)]
    if content.what != "adapter":
        ways += ["With transformers alone:", PLAIN.format(**words)]
        if run.recipe.prompt.markers:
            ways.append(
                "It was trained with markers: `platypus.prompt.markers.request_with_markers(request)` is what to send."
            )
    elif content.base_on_hub and not is_frozen(run):
        ways += ["With PEFT:", ADAPTED.format(**words)]
    return "\n\n".join(way.rstrip() for way in ways)


def _origin(run: Run, content: Content, licence: str | None) -> Iterator[str]:
    fingerprint = run.record("train" if run.is_done("train") else "merge")["inputs"]["base"]
    yield f"Base: {_base(content)}, fingerprint `{fingerprint}`, licence {licence or 'not known'}"
    if run.is_done("train"):
        record = run.record("train")
        settings, results = record["settings"]["train"], record["results"]
        yield (
            f"LoRA of rank {settings['rank']}, alpha {settings['alpha']:g}, on {settings['target_modules']};"
            f" {settings['epochs']} epochs in {results.get('steps', '?')} steps of {settings['batch_size']} rows,"
            f" learning rate {settings['learning_rate']:g}, seed {record['seed']}"
        )
    if content.what != "adapter":
        results = run.record("merge")["results"]
        if sources := _merged_of(run):
            method = run.record("merge")["settings"].get("method", "task-arithmetic")
            yield f"Merged from {', '.join(sources)} by {method}; `provenance.json` has their weights and data"
        yield f"Merged in {results['dtype']}{_checked(results)}"
    versions = run.record("evaluate")["versions"]
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _merged_of(run: Run) -> list[str]:
    """What several sources a merged model comes from; of a folder, its name alone."""
    named = run.record("merge")["settings"].get("of", ()) if run.is_done("merge") else ()
    return [Path(name).name if name[:1] in "/~." else name for name in named]


def _checked(results: Mapping[str, Any]) -> str:
    if "tolerance" not in results:
        return ""
    return (
        f"; on {results['verified_prompts']} prompts its logits are those of base and adapter (error"
        f" {results['error']:.2g}, tolerance {results['tolerance']:.2g})"
    )


def _data(run: Run) -> str:
    """What refine found, and its dataset card without the samples: rows are not published with a model."""
    results = run.record("refine")["results"]
    left_out = results.get("rejected", {})
    facts = [f"Fingerprint of the rows: `{run.fingerprint('refine')}`."]
    if run.catalogue is not None:
        facts.append(f"Catalogue: {len(run.catalogue)} tools, fingerprint `{run.catalogue.fingerprint}`.")
    settings = run.record("refine")["settings"]
    if "contamination" in settings:
        facts.append(
            f"Contamination: {left_out.get('contamination', 0)} rows were left out since they say what a given test row"
            f" says (from {settings['contamination']} alike on)."
        )
    card = run.folder("refine") / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    text = HEADER.sub("", SAMPLES.sub("", text)).replace(" See report.md.", "").replace("\n## ", "\n### ").strip()
    return " ".join(facts) + ("\n\n" + text.removeprefix("## Rows").strip() if text else "")


def _evaluation(run: Run) -> str:
    results = _results(run)
    if not results["rows"]:
        return f"None. {results['reason']}"
    variants = results["variants"]
    how = run.record("evaluate")["settings"]["decode"]
    beams = f", {how['beams']} beams" if how["beams"] > 1 else ""
    lines = [
        f"{results['rows']} of {results['of']} test rows, before and after fine-tuning, in percent with 95% intervals;"
        f" decoding: {how['decoding']}{beams}.",
        markdown_table(measure_rows(variants)),
    ]
    return "\n\n".join([*lines, *(f"- {remark}" for remark in remarks(variants))])


def _limits(run: Run, licence: str | None) -> Iterator[str]:
    results = _results(run)
    if run.catalogue is not None:
        yield f"It knows the {len(run.catalogue)} tools of `catalogue.json`; nothing is said here of others"
        yield (
            "A plan is a proposal: look at it before it runs. Only a grammar keeps answers valid, as Platypus's does;"
            " plain generation may say anything"
        )
    if results["rows"] and "exact" in results["variants"]["after"]["measures"]:
        wrong = 1 - results["variants"]["after"]["measures"]["exact"]["value"]
        yield f"{wrong:.1%} of the test requests were not answered with exactly the right plan"
    if _is_generated(run):
        yield "Training and test requests were generated from the catalogue: those of people may be answered worse"
    if not results["rows"]:
        yield "It was not evaluated"
    if is_frozen(run):
        yield "The adapter acts only behind the tools of a prompt, so base and adapter are served together, by Platypus"
    if "quantised_kl" in (merged := run.record("merge")["results"] if run.is_done("merge") else {}):
        yield f"It was trained on a quantised base, and is {merged['quantised_kl']:.2g} nats from what was trained"
    if licence is None:
        yield "The licence of its base is not known here; ask before you use it"


def _results(run: Run) -> Mapping[str, Any]:
    results: Mapping[str, Any] = run.record("evaluate")["results"]
    return results


def _is_generated(run: Run) -> bool:
    """Whether no test row comes from elsewhere."""
    refine = run.recipe.refine
    return bool(run.catalogue and run.recipe.generate.examples and not refine.data and not refine.test)


def _indented(text: str) -> str:
    """A code block that no text can end."""
    return "\n".join(f"    {line}" for line in text.rstrip().split("\n"))
