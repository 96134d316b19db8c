"""`platypus merge`: the adapter into its base, as a plain Hugging Face folder that needs neither Platypus nor PEFT.

Config, generation config, tokenizer and chat template agree with each other: the template renders exactly the prompt of
the training. Afterwards the merged model is loaded and must give the logits of base and adapter on real examples. That
base is in full precision, even if it was quantised in training; then the difference from the trained model is reported
with a warning.

With `of`, other runs, adapters and models are merged into the base instead, by a method of `platypus.merging.methods`.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example, Row
from platypus.errors import ModelError
from platypus.evaluation.weight_search import (
    Tried,
    Weights,
    choices,
    exact_shares,
    judging_runs,
    search,
    validation_sets,
)
from platypus.files import expanded, say
from platypus.inference.narrowing import narrowing_for_training
from platypus.inference.opening import card_settings
from platypus.merging.combining import Combination, LayerWeights, facts_of, merge_sources
from platypus.merging.differences import compare_weights
from platypus.merging.lora import write_settings
from platypus.merging.parity import answer_logits, check_agreement, compare, shift
from platypus.merging.shards import JOURNAL
from platypus.merging.sources import AdapterSource, ModelSource, Source
from platypus.model.adapters import (
    ADAPTER_CARD,
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    AdapterCard,
    check_acts_everywhere,
    check_base,
    load_adapted,
    read_card,
)
from platypus.model.bases import base_fingerprint, base_folder
from platypus.model.loading import DTYPES, Loaded, load_base, load_merged
from platypus.model.stored_weights import StoredWeights
from platypus.model.streamed import fits, load_streamed
from platypus.prompt.prompt import EncodedExample, Prompt, messages_of
from platypus.refinement.overlap import Dataset, overlap
from platypus.run.definition import RECIPE
from platypus.run.folder import Outcome, Run, versions
from platypus.run.merge_settings import MergeSettings
from platypus.run.provenance import Provenance, digest_of, write_provenance
from platypus.run.refined import refined_rows
from platypus.run.settings import PromptSettings

CHECKS = (
    "verified_prompts",
    "error",
    "tolerance",
    "same_token",
    "changed_tensors",
    "unchanged_tensors",
    "rounded_away",
)
# How far merged logits may be from those of base and adapter, in epsilons of the coarser of the two dtypes. Rounding
# the weights costs about one, at any depth; a missing adapter costs far more.
TOLERANCE = 8
HOW_PROMPTS_LOOK = [key for key in PromptSettings.model_fields if key != "cutoff"]
SEARCHED = "search.json"  # the weights that were tried
STREAMED = 2  # prompts that a model is asked whose files are read for each of them


def merge(run: Run, *, force: bool = False) -> Outcome:
    """Write merge/model/: the recipe's base with train/adapter/, or with what `of` under [merge] names, merged into it.

    Raises ModelError if they belong to another base or catalogue or cannot be merged, or if the merged model gives
    other logits.
    """
    settings, base = run.recipe.merge, run.recipe.base
    if not settings.of and run.is_done("train"):
        check_acts_everywhere(run.folder("train") / "adapter")
    own = {} if settings.of else {"train": run.fingerprint("train")}
    others = {name: run.source_fingerprint("merge", name, _fingerprint, force=force) for name in settings.of}
    if settings.search:
        others |= {f"rows of {name}": one.fingerprint("refine") for name, one in _judges(run).items()}
    known = run.source_fingerprint("merge", base, base_fingerprint, name="base", force=force)
    return run.perform(
        "merge",
        inputs={**own, "base": known, **others},
        settings={"base": base, **settings.model_dump()},
        work=lambda folder: _merge_others(run, folder) if settings.of else _merge_own(run, folder),
        force=force,
    )


@dataclass(frozen=True)
class _Named:
    """A source: what the recipe calls it, its folder, and the run that it belongs to."""

    name: str
    folder: Path
    run: Run | None = None

    @classmethod
    def of(cls, name: str) -> "_Named":
        path = expanded(name, error=ModelError)
        if not (path / RECIPE).is_file():
            return cls(name, path if (path / ADAPTER_CONFIG).is_file() else base_folder(name))
        run = Run.open(path)
        return cls(
            name, run.folder("train") / "adapter" if run.is_done("train") else run.folder("merge") / "model", run
        )

    @property
    def is_adapter(self) -> bool:
        return (self.folder / ADAPTER_CONFIG).is_file()

    @property
    def card(self) -> AdapterCard | None:
        return read_card(self.folder) if (self.folder / ADAPTER_CARD).is_file() else None


def _fingerprint(name: str) -> str:
    named = _Named.of(name)
    if named.is_adapter:
        return digest_of(named.folder / ADAPTER_WEIGHTS, named.folder / ADAPTER_CONFIG)
    return base_fingerprint(str(named.folder))


# ---------------------------------------------------------------- the run's own adapter


def _merge_own(run: Run, folder: Path) -> dict[str, Any]:
    settings, adapter = run.recipe.merge, run.folder("train") / "adapter"
    model = _emptied(folder / "model")
    whole = _fits(run.recipe.base)
    if whole:
        adapted = load_adapted(adapter, base=run.recipe.base, quantise="none")
    else:
        check_base(read_card(adapter), run.recipe.base, adapter=adapter)
        adapted = load_streamed(run.recipe.base, adapter=adapter)
    asked = _Asked.of(run, adapted, card_settings(run, adapter), whole=whole)
    expected = answer_logits(adapted, asked.examples)
    coarser = max(torch.finfo(DTYPES[settings.dtype]).eps, torch.finfo(adapted.model.dtype).eps)
    tolerance = max(TOLERANCE * coarser, 1e-4)
    if whole:
        with adapted.model.disable_adapter():  # type: ignore[operator]
            bare = answer_logits(adapted, asked.examples)
    else:
        bare = answer_logits(load_streamed(run.recipe.base), asked.examples)
    results = _write_settings(run, adapted, asked, model)
    del adapted  # the memory is needed for the merged model
    trained = _quantised_logits(adapter, run.recipe.base, asked.examples) if whole else None
    results |= _write_weights(run, [_Named("train", adapter, run)], Combination("task-arithmetic", (1.0,)), model)
    (model / ADAPTER_CARD).write_bytes((adapter / ADAPTER_CARD).read_bytes())  # how its prompts look
    merged = answer_logits(load_merged(model) if whole else load_streamed(str(model)), asked.examples)
    agreement = compare(merged, expected, bare)
    check_agreement(agreement, tolerance=tolerance, dtype=settings.dtype, model=model)
    results |= {
        "verified_prompts": len(asked.examples),
        "error": agreement.error,
        "tolerance": tolerance,
        "adapter_effect": agreement.effect,
        "same_token": agreement.same_token,
        **({} if trained is None else asdict(shift(merged, trained))),
    }
    return _with_provenance(model, results)


def _quantised_logits(adapter: Path, base: str, examples: Sequence[EncodedExample]) -> torch.Tensor | None:
    """The adapter's logits on the quantised base it was trained on, with a warning; None for a full base."""
    kind = read_card(adapter).quantisation
    if kind == "none":
        return None
    _warn(
        f"The adapter was trained on {base} quantised to {kind}, but is merged into it in full precision. How much"
        " that changes its answers is reported; the unmerged adapter answers as it was trained."
    )
    return answer_logits(load_adapted(adapter, base=base), examples)


# ---------------------------------------------------------------- other runs, adapters and models


def _merge_others(run: Run, folder: Path) -> dict[str, Any]:
    settings = run.recipe.merge
    named = [_Named.of(name) for name in settings.of]
    model = _emptied(folder / "model")
    card = _common_card(run, named)
    whole = _fits(run.recipe.base)
    bare = load_base(run.recipe.base) if whole else load_streamed(run.recipe.base)
    asked = _Asked.of(run, bare, card.prompt_settings, whole=whole)
    before = answer_logits(bare, asked.examples) if asked.examples else None
    results = _write_settings(run, bare, asked, model)
    del bare
    if settings.search:
        tried = _search(run, named, card.prompt_settings, folder, whole=whole)
        settings = settings.model_copy(update={"weights": list(tried[0].weights)})
        results |= {"weights": settings.weights, "searched": [one.to_json() for one in tried]}
    results |= _write_weights(run, named, combination_of(settings, seed=run.recipe.seed), model)
    card.write(model)
    if before is not None:
        after = answer_logits(load_merged(model) if whole else load_streamed(str(model)), asked.examples)
        if not after.isfinite().all():
            raise ModelError(
                "the merged model gives logits that are not finite",
                where=str(model),
                remedy="Use smaller weights under [merge].",
            )
        results |= {"verified_prompts": len(asked.examples), "effect": compare(before, after, before).error}
    results["overlap"] = _overlaps(named)
    return _with_provenance(model, results)


def combination_of(settings: MergeSettings, *, seed: int) -> Combination:
    """How the settings say that what `of` names is combined."""
    layers = [LayerWeights(part.first, part.last, tuple(part.weights)) for part in settings.layers]
    weights = tuple(settings.weights or [1.0] * len(settings.of))
    return Combination(settings.method, weights, settings.density, settings.core_space, tuple(layers), seed)


def _judges(run: Run) -> dict[str, Run]:
    return judging_runs([(run.spelled.get(name, name), _Named.of(name).run) for name in run.recipe.merge.of], run)


def _search(
    run: Run, named: Sequence[_Named], prompts: PromptSettings, folder: Path, *, whole: bool
) -> Sequence[Tried]:
    """What was tried, the best first. Raises ModelError for a model that does not fit into the memory."""
    if not whole:
        raise ModelError(
            "search needs a base that fits into the memory", where=run.recipe.base, remedy="Set `weights`."
        )
    settings, model = run.recipe.merge, folder / "model"
    sets = validation_sets(_judges(run), most=settings.search_rows)

    def score(weights: Weights) -> dict[str, float]:
        chosen = settings.model_copy(update={"weights": list(weights)})
        _write_weights(run, named, combination_of(chosen, seed=run.recipe.seed), model)
        return exact_shares(load_merged(model, light=prompts.template != "chat"), sets, prompts, run.recipe)

    tried = choices(settings.search, len(named), by_ratio=settings.method in ("slerp", "linear"))
    return search(tried, score, folder / SEARCHED)


def _common_card(run: Run, named: Sequence[_Named]) -> AdapterCard:
    """The card of the merged model: the base and catalogue of this run, the prompts that the sources have in common.

    Raises ModelError for an adapter that was trained on another base, or with other prompts than another one.
    """
    fingerprint = base_fingerprint(run.recipe.base)
    catalogue = run.catalogue.fingerprint if run.catalogue else None
    own: dict[str, Any] = {"base": run.recipe.base, "base_fingerprint": fingerprint, "catalogue": catalogue}
    cards = [(one, card) for one in named if (card := one.card)]
    for one, card in cards:
        if one.is_adapter:
            check_base(card, run.recipe.base, adapter=one.folder)
        first = cards[0][1]
        other = next((key for key in HOW_PROMPTS_LOOK if getattr(card, key) != getattr(first, key)), None)
        if other:
            raise ModelError(
                f"{other} of its prompts is {getattr(card, other)!r}, and that of {cards[0][0].name} is"
                f" {getattr(first, other)!r}",
                where=one.name,
                remedy="Merge models that were trained with the same [prompt].",
            )
    prompts = {key: getattr(cards[0][1] if cards else run.recipe.prompt, key) for key in HOW_PROMPTS_LOOK}
    cutoff = max((card.cutoff for _, card in cards), default=run.recipe.prompt.cutoff)
    return AdapterCard(**own, **prompts, cutoff=cutoff)


def _overlaps(named: Sequence[_Named]) -> list[dict[str, Any]]:
    """How much the training rows of each two runs overlap, and what that means for their merge."""
    found = []
    refined = {one.name: one.run for one in named if one.run and one.run.is_done("refine")}
    sets = {name: Dataset(str(run.folder("refine") / "train.jsonl"), run.catalogue) for name, run in refined.items()}
    for one, other in combinations(sets, 2):
        report = overlap(sets[one], sets[other])
        found.append({"of": one, "and": other, "nearness": report.nearness, "advice": report.advice})
        say(f"merge: {one} and {other}: {report.advice} ({report.nearness:.0%} alike)")
    return found


# ---------------------------------------------------------------- steps of both


@dataclass(frozen=True)
class _Asked:
    """What the merged model is asked: prompts with their answers, and the requests in them."""

    prompt: Prompt
    examples: Sequence[EncodedExample]
    requests: Sequence[str]
    shown: Callable[[str], Catalogue] | None

    @classmethod
    def of(cls, run: Run, loaded: Loaded, settings: PromptSettings, *, whole: bool) -> "_Asked":
        """The first rows of the run's training data, if it has any; of a model that is not in memory whole, fewer."""
        prompt = Prompt.of(loaded.tokenizer, run.catalogue, settings)
        rows: Sequence[Row] = ()
        if run.is_done("refine"):
            count = run.recipe.merge.verify
            rows = refined_rows(run, "train")[: count if whole else min(count, STREAMED)]
        narrowing = narrowing_for_training(prompt, run.recipe.decode, loaded.context)
        examples = prompt.encode_all([narrowing.row(row) for row in rows] if narrowing else rows)
        requests = [row.query if isinstance(row, Example) else messages_of(row)[-2].content for row in rows]
        return cls(prompt, examples, requests or ["1", "Plan"], narrowing.tools if narrowing else None)


def _fits(base: str) -> bool:
    """Whether the base fits into the memory; if not, that is said."""
    whole = fits(base)
    if not whole:
        _warn(
            f"{base} does not fit into the memory, so its layers are read as they compute. This takes its time, so the"
            f" merge is compared on at most {STREAMED} prompts, and not with a quantised base."
        )
    return whole


def _emptied(model: Path) -> Path:
    """The folder without what an interrupted merge left, but for finished weights."""
    model.mkdir(exist_ok=True)
    for path in model.iterdir():
        if path.name != JOURNAL and path.suffix != ".safetensors":
            shutil.rmtree(path) if path.is_dir() else path.unlink()  # a folder: several chat templates
    return model


def _write_settings(run: Run, loaded: Loaded, asked: _Asked, model: Path) -> dict[str, Any]:
    """Write all but the weights, with a warning if earlier releases of transformers will not read it as it is meant."""
    dtype = run.recipe.merge.dtype
    problems = write_settings(loaded, asked.prompt, model, dtype=dtype, requests=asked.requests, shown=asked.shown)
    for problem in problems:
        _warn(f"Serve the merged model with transformers 5 or later: for earlier releases, {problem}.")
    return {"unreadable_before_transformers_5": list(problems)} if problems else {}


def _write_weights(run: Run, named: Sequence[_Named], combination: Combination, model: Path) -> dict[str, Any]:
    """Write the weights and compare them with the base's. Raises ModelError if they differ where they should not."""
    settings, base = run.recipe.merge, base_folder(run.recipe.base)
    stored = StoredWeights.of(base)
    sources: list[Source] = [
        AdapterSource.of(base, stored, one.folder) if one.is_adapter else ModelSource(one.folder, base, stored)
        for one in named
    ]
    names = {source.name: run.spelled.get(one.name, one.name) for source, one in zip(sources, named, strict=True)}
    spelled = run.spelled.get(run.recipe.base, run.recipe.base)
    facts = facts_of(
        spelled, base_fingerprint(str(base)), sources, combination=combination, dtype=settings.dtype, names=names
    )
    data = {one.name: one.run.fingerprint("refine") for one in named if one.run and one.run.is_done("refine")}
    for source, one in zip(facts["sources"], named, strict=True):
        source |= {"data": data[one.name]} if one.name in data else {}
    written = merge_sources(
        base,
        sources,
        model,
        combination=combination,
        dtype=settings.dtype,
        max_shard_size=settings.max_shard_size,
        facts=facts,
    )
    differences = compare_weights(written.combined, model)
    if differences.rounded_away:
        _warn(
            f"{len(differences.rounded_away)} tensors are still those of the base: their changes are too small for"
            f' {settings.dtype}, as that of {differences.rounded_away[0]}. dtype = "float32" under [merge] keeps them.'
        )
    write_provenance(model, {**facts, "files": written.written.files, "versions": versions()})
    return {
        "dtype": settings.dtype,
        "shards": written.shards,
        "bytes": written.size,
        "merged_layers": written.layers,
        "changed_tensors": differences.changed,
        "unchanged_tensors": differences.unchanged,
        "rounded_away": len(differences.rounded_away),
    }


def _with_provenance(model: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Note what was checked beside the weights."""
    checks = {key: value for key, value in results.items() if key in CHECKS}
    write_provenance(model, {**Provenance.read(model).facts, "checks": checks})
    return results


def _warn(text: str) -> None:
    Console(stderr=True).print(text, style="yellow", markup=False)
