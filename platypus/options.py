"""The arguments and options that several commands share, and long ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platypus.errors import PromptError

if TYPE_CHECKING:
    from platypus.catalogue.tools import Catalogue
    from platypus.run.folder import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE", help="The recipe (TOML). The run keeps its own copy.")
]
Force = Annotated[bool, typer.Option("--force", help="Do it again even when nothing has changed.")]
MergedOf = Annotated[
    str | None,
    typer.Option("--of", metavar="A,B,…", help="Runs, adapters and models to merge instead, as `of` under [merge]."),
]
Decode = Annotated[
    Literal["grammar", "free"] | None,
    typer.Option("--decoding", help="Say valid plans only, or anything, checked afterwards; else as in the recipe."),
]
OtherTools = Annotated[
    str | None, typer.Option("--catalogue", metavar="SOURCE", help="Plan with these tools instead of the run's.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Of the catalogue, this tag, server or tool alone. Repeatable."),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="SECONDS", min=0, help="The longest that an answer may take; else as in the recipe."
    ),
]
Today = Annotated[
    str | None,
    typer.Option(
        metavar="DAY",
        help='From when "next Friday" counts: 2026-11-30, or now; else as in the recipe.',
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Temperature = Annotated[
    float | None, typer.Option(help="Of a model that answers in text: 0 takes the likeliest token.", show_default=False)
]
Checked = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE", help="A catalogue (a file, or a server), recipe, plan or dataset.", show_default=False
    ),
]
WriteTools = Annotated[
    Path | None, typer.Option("--write", metavar="FILE", help="Write the catalogue's tools to a JSON file.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--columns", metavar="KEY=COLUMN", help="What a dataset calls a key: query=question. Repeatable."),
]
ModelFolder = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Where the model goes, if not where `embedded` lies.")
]


def open_run(
    folder: Path,
    recipe: Path | None = None,
    decoding: Literal["grammar", "free"] | None = None,
    seconds: float | None = None,
    today: str | None = None,
) -> "Run":
    """The run in the folder, with what the command line says of decoding."""
    from platypus.run.folder import Run

    return Run.open(folder, recipe=recipe).decoded(decoding, seconds=seconds, today=today)


def check_request(request: str) -> None:
    """Raise PromptError for a request without words."""
    if not request.strip():
        raise PromptError("the request is empty", remedy="Say what is wanted, in words.")


def read_tools_of(source: str | None, only: Sequence[str] | None) -> "Catalogue | None":
    """The tools of --catalogue, if it is given. --only is refused without it."""
    from platypus.catalogue.reading import read_catalogue

    if source is None and only:
        raise typer.BadParameter("--only chooses parts of a --catalogue")
    return None if source is None else read_catalogue(source, only=only or ())
