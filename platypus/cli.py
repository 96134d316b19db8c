"""The command line: parses arguments, calls one command and prints its outcome. It has no logic of its own.

Results go to standard output (with `--json` one JSON object per line), all messages to standard error. Exit codes:
0 done; 1 failed, with one message that says what, where and the remedy; 2 the command line was wrong; 130 interrupted.
Commands are imported only once the run is open: torch takes seconds, and `--help` or a mistake in a recipe must not.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from platypus import __version__
from platypus.cli_evaluation import compare, curve, evaluate, score, sweep
from platypus.cli_execute import execute
from platypus.cli_export import export
from platypus.cli_push import push
from platypus.errors import PlatypusError
from platypus.options import (
    Checked,
    Columns,
    Decode,
    Force,
    Json,
    MergedOf,
    ModelFolder,
    Only,
    OtherTools,
    RecipeFile,
    RunFolder,
    Temperature,
    TimeLimit,
    Today,
    WriteTools,
    check_request,
    open_run,
    read_tools_of,
)
from platypus.outcomes import print_forecast, print_outcome, print_scores, rank, result_lines
from platypus.run.lock import check_processes

LISTEN = 10  # seconds within which torchrun ends the other processes once one has failed

app = typer.Typer(
    help="Turn a tool catalogue into a planner: a small language model that answers a request with a valid plan.",
    rich_markup_mode=None,  # rich would double the time of --help
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit. `--debug` may be anywhere in it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        app([word for word in words if word != "--debug"], prog_name="platypus")
    except Exception as error:
        if debug:
            raise
        if isinstance(error, PlatypusError):
            _fail(str(error))
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"unexpected error: {reason} (--debug shows where)")
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    """Print what went wrong and exit with code 1.

    An error usually stops all processes of a run. The others wait, and torchrun ends them once the first one has
    failed, so that the message appears once. They print it only if the first process does not fail.
    """
    if rank() > 0:
        time.sleep(LISTEN)
    typer.secho(f"platypus: {message}", fg="red", err=True)
    sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"platypus {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Declare the options of every command; refuse a command that several processes cannot share."""
    check_processes(context.invoked_subcommand)


@app.command()
def generate(run: RunFolder, recipe: RecipeFile = None, force: Force = False, as_json: Json = False) -> None:
    """Make examples from the catalogue alone."""
    opened = open_run(run, recipe)
    from platypus.commands.generate import generate

    print_outcome(generate(opened, force=force), as_json=as_json)


@app.command()
def refine(
    run: RunFolder,
    recipe: RecipeFile = None,
    force: Force = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Mend nothing: a row that would need it is a bad row.")
    ] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Read and check on a Ray cluster (RAY_ADDRESS).")] = False,
    as_json: Json = False,
) -> None:
    """Check, deduplicate and split the examples."""
    opened = open_run(run, recipe)
    from platypus.commands.refine import refine
    from platypus.refinement.candidates import on_cores
    from platypus.refinement.on_ray import on_ray

    mapped = on_ray if ray else on_cores
    print_outcome(refine(opened, force=force, strict=strict, mapped=mapped), as_json=as_json)


@app.command()
def train(
    run: RunFolder,
    recipe: RecipeFile = None,
    force: Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what it would need: tokens, memory, time.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune a LoRA adapter on the training examples."""
    opened = open_run(run, recipe)
    from platypus.commands.train import forecast, train

    if dry_run:
        print_forecast(forecast(opened), as_json=as_json)
    else:
        print_outcome(train(opened, force=force), as_json=as_json)


@app.command()
def merge(
    run: RunFolder, recipe: RecipeFile = None, of: MergedOf = None, force: Force = False, as_json: Json = False
) -> None:
    """Merge the adapter, or other sources, into the base."""
    names = [] if of is None else [name.strip() for name in of.split(",")]
    if not all(names):
        raise typer.BadParameter("has an empty name; say A,B", param_hint="--of")
    opened = open_run(run, recipe).merged_of(names)
    from platypus.commands.merge import merge

    print_outcome(merge(opened, force=force), as_json=as_json)


for command in (evaluate, score, compare, sweep, curve):
    app.command()(command)


app.command()(export)


@app.command("all")
def all_stages(run: RunFolder, recipe: RecipeFile = None, force: Force = False, as_json: Json = False) -> None:
    """Run every possible stage that is not done yet, in order."""
    opened = open_run(run, recipe)
    from platypus.commands.evaluate import evaluate
    from platypus.commands.generate import generate
    from platypus.commands.merge import merge
    from platypus.commands.refine import refine
    from platypus.commands.train import train

    opened.check_sources()
    generates = opened.catalogue is not None and opened.recipe.generate.examples > 0
    trains = not opened.recipe.merge.of
    merges = not trains or opened.recipe.train.prefix != "frozen"
    for stage in [generate] * generates + [refine] + [train] * trains + [merge] * merges:
        print_outcome(stage(opened, force=force), as_json=as_json)
    print_scores(evaluate(opened, force=force), as_json=as_json)


@app.command()
def plan(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="The run's folder. Without one, say REQUEST alone.", show_default=False)
    ],
    request: Annotated[
        str | None, typer.Argument(metavar="REQUEST", help="What is wanted, in words.", show_default=False)
    ] = None,
    catalogue: OtherTools = None,
    only: Only = None,
    decoding: Decode = None,
    time_limit: TimeLimit = None,
    today: Today = None,
    as_json: Json = False,
) -> None:
    """Answer one request with a plan. Exit code 1 when the answer is not a whole one, or the planner is not sure of it.

    Without RUN, the embedded base answers as it is: with the tools of --catalogue that are most like the
    request, four beams and a prior over tools.
    """
    from platypus.commands.chat import plan, plan_untrained
    from platypus.inference.opening import UNTRAINED
    from platypus.run.recipe import Recipe

    check_request(run if request is None else request)
    tools = read_tools_of(catalogue, only)
    if request is not None:
        opened = open_run(Path(run), decoding=decoding, seconds=time_limit, today=today)
        answered = plan(opened, request, catalogue=tools, as_json=as_json)
    elif tools is not None:
        recipe = Recipe(decode=UNTRAINED).decoded(decoding, seconds=time_limit, today=today)
        answered = plan_untrained(run, tools, recipe, as_json=as_json)
    else:
        raise typer.BadParameter("say RUN and REQUEST, or REQUEST and --catalogue SOURCE", param_hint="REQUEST")
    if not answered:
        raise typer.Exit(1)


app.command()(execute)
app.command()(push)


@app.command()
def chat(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)] = None,
    catalogue: OtherTools = None,
    only: Only = None,
    decoding: Decode = None,
    time_limit: TimeLimit = None,
    today: Today = None,
    temperature: Temperature = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="The probability of the tokens to draw from.")] = None,
    seed: Annotated[int | None, typer.Option(help="What the draws begin with.")] = None,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="What ends an answer. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each line of input, no commands.")] = False,
) -> None:
    """Talk to the fine-tuned model. Ctrl-C stops an answer.

    Without RUN, the embedded base answers as it is: with the tools of --catalogue that are most like the
    request, four beams and a prior over tools.
    """
    from platypus.chat.texts import TextOptions
    from platypus.commands.chat import chat, chat_untrained

    tools = read_tools_of(catalogue, only)
    options = TextOptions.of(temperature, top_p, seed, stop)
    if run is not None:
        opened = open_run(run, decoding=decoding, seconds=time_limit, today=today)
        answered = chat(opened, catalogue=tools, options=options, as_json=as_json)
    elif tools is not None and options is None:
        answered = chat_untrained(tools, decoding=decoding, seconds=time_limit, today=today, as_json=as_json)
    else:
        raise typer.BadParameter("say RUN, or --catalogue SOURCE for a planner", param_hint="RUN")
    if not answered:
        raise typer.Exit(1)


@app.command()
def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[[NAME=]RUN]…", help="Runs, adapters, model folders or hub names; else the base."),
    ] = None,
    catalogue: OtherTools = None,
    only: Only = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any that is free.")] = 8080,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name that it answers to. Repeatable.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(metavar="FILE", help="The keys that may ask, as hashes.")] = None,
    add_key: Annotated[str | None, typer.Option(metavar="NAME", help="Add a key to --keys, print it, end.")] = None,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Anyone who reaches the address may ask.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Speak MCP on standard input and output, no HTTP.")] = False,
    adapters: Annotated[bool, typer.Option("--adapters", help="Adapters on a shared base, even if merged.")] = False,
    beams: Annotated[int | None, typer.Option(min=1, help="The beams of a search, else as in the recipe.")] = None,
    today: Today = None,
    corrections: Annotated[Path, typer.Option(metavar="FILE", help="For those of no run.")] = Path("corrections.jsonl"),
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="The longest answer.")] = 30.0,
    queue: Annotated[int, typer.Option(min=1, help="Open requests before others are turned away.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Plans that are decoded together.")] = 8,
    cache: Annotated[int, typer.Option(metavar="MB", min=1, help="Memory for catalogues that clients send.")] = 1024,
    references: Annotated[Literal["keep", "none"], typer.Option(help="none: calls wait for results.")] = "keep",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads that compute, else cores less one.")] = None,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log the text of requests too.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Run plans too, by the policies of the runs.")] = False,
) -> None:
    """Serve planners to programs, and to people on a page."""
    from platypus.commands.serve import Reach, serve, serve_mcp, use_threads
    from platypus.commands.serve import add_key as add_key_to
    from platypus.run.recipe import Recipe
    from platypus.serving.limits import Limits
    from platypus.serving.opening import OpeningOptions

    if add_key is not None:
        if keys is None:
            raise typer.BadParameter("say which file: --keys FILE", param_hint="--add-key")
        add_key_to(keys, add_key)
        return
    reach = Reach(host, port, tuple(allow_host or ()), keys, no_keys, references, execute)
    day = Recipe().decoded(today=today).decode.today
    opening = OpeningOptions(read_tools_of(catalogue, only), adapters, beams, corrections, day)
    limits = Limits(seconds=time_limit, queue=queue, batch=batch, cache=cache << 20)
    use_threads(threads)
    (serve_mcp if mcp else serve)(sources or (), reach, opening, limits, log_requests=log_requests)


@app.command()
def check(
    source: Checked,
    catalogue: Annotated[
        str | None, typer.Option("--catalogue", metavar="SOURCE", help="Check plans against these tools as well.")
    ] = None,
    only: Only = None,
    write: WriteTools = None,
    columns: Columns = None,
    base: Annotated[str, typer.Option(help="The base whose tokens are counted for a catalogue.")] = "embedded",
    as_json: Json = False,
) -> None:
    """List the problems of a catalogue, recipe, plan or dataset. Exit code 1 when there is one."""
    from platypus.commands.check import check
    from platypus.data.columns import parse_columns

    known = parse_columns(columns or ())
    report = check(source, catalogue=catalogue, only=only or (), columns=known, write=write, base=base)
    typer.echo(json.dumps(report.to_json(), ensure_ascii=False) if as_json else str(report))
    if report.problems:
        raise typer.Exit(1)


@app.command()
def overlap(
    first: Annotated[str, typer.Argument(metavar="A", help="A dataset: a file or a hub name.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    catalogue: Annotated[
        str | None, typer.Option("--catalogue", metavar="SOURCE", help="Compare rows that are valid for these tools.")
    ] = None,
    only: Only = None,
    embedding: Annotated[
        str, typer.Option("--embedding", help="What embeds: tfidf, minilm, or a sentence-transformers folder.")
    ] = "tfidf",
    as_json: Json = False,
) -> None:
    """Tell how much two datasets say the same."""
    from platypus.commands.overlap import overlap

    report = overlap(first, second, tools=read_tools_of(catalogue, only), embedding=embedding)
    typer.echo(json.dumps(report.to_json(), ensure_ascii=False) if as_json else str(report))


@app.command()
def show(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run, a model, or a trace.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show a run, the origin of a model, or a trace."""
    from platypus.commands.show import show

    overview = show(run)
    typer.echo(json.dumps(overview.to_json(), ensure_ascii=False) if as_json else str(overview))


@app.command()
def base(
    recipe: Annotated[Path, typer.Option("--recipe", metavar="FILE", help="The recipe; its [pretrain] counts.")] = Path(
        "recipes/embedded-base.toml"
    ),
    out: ModelFolder = None,
    as_json: Json = False,
) -> None:
    """Train the small base that the demo fine-tunes."""
    from platypus.run.places import read_located_recipe

    read = read_located_recipe(recipe)
    from platypus.commands.base import base
    from platypus.prompt.base_files import EMBEDDED

    results = base(read, out or EMBEDDED)
    if rank() == 0:
        typer.echo(json.dumps(results) if as_json else "\n".join(result_lines(results, indent="")))
