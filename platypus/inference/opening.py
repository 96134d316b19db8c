"""Opens a planner: finds out which model a run has, and how its prompts look.

Torch takes seconds to import, so the modules that need it are imported only when a model is opened.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from platypus.catalogue.tools import Catalogue
from platypus.errors import ModelError
from platypus.files import expanded
from platypus.inference.calibration import Calibration
from platypus.inference.planner import Planner
from platypus.prompt.base_files import EMBEDDED, base_card
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from platypus.run.recipe import Recipe, said
from platypus.run.settings import DecodeSettings, PromptSettings

if TYPE_CHECKING:
    from platypus.model.adapters import AdapterCard
    from platypus.model.loading import Loaded

UNTRAINED = DecodeSettings(beams=4, tool_prior=5.0, max_tools=10)  # for a base that was not trained for the tools
LONG_TOOL = 100  # tokens: such a base reads longer tools better in brief
CONFIDENCE = "confidence.json"  # a calibration: of the model that `evaluate` scored, or beside a base


def open_planner(run: Run, *, catalogue: Catalogue | None = None) -> Planner:
    """A planner with the run's merged model, else its adapter, else its base; `planner.loaded.source` says which.

    It plans with the run's tools, or with those of `catalogue`. Notation and cutoff are those of the training. A run
    that is not trained yet decodes as `untrained` says.
    Raises ModelError if the adapter was trained for another catalogue than the run's.
    """
    from platypus.model.adapters import load_adapted
    from platypus.model.loading import load_merged

    if not run.is_done("train") and not is_merged(run):
        planner = open_base(run, catalogue=catalogue)
        return replace(planner, settings=untrained(run.recipe.decode))
    if is_merged(run):
        tuned = load_merged(run.folder("merge") / "model", light=_light(run))
    else:
        with run.explained():
            tuned = load_adapted(run.folder("train") / "adapter", base=run.recipe.base)
    return replace(_planner(run, tuned, catalogue), calibration=calibration_of(run))


def untrained(settings: DecodeSettings) -> DecodeSettings:
    """What suits a base that was not trained for the tools, but for what these settings say themselves."""
    return UNTRAINED.model_copy(update=said(settings))


def open_base(run: Run, *, catalogue: Catalogue | None = None) -> Planner:
    """A planner with the run's base, without its adapter, and with the same prompt."""
    from platypus.model.loading import load_base

    with run.explained():
        loaded = load_base(run.recipe.base, light=_light(run))
    return replace(_planner(run, loaded, catalogue), calibration=base_calibration(run.recipe.base))


def open_untrained(catalogue: Catalogue, recipe: Recipe) -> Planner:
    """A planner with the recipe's base, for tools that it was never trained on. Its prompt is that of `base_prompt`.

    Its confidence is that of the base.
    """
    from platypus.model.loading import load_base

    settings = base_prompt(recipe)
    loaded = load_base(recipe.base, light=settings.template != "chat")
    prompt = untrained_prompt(loaded, catalogue, settings)
    return Planner(loaded, prompt, recipe.decode, calibration=base_calibration(recipe.base))


def untrained_prompt(loaded: "Loaded", catalogue: Catalogue | None, settings: PromptSettings) -> Prompt:
    """The prompt of a base that was not trained for the tools: as long as its context, with long tools in brief."""
    made = replace(Prompt.of(loaded.tokenizer, catalogue, settings, cutoff=loaded.context), brief_above=LONG_TOOL)
    return made if catalogue is None else made.fitted()


def base_prompt(recipe: Recipe) -> PromptSettings:
    """The prompt settings of the base's own training if its folder has a card (`base.json`), else the recipe's."""
    from platypus.model.bases import base_folder

    card = base_card(str(base_folder(recipe.base)))
    return PromptSettings(**card["prompt"]) if "prompt" in card else recipe.prompt


def _planner(run: Run, loaded: "Loaded", catalogue: Catalogue | None) -> Planner:
    prompt = Prompt.of(loaded.tokenizer, catalogue or run.catalogue, prompt_settings(run))
    prompt = replace(prompt, invocation=card_of(run).invocation) if run.is_done("train") else prompt
    if catalogue is not None or not run.is_done("train"):  # else the tools look as in training
        prompt = prompt.fitted(loaded.context)
    if prompt.template == "chat":
        loaded.end_answers_with(prompt.chat.end)
    settings = run.recipe.decode
    return Planner(loaded, prompt, settings, run.path / ".prefix" if settings.keep_prefix else None)


def _light(run: Run) -> bool:
    """Whether planning needs no more of a model than its logits, and of a tokenizer than its tokens."""
    return prompt_settings(run).template != "chat"


def base_calibration(base: str) -> Calibration:
    """The calibration beside a base (`benchmarks/confidence.py`), if it was fitted to these very weights."""
    from platypus.model.bases import base_fingerprint

    file = (EMBEDDED if base == "embedded" else expanded(base, error=ModelError)) / CONFIDENCE
    if not file.is_file():
        return Calibration()
    known = json.loads(file.read_text(encoding="utf-8"))
    return Calibration.of_json(known["calibration"]) if known["base"] == base_fingerprint(base) else Calibration()


def calibration_of(run: Run) -> Calibration:
    """The calibration of the run's present model if `evaluate` has scored it, else the identity."""
    if not run.is_done("evaluate") or not (run.path / "evaluate" / CONFIDENCE).exists():
        return Calibration()
    model = "merge" if is_merged(run) else "train"
    if run.record("evaluate")["inputs"].get(model) != run.fingerprint(model):
        return Calibration()
    return Calibration.load(run.path / "evaluate" / CONFIDENCE)


def is_merged(run: Run) -> bool:
    """Whether the run has a merged model: of its present adapter, or of what `of` under [merge] names."""
    if not run.is_done("merge"):
        return False
    made_of = run.record("merge")["inputs"].get("train")
    return made_of is None or (run.is_done("train") and made_of == run.fingerprint("train"))


def card_of(run: Run) -> "AdapterCard":
    """The card of the run's adapter."""
    from platypus.model.adapters import read_card

    return read_card(run.folder("train") / "adapter")


def prompt_settings(run: Run) -> PromptSettings:
    """The prompt settings of the run's training or of its merged model, or the recipe's if it has neither yet.

    Raises ModelError if the adapter was trained for another catalogue.
    """
    from platypus.model.adapters import ADAPTER_CARD

    of_others = is_merged(run) and "train" not in run.record("merge")["inputs"]
    folder = run.path / "merge" / "model" if of_others else run.path / "train" / "adapter"
    return card_settings(run, folder) if (folder / ADAPTER_CARD).is_file() else run.recipe.prompt


def card_settings(run: Run, folder: Path) -> PromptSettings:
    """The prompt settings in the card of an adapter, or of a merged model.

    Raises ModelError if it is for another catalogue than the run's.
    """
    from platypus.model.adapters import read_card

    card = read_card(folder)
    present = run.catalogue.fingerprint if run.catalogue else None
    if card.catalogue != present:
        raise ModelError(
            f"the adapter was trained for catalogue {card.catalogue}, the run now has {present}",
            where=str(folder),
            remedy=f"Train it again: platypus train {run.path}; or keep the run's catalogue and plan with other tools:"
            f" platypus plan {run.path} --catalogue FILE",
        )
    return card.prompt_settings
