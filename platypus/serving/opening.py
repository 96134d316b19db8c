"""Opening: what a user names to be served → planners.

That is a run, an adapter, a folder with a model, a name on the hub, or "embedded", each with a name for requests before
it if wanted: `NAME=SOURCE`. Runs without a merged model, and adapters, share the weights of a base that they have in
common.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from platypus.catalogue.tools import Catalogue
from platypus.decoding.vocabulary import Vocabulary
from platypus.errors import RunError
from platypus.files import expanded, say
from platypus.inference.opening import (
    UNTRAINED,
    base_calibration,
    base_prompt,
    calibration_of,
    is_merged,
    open_planner,
    prompt_settings,
    untrained_prompt,
)
from platypus.inference.planner import Planner
from platypus.prompt.prompt import Prompt
from platypus.run.corrections import CORRECTIONS
from platypus.run.definition import RECIPE
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import DecodeSettings, PromptSettings
from platypus.serving.planners import Served

if TYPE_CHECKING:
    from platypus.model.loading import Loaded

NAMED = re.compile(r"(?P<name>[\w.:-]+)=(?P<source>.+)")


@dataclass(frozen=True)
class Wanted:
    """What is to be served: its name for requests and its source; the run, if it is one; the adapter, if that computes.

    `base` is where the adapter's base is now, if the run's recipe says so.
    """

    name: str
    source: str
    run: Run | None = None
    adapter: Path | None = None
    base: str | None = None


@dataclass(frozen=True)
class OpeningOptions:
    """How to open what is named: with other tools than those of the runs, with adapters even where a merged model is,
    with another number of beams or day of today than the recipes'. Those `corrections` are for what is no run.
    """

    catalogue: Catalogue | None = None
    adapters: bool = False
    beams: int | None = None
    corrections: Path = Path(CORRECTIONS)
    today: str | None = None


def open_served(sources: Sequence[str], options: OpeningOptions) -> list[Served]:
    """The planners of these sources, in order; without any, the embedded base. Raises PlatypusError."""
    wanted = [_wanted(source, options) for source in sources or ["embedded"]]
    for name in dict.fromkeys(one.name for one in wanted):
        same = [one.source for one in wanted if one.name == name]
        if len(same) > 1:
            what = f"{' and '.join(same)} would both be called {name!r}"
            raise RunError(what, remedy=f"Name one of them: OTHER={same[1]}")
    shared = {one.name: one for group in _together(wanted) for one in _open_together(group, options)}
    return [shared.get(one.name) or _open(one, options) for one in wanted]


def _wanted(named: str, options: OpeningOptions) -> Wanted:
    match = None if expanded(named, error=RunError).exists() else NAMED.fullmatch(named)
    source = match["source"] if match else named
    path = Path(source)
    name = match["name"] if match else source if source == "embedded" or not path.exists() else path.resolve().name
    if (path / RECIPE).is_file():
        run = Run.open(path)
        _check_plans(run)
        if run.recipe.decode.decoding == "free":
            say(f"{source}: a server answers with valid plans only, so the recipe's free decoding is not used")
            run = run.decoded("grammar")
        if not run.is_done("train"):
            say(f"{source}: is not trained yet, so its base answers as it is; platypus all {source} trains it")
        only_adapter = run.is_done("train") and (options.adapters or not is_merged(run))
        adapter = run.folder("train") / "adapter" if only_adapter else None
        return Wanted(name, source, run, adapter, run.recipe.base if adapter else None)
    if _is_adapter(path):
        return Wanted(name, source, adapter=path)
    return Wanted(name, source)


def _check_plans(run: Run) -> None:
    """Raises RunError for a run that learned to answer in text."""
    if run.catalogue is not None or not run.is_done("refine"):
        return
    with (run.folder("refine") / "train.jsonl").open(encoding="utf-8") as rows:
        first = json.loads(rows.readline() or "{}")
    if "plan" not in first:
        raise RunError(
            "its model answers in text, and a server here answers with plans",
            where=str(run.path),
            remedy=f"Serve its merged model with a server for texts: transformers serve {run.path}/merge/model",
        )


def _is_adapter(path: Path) -> bool:
    from platypus.model.adapters import ADAPTER_WEIGHTS

    return (path / ADAPTER_WEIGHTS).is_file()


def _together(wanted: Sequence[Wanted]) -> list[list[Wanted]]:
    """Those whose adapters have a base in common, at least two of them."""
    from platypus.model.adapters import read_card

    groups: dict[tuple[str, str], list[Wanted]] = {}
    for one in wanted:
        if one.adapter is not None:
            card = read_card(one.adapter)
            groups.setdefault((card.base_fingerprint, card.quantisation), []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def _open_together(group: Sequence[Wanted], options: OpeningOptions) -> Iterator[Served]:
    from platypus.model.adapters import load_together

    adapters = [one.adapter for one in group if one.adapter is not None]
    base = next((one.base for one in group if one.base), None)
    loaded = load_together(adapters, base=base)
    vocabulary = Vocabulary(loaded[0].tokenizer, size=loaded[0].vocabulary)
    say(f"{', '.join(one.name for one in group)}: adapters on the weights of one base")
    for number, (one, own) in enumerate(zip(group, loaded, strict=True)):
        planner = replace(_adapter_planner(one, own, options), vocabulary=vocabulary, folder=None)
        yield _served(one, planner, options, activate=number)


def _open(one: Wanted, options: OpeningOptions) -> Served:
    if one.adapter is not None:
        from platypus.model.adapters import load_adapted

        return _served(one, _adapter_planner(one, load_adapted(one.adapter, base=one.base), options), options)
    if one.run is not None:
        return _served(one, open_planner(one.run, catalogue=options.catalogue), options)
    from platypus.model.adapters import ADAPTER_CARD, read_card
    from platypus.model.bases import base_folder
    from platypus.model.loading import load_base

    folder = base_folder(one.source)
    merged = (folder / ADAPTER_CARD).is_file()  # a model that `merge` wrote
    settings = read_card(folder).prompt_settings if merged else base_prompt(Recipe(base=one.source))
    loaded = load_base(one.source, light=settings.template != "chat")
    if merged:
        return _served(one, _planner(loaded, options.catalogue, settings, DecodeSettings()), options)
    prompt = untrained_prompt(loaded, options.catalogue, settings)
    planner = Planner(loaded, prompt, UNTRAINED, calibration=base_calibration(one.source))
    return _served(one, planner, options)


def _adapter_planner(one: Wanted, loaded: "Loaded", options: OpeningOptions) -> Planner:
    if one.run is None:
        from platypus.model.adapters import read_card

        assert one.adapter is not None
        planner = _planner(loaded, options.catalogue, read_card(one.adapter).prompt_settings, DecodeSettings())
        return _activated(planner, one.adapter)
    catalogue = options.catalogue or one.run.catalogue
    planner = _planner(loaded, catalogue, prompt_settings(one.run), one.run.recipe.decode)
    planner = replace(planner, calibration=calibration_of(one.run))
    return _activated(planner, one.run.folder("train") / "adapter")


def _activated(planner: Planner, adapter: Path) -> Planner:
    """The planner, whose prompts activate the adapter where its card says so."""
    from platypus.model.adapters import read_card

    return replace(planner, prompt=replace(planner.prompt, invocation=read_card(adapter).invocation))


def _planner(loaded: "Loaded", catalogue: Catalogue | None, prompt: PromptSettings, decode: DecodeSettings) -> Planner:
    made = Prompt.of(loaded.tokenizer, catalogue, prompt)
    return Planner(loaded, made if catalogue is None else made.fitted(loaded.context), decode)


def _served(one: Wanted, planner: Planner, options: OpeningOptions, *, activate: int | None = None) -> Served:
    changes = {"beams": options.beams, "today": options.today}
    changes = {key: value for key, value in changes.items() if value is not None}
    planner = replace(planner, settings=planner.settings.model_copy(update=changes))
    planner.dated("tomorrow")  # what dates need is missed now, not by the first who asks
    corrections = one.run.path / CORRECTIONS if one.run else options.corrections
    if activate is None:
        return Served(one.name, planner, corrections, one.run)
    from platypus.model.adapters import use_adapter

    return Served(one.name, planner, corrections, one.run, partial(use_adapter, planner.loaded, activate))
