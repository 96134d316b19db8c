"""`platypus push` on the command line: its arguments → the command."""

import json
from typing import Annotated, Literal

import typer

from platypus.options import Json, RunFolder, open_run
from platypus.outcomes import result_lines

Repository = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="The repository on the hub; made if it isn't there.")
]
What = Annotated[
    Literal["merged", "adapter", "both"], typer.Option(help="The merged model, the adapter, or the two together.")
]
Public = Annotated[bool, typer.Option("--public", help="Let everybody see it; else only you.")]
Tag = Annotated[
    str | None, typer.Option(metavar="TAG", help="The revision's name; else run- and the run's fingerprint.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Put it in the place of what is there; the repository's history keeps that.")
]
Base = Annotated[
    str | None,
    typer.Option(metavar="OWNER/NAME", help="What the base is called on the hub, if the recipe names a folder."),
]
Licence = Annotated[str | None, typer.Option(metavar="ID", help="The model's licence; else that of the base.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, show the card, send nothing.")]


def push(
    run: RunFolder,
    repository: Repository,
    what: What = "merged",
    public: Public = False,
    tag: Tag = None,
    replace: Replace = False,
    base: Base = None,
    licence: Licence = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Publish the model on the hub, privately.

    With a card written from the run, and a tag. The token comes from the environment (HF_TOKEN).
    """
    opened = open_run(run)
    from platypus.commands.push import PushOptions
    from platypus.commands.push import push as push_run

    results = push_run(opened, repository, PushOptions(what, public, tag, replace, base, licence, dry_run))
    if as_json:
        typer.echo(json.dumps(results))
        return
    card = results.pop("card", "")
    typer.echo("\n".join([*result_lines(results, indent=""), *([f"\n{card}"] if card else [])]))
