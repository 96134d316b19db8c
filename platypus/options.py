"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE", help="The recipe (TOML). The run keeps its own copy.")
]
Force = Annotated[bool, typer.Option("--force", help="Do it again even when nothing has changed.")]
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
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
