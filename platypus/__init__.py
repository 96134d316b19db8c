"""Platypus turns a tool catalogue into a planner: a small, fine-tuned model that answers a request with a valid plan.

A package or module imports only those listed above it; within a package the same holds for its modules, which its own
docstring lists. Torch is imported only where it says [torch], so that everything else is quick to import.

    errors.py           what a user can do wrong: what, where, and the remedy
    files.py            read a user's text file; write a file whole or not at all
    strict_json.py      JSON as its standard has it
    parallel.py         how many cores there are; ordered work ahead of its consumer
    progress.py         a bar on a terminal, a line every half minute in a log
    reports.py          sections, tables and bars as Markdown and as one HTML page
    catalogue/          the tools that a planner may use
    plan/               what a planner answers: valid plans, and what is not one
    execution/          plans that run: policies, back ends, traces
    data/               rows of examples, in and out of files
    prompt/             how requests and answers look as text and tokens
    run/                recipes and settings, and the folder of a run
    generation/         examples from a catalogue alone
    refinement/         check, deduplicate and split rows
    model/              language models on disk and in memory [torch]
    training/           LoRA fine-tuning [torch]
    merging/            adapters and models into bases [torch]
    decoding/           a model under a constraint: valid plans only
    inference/          a request in, an answer out
    evaluation/         answers scored and reported
    publishing/         a run's model on the hub
    serving/            planners behind an HTTP API, MCP and a page
    chat/               the conversation in the terminal
    pretraining/        how the embedded base is made [torch]
    exporting/          a merged model as other programs take it
    outcomes.py         outcomes of stages as text and on standard output
    commands/           one file for each command of the command line
    options.py          the arguments and options that several commands share
    cli_evaluation.py   the commands that score and compare
    cli_execute.py      the arguments of `execute`
    cli_export.py       the arguments of `export`
    cli_push.py         the arguments of `push`
    cli.py              arguments → command

`import platypus` imports nothing heavy: the public names below are looked up when they are first used.
"""

import logging
from importlib import import_module
from typing import Any

# Where bitsandbytes is installed, PEFT imports it, and it warns of kernels that it lacks and of each cast to 8 bits.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

__version__ = "0.1.0"

_PUBLIC = {
    "Catalogue": "catalogue.tools",
    "read_catalogue": "catalogue.reading",
    "Plan": "plan.plan",
    "Malformed": "plan.plan",
    "parse_plan": "plan.plan",
    "read_dataset": "data.dataset",
    "Prompt": "prompt.prompt",
    "GenerateSettings": "run.settings",
    "TrainSettings": "run.settings",
    "generate_examples": "generation.examples",
    "load_base": "model.loading",
    "load_merged": "model.loading",
    "AdapterCard": "model.adapters",
    "adapt": "training.adapter",
    "init_processes": "training.distributed",
    "StepSplit": "training.forecast",
    "fit": "training.loop",
    "merge_adapter": "merging.lora",
    "Planner": "inference.planner",
    "PlatypusError": "errors",
    "Execution": "execution.execution",
    "Policy": "execution.policy",
    "Terms": "execution.execution",
    "Toolbox": "execution.toolbox",
    "execute_plan": "execution.execution",
    "open_planner": "inference.opening",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'platypus' has no attribute {name!r}")
    return getattr(import_module(f"platypus.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
