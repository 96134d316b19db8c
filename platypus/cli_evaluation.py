"""The commands that score and compare planners; `cli.py` registers them. It has no logic of its own."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platypus.files import say
from platypus.options import Decode, Force, Json, Only, RecipeFile, RunFolder, open_run, read_tools_of
from platypus.outcomes import headline, print_report, print_rows, print_scores

if TYPE_CHECKING:
    from platypus.run.folder import Run

Tools = Annotated[
    str | None,
    typer.Option("--catalogue", metavar="SOURCE", help="The tools of rows that bring none, else those of the run."),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave rows out that cannot be used, and say how many.")]
Data = Annotated[
    str | None, typer.Option("--data", metavar="FILE", help="Other rows than the run's test rows, of any format.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many rows of --data, from the first on.")]
Shuffle = Annotated[bool, typer.Option("--shuffle", help="Take the rows of --data in random order.")]
Address = Annotated[
    str | None, typer.Option(metavar="URL", help="Ask this OpenAI-compatible endpoint, like http://localhost:8080/v1.")
]
ModelName = Annotated[str | None, typer.Option(metavar="NAME", help="The model's name at the endpoint.")]
Asked = Annotated[
    Literal["calls", "plan"], typer.Option(help="Ask the endpoint for tool calls, or for a plan as JSON text.")
]
Mock = Annotated[
    list[str] | None,
    typer.Option("--mock", metavar="SOURCE", help="Run plans with these mock tools; all calls are made. Repeatable."),
]
Tasks = Annotated[
    str | None,
    typer.Option(metavar="NAME,…", help="Score tasks of lm-eval instead, before and after: arc_challenge:25,mmlu."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Where scores and reports go.")]
Seed = Annotated[int, typer.Option(help="What the draws of the intervals begin with.")]


def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)] = None,
    recipe: RecipeFile = None,
    force: Force = False,
    decoding: Decode = None,
    data: Data = None,
    catalogue: Tools = None,
    only: Only = None,
    limit: Limit = None,
    shuffle: Shuffle = False,
    skip_bad: SkipBad = False,
    endpoint: Address = None,
    model: ModelName = None,
    ask: Asked = "calls",
    mock: Mock = None,
    tasks: Tasks = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Score the test requests, or other rows.

    Without --data, the run's test rows, before and after fine-tuning. With --data and without RUN, the embedded base
    answers as it is, with the tools most like each request, four beams and a prior over tools.
    """
    opened = _opened(run, recipe, decoding)
    if tasks is not None:
        if opened is None or data is not None or any([catalogue, only, shuffle, skip_bad, endpoint, model, mock]):
            raise typer.BadParameter("needs a RUN, and takes --limit, --out and --force alone", param_hint="--tasks")
        from platypus.commands.evaluate_tasks import evaluate_tasks, task_rows

        done = evaluate_tasks(opened, tasks.split(","), limit=limit, out=out, force=force)
        print_rows(task_rows(done.results), headline(done), data=done.to_json() if as_json else None)
        return
    if data is None:
        given = [catalogue, only, limit, shuffle, skip_bad, endpoint, model, mock, out]
        if opened is None or any(given):
            raise typer.BadParameter("is needed for this, or a RUN without such options", param_hint="--data")
        from platypus.commands.evaluate import evaluate

        print_scores(evaluate(opened, force=force), as_json=as_json)
        return
    if (endpoint is None) != (model is None):
        raise typer.BadParameter("say both --endpoint and --model", param_hint="--endpoint")
    from platypus.commands.evaluate_data import DataOptions, evaluate_data

    tools = read_tools_of(catalogue, only)
    mocks = tuple(mock or ())
    options = DataOptions(data, tools, limit, shuffle, skip_bad, endpoint, model, ask, decoding, mocks, out=out)
    print_scores(evaluate_data(opened, options, force=force), as_json=as_json)


def _opened(run: Path | None, recipe: Path | None, decoding: Literal["grammar", "free"] | None) -> "Run | None":
    """The run, where one is named."""
    if run is None and recipe is not None:
        raise typer.BadParameter("needs a RUN", param_hint="--recipe")
    return open_run(run, recipe, decoding) if run else None


def score(
    gold: Annotated[str, typer.Option("--gold", metavar="FILE", help="Rows with their right plans.")],
    predictions: Annotated[str, typer.Option("--predictions", metavar="FILE", help="Answers, one a line.")],
    catalogue: Tools = None,
    only: Only = None,
    skip_bad: SkipBad = False,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Score the answers in a file, whoever gave them."""
    from platypus.commands.score import score_file

    tools = read_tools_of(catalogue, only)
    report = score_file(gold, predictions, catalogue=tools, skip_bad=skip_bad, seed=seed, out=out, force=force)
    print_report(report, as_json=as_json)


def compare(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="A B…", help="Runs, evaluations' folders or scores.jsonl; A@before for a variant."),
    ],
    flips: Annotated[int, typer.Option(min=0, help="How many rows that flipped are shown, the worst first.")] = 10,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Tell what differs between planners.

    On the same rows, with intervals, tests, and the rows that flipped.
    """
    if len(sources) < 2:
        raise typer.BadParameter("give at least two", param_hint="A B…")
    from rich.console import Console

    from platypus.commands.compare import compare_all

    found = compare_all(sources, seed=seed, flips=flips)
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        Console().print(found.readable())


def sweep(
    run: RunFolder,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUES", help="Values of a key: train.rank=8,16. Repeatable.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="The trainings of each combination.")] = 3,
    metric: Annotated[str, typer.Option(help="What the table is ordered by.")] = "exact",
    search: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Try N combinations alone, the likeliest ones (optuna).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train and score several settings."""
    opened = open_run(run)
    from platypus.commands.evaluate import evaluate
    from platypus.commands.sweep import swept, tried
    from platypus.commands.train import train

    def work(one: "Run") -> None:
        say(headline(train(one)))
        say(headline(evaluate(one)))

    combinations = tried(opened, settings, seeds=seeds, metric=metric, search=search, work=work)
    found = swept(opened, combinations, metric=metric)
    print_rows(found.rows(), found.verdict(), data=found.to_json() if as_json else None)


def curve(
    run: RunFolder,
    examples: Annotated[str, typer.Option(metavar="N,N,…", help="How many training rows, such as 100,300,1000.")],
    seeds: Annotated[int, typer.Option(min=1, help="The trainings with each number.")] = 1,
    as_json: Json = False,
) -> None:
    """Tell what more examples would bring."""
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", examples):
        raise typer.BadParameter("say numbers, such as 100,300,1000", param_hint="--examples")
    opened = open_run(run)
    from platypus.commands.curve import curve_of, curve_rows, sized_runs
    from platypus.commands.evaluate import evaluate
    from platypus.commands.train import train

    sizes = sized_runs(opened, [*map(int, examples.split(","))], seeds=seeds)
    for one in [one for size in sizes for one in size.runs]:
        say(headline(train(one)))
        say(headline(evaluate(one)))
    found = curve_of(opened, sizes)
    print_rows(curve_rows(found), found.verdict(), data=found.to_json() if as_json else None)
