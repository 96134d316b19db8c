"""What runs the tools of a run, on which terms, and where the traces of its executions lie."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from platypus.catalogue.sources.source import file_of
from platypus.catalogue.tools import Catalogue
from platypus.errors import ExecutionError, PlatypusError
from platypus.execution.back_ends.openapi import OpenApiBackEnd
from platypus.execution.execution import Terms
from platypus.execution.executor import Limits
from platypus.execution.toolbox import Reach, Toolbox
from platypus.files import state_folder
from platypus.run.execute_settings import ExecuteSettings
from platypus.run.folder import Run

TRACES = "traces"


def terms_of(
    settings: ExecuteSettings, *, replans: int = 0, dry_run: bool = False, others: Catalogue | None = None
) -> Terms:
    """The terms on which plans are executed; `others` are tools that rules may name besides those of the plans."""
    limits = Limits(
        seconds=settings.seconds,
        timeout=settings.timeout,
        retries=settings.retries,
        result_bytes=settings.max_result_kb << 10,
        concurrency=settings.concurrency,
        at_once=settings.at_once,
        error_texts=settings.error_texts,
    )
    return Terms(settings.policy, limits, settings.secrets, replans, dry_run, tuple(others or ()))


def reach_of(settings: ExecuteSettings) -> Reach:
    """How its sources are reached."""
    return Reach(settings.start_timeout, settings.base_url, settings.headers, settings.max_result_kb << 10)


def run_toolbox(run: Run, sources: Sequence[str] = ()) -> Toolbox:
    """What runs the tools of a run: `sources`, else those of its recipe, else its catalogue. Raises PlatypusError."""
    settings = run.recipe.execute
    catalogue = [run.recipe.catalogue] if run.recipe.catalogue else []
    told = [] if sources else [*(settings.sources or catalogue)]
    named = [*sources] or [_located(run, source) for source in told]
    if not named:
        remedy = "Name what runs its tools: --source SOURCE, or `sources` under [execute]."
        raise ExecutionError("the run has no catalogue", where=str(run.path), remedy=remedy)
    only = () if sources or settings.sources else run.recipe.only
    with run.places.explained({run.places.locate(file): file for source in told if (file := file_of(source))}):
        toolbox = Toolbox.of(named, only=only, reach=reach_of(settings))
    is_openapi = any(isinstance(one, OpenApiBackEnd) for one in toolbox.back_ends)
    if not (is_openapi or sources) and (settings.headers or settings.base_url):
        what = "`headers` and `base_url` under [execute] are for OpenAPI documents, and none runs the tools"
        remedy = "Leave them out; an MCP server's headers stand in a configuration file (docs/catalogues.md)."
        raise ExecutionError(what, where=str(run.path / "recipe.toml"), remedy=remedy)
    return toolbox


def dry_toolbox(toolbox: Callable[[], Toolbox]) -> Toolbox:
    """What runs the tools as far as it can be had: a dry run calls nothing, and only asks which servers there are."""
    try:
        return toolbox()
    except PlatypusError:
        return Toolbox(())


def source_toolbox(sources: Sequence[str], only: Sequence[str] = ()) -> Toolbox:
    """What runs tools without a run."""
    return Toolbox.of(sources, only=only, reach=reach_of(ExecuteSettings()))


def mock_toolbox(run: Run | None, sources: Sequence[str] = ()) -> Toolbox | None:
    """The mock tools that evaluations run plans with: `sources`, else those of the run's recipe; None without any."""
    named = [*sources] or ([_located(run, source) for source in run.recipe.evaluate.mock] if run else [])
    return source_toolbox(named) if named else None


def new_trace(run: Run | None) -> Path:
    """A file for a new trace: in the run's folder, or else in the user's folder for state. Raises ExecutionError."""
    folder = (run.path if run else state_folder()) / TRACES
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what, remedy = f"no trace can be written there: {error.strerror}", "Name another place: --trace FILE"
        raise ExecutionError(what, where=str(folder), remedy=remedy) from error
    return folder / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}-{os.urandom(2).hex()}.jsonl"


def _located(run: Run, source: str) -> str:
    """The source with the place of its file."""
    file = file_of(source)
    return source if file is None else source.replace(file, run.places.locate(file))
