"""`platypus export` on the command line: its arguments → the command."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from platypus.options import Force, Json, Only, open_run, read_tools_of
from platypus.outcomes import print_outcome, result_lines

Exported = Annotated[Path | None, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)]
Tools = Annotated[str | None, typer.Option("--catalogue", metavar="SOURCE", help="Without a run: the tools alone.")]
Notations = Annotated[
    Literal["json", "calls"] | None,
    typer.Option("--notation", help="How plans are written, without a run: json if not given."),
]
Longest = Annotated[
    int | None, typer.Option("--max-steps", min=1, help="The longest plan, without a run: 10 if not given.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Their folder, without a run: export/ if not given.")
]
To = Annotated[
    Literal["hf", "gguf", "vllm", "sglang", "ollama", "mlx"] | None,
    typer.Option("--to", help="One program: the model in its shape, and all else that it needs to plan."),
]
Type = Annotated[
    Literal["f16", "q8_0", "q4_k_m"] | None,
    typer.Option("--type", help="Of the GGUF file, for gguf and ollama; f16 if not given.", show_default=False),
]
ShardSize = Annotated[
    str | None, typer.Option("--shard-size", metavar="SIZE", help="Of a weight file: 2GB, 500MB; else as merged.")
]
Quantised = Annotated[
    Literal["int8", "nf4", "torchao-int8"] | None,
    typer.Option("--quantise", help="8 or 4 bits, for hf, vllm and sglang.", show_default=False),
]


def export(
    run: Exported = None,
    to: To = None,
    type_: Type = None,
    shard_size: ShardSize = None,
    quantise: Quantised = None,
    catalogue: Tools = None,
    only: Only = None,
    notation: Notations = None,
    max_steps: Longest = None,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write what other programs need to plan."""
    if (run is None) == (catalogue is None):
        raise typer.BadParameter("give either a RUN or --catalogue SOURCE")
    if run is not None and out is not None:
        raise typer.BadParameter("is for --catalogue; what belongs to a run is written into it", param_hint="--out")
    of_recipe = {"--notation": notation, "--max-steps": max_steps}
    if run and (option := next((name for name, value in of_recipe.items() if value is not None), None)):
        raise typer.BadParameter("is for --catalogue; a run has its own, in its recipe", param_hint=option)
    if to is None or run is None:
        given = {"--type": type_, "--shard-size": shard_size, "--quantise": quantise, "--to": None if run else to}
        if option := next((name for name, value in given.items() if value is not None), None):
            raise typer.BadParameter("is for a RUN with --to TARGET", param_hint=option)
    opened, tools = run and open_run(run), read_tools_of(catalogue, only)
    from platypus.commands.export import export, export_to
    from platypus.exporting.planner_files import export_catalogue
    from platypus.exporting.targets import ExportOptions
    from platypus.run.settings import PromptSettings

    if opened and to:
        options = ExportOptions(to, type_, shard_size, quantise)
        print_outcome(export_to(opened, options, force=force), as_json=as_json)
    elif opened:
        print_outcome(export(opened, force=force), as_json=as_json)
    elif tools:
        out = out or Path("export")
        prompt = PromptSettings(notation=notation or "json")
        results = export_catalogue(tools, out, prompt=prompt, max_steps=max_steps or 10)
        typer.echo(json.dumps(results) if as_json else "\n".join([f"export → {out}", *result_lines(results)]))
