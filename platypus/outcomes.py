"""Outcomes on standard output: of a stage, a forecast, an evaluation; readable, or with `as_json` as one JSON object.

Of several processes, the first one prints.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from platypus.run.folder import Outcome
    from platypus.training.forecast import Forecast


def rank() -> int:
    """The rank of this process under torchrun; 0 for the first or only process, which alone prints."""
    return int(os.environ.get("RANK", "0"))


def headline(outcome: "Outcome") -> str:
    """The outcome of a stage on one line."""
    result = "skipped, nothing has changed" if outcome.skipped else f"done in {outcome.seconds:.1f} s"
    return f"{outcome.stage}: {result} → {outcome.folder}"


def result_lines(results: Mapping[str, Any], *, indent: str = "  ") -> Iterator[str]:
    """Results as indented lines, with a group of plain values on one line. Lists of groups (examples) are left out."""
    for name, value in results.items():
        if isinstance(value, Mapping) and any(isinstance(part, Mapping | list) for part in value.values()):
            yield f"{indent}{name}:"
            yield from result_lines(value, indent=indent + "  ")
        elif isinstance(value, Mapping):
            yield f"{indent}{name}: {', '.join(f'{key} {_plain(part)}' for key, part in value.items()) or 'none'}"
        elif not (isinstance(value, list) and any(isinstance(part, Mapping) for part in value)):
            yield f"{indent}{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_outcome(outcome: "Outcome", *, as_json: bool) -> None:
    """Print the outcome of a stage, and its warnings to standard error."""
    if rank() > 0:
        return
    others = {name: value for name, value in outcome.results.items() if name != "warnings"}
    readable = "\n".join([headline(outcome), *result_lines(others)])
    typer.echo(json.dumps(outcome.to_json()) if as_json else readable)
    for warning in outcome.results.get("warnings", ()):
        typer.secho(f"warning: {warning}", fg="yellow", err=True)


def print_forecast(forecast: "Forecast", *, as_json: bool) -> None:
    """Print what a training would need."""
    from rich.console import Console

    if rank() > 0:
        return
    if as_json:
        typer.echo(json.dumps(forecast.to_json()))
    else:
        Console(highlight=False).print(_forecast_table(forecast))


def print_scores(outcome: "Outcome", *, as_json: bool) -> None:
    """Print the scores of an evaluation."""
    from rich.console import Console

    from platypus.evaluation.report import table

    if as_json:
        typer.echo(json.dumps(outcome.to_json()))
    else:
        typer.echo(headline(outcome))
        Console().print(table(outcome.results))


def print_report(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the report of an evaluation that left nothing in a run."""
    from rich.console import Console

    from platypus.evaluation.report import table

    if as_json:
        typer.echo(json.dumps(report))
    else:
        Console().print(table(report))


def print_rows(rows: Sequence[Sequence[str]], remark: str, *, data: Mapping[str, Any] | None) -> None:
    """Print a table, whose first row is the heading, and a sentence below; with `data`, this as JSON instead."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if data is not None:
        typer.echo(json.dumps(data))
        return
    shown = Table(caption=Text(remark, style="table.caption"), caption_justify="left")
    for heading in rows[0]:
        shown.add_column(Text(heading))
    for cells in rows[1:]:
        shown.add_row(*map(Text, cells))
    Console().print(shown)


def _forecast_table(needs: "Forecast") -> "Table":
    """A forecast as a table for people."""
    from datetime import timedelta

    from rich.filesize import decimal
    from rich.table import Table

    rows = {
        "optimizer steps": f"{needs.steps:,}",
        "tokens": f"{needs.tokens:,}",
        "tokens computed": f"{needs.computed_tokens:,}: {needs.tokens / needs.computed_tokens:.1f} times fewer",
        **({"frozen tokens": f"{needs.frozen_tokens:,}, forward only"} if needs.frozen_tokens else {}),
        "attention": needs.attention,
        "examples": f"{needs.cut}: {needs.reason}",
        "memory": f"{decimal(needs.memory.total)} at the peak",
        **{f"  {part}": decimal(size) for part, size in vars(needs.memory).items()},
        "free": f"{decimal(needs.available)}, of which the training needs {decimal(needs.memory.added)}",
        "time": f"{timedelta(seconds=round(needs.seconds or 0))} by a few measured steps, without validation or saving",
    }
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name, value in rows.items():
        table.add_row(name, value)
    return table
