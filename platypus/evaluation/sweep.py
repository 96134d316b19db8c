"""Settings and seeds of a sweep, and its table: which settings are best, and which are as good as far as the rows tell.

A row of the test set counts with its mean over the seeds. Does not train.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from platypus.errors import RecipeError
from platypus.evaluation.clusters import clusters_of
from platypus.evaluation.comparison import Answers, row_of
from platypus.evaluation.intervals import Difference, Interval, Ratio, difference, interval
from platypus.evaluation.metrics import Score, TextScore, score_of_json

SHARED = (
    "generate",
    "teacher",
    "refine",
    "evaluate",
    "pretrain",
    "merge",
    "catalogue",
    "only",
    "bad_tools",
    "seed",
    "base",
)
RESAMPLES = 2000
LOWER = "wrong_refusals"  # the one metric whose highest value is the worst


def parse_settings(texts: Sequence[str]) -> list[dict[str, Any]]:
    """All combinations of `train.rank=8,16` and so on, in order. Keys joined by + change together. Raises RecipeError.

    >>> parse_settings(["train.rank=8,16", "train.target_modules=mlp"])
    [{'train.rank': 8, 'train.target_modules': 'mlp'}, {'train.rank': 16, 'train.target_modules': 'mlp'}]
    >>> parse_settings(["prompt.notation+prompt.markers=json+false,calls+true"])
    [{'prompt.notation': 'json', 'prompt.markers': False}, {'prompt.notation': 'calls', 'prompt.markers': True}]
    """
    return [{key: value for one in chosen for key, value in one.items()} for chosen in product(*read_choices(texts))]


def read_choices(texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """For each text, the settings that it lets one choose between. Raises RecipeError."""
    choices: list[list[dict[str, Any]]] = []
    seen: set[str] = set()
    for text in texts:
        joined, _, values = text.partition("=")
        keys = joined.split("+")
        options = [dict(zip(keys, each, strict=False)) for each in _options(values, keys)]
        choices.append([*{repr(option): option for option in options}.values()])
        if not values or seen & set(keys) or any(len(choice) < len(keys) for choice in choices[-1]):
            raise RecipeError("is not a setting with its values", where=f"--set {text}", remedy="train.rank=8,16,64")
        for key in keys:
            if key.partition(".")[0] in SHARED:
                remedy = "A sweep changes train, prompt and decode; all its runs share their rows, base and seeds."
                raise RecipeError(f"{key} cannot differ between runs of a sweep", where=f"--set {text}", remedy=remedy)
        seen |= set(keys)
    return choices


def _options(text: str, keys: Sequence[str]) -> list[list[Any]]:
    """The values of each choice: `["a","b"],"c"` as TOML reads a list, otherwise cut at commas."""
    if len(keys) == 1:
        with suppress(tomllib.TOMLDecodeError):
            return [[value] for value in tomllib.loads(f"values = [{text}]")["values"]]
    return [_values(part, keys) for part in text.split(",")]


def _values(text: str, keys: Sequence[str]) -> list[Any]:
    """The values of keys that change together."""
    parts = text.split("+") if len(keys) > 1 else [text]
    return [_value(part.strip()) for part in parts] if len(parts) == len(keys) else []


def _value(text: str) -> Any:
    """A value as TOML reads it; a text may stand without quotation marks."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def name_of(settings: Mapping[str, Any]) -> str:
    """A name for the folder of a combination: `rank=8,target_modules=mlp`."""
    parts = (f"{key.rpartition('.')[2]}={value}" for key, value in settings.items())
    return ",".join(parts).replace("/", "-").replace(" ", "") or "as-it-is"


@dataclass(frozen=True)
class Tried:
    """One combination: its settings, the answers of each seed, and what its training took.

    `seconds` is the mean over seeds; `memory` is the forecast in bytes, 0 where an earlier version trained.
    """

    settings: Mapping[str, Any]
    answers: Sequence[Answers]
    trainable_parameters: int
    seconds: float
    memory: int = 0


@dataclass(frozen=True)
class Line:
    """A line of the table; `behind` is the best combination's lead, None for the best."""

    settings: Mapping[str, Any]
    value: Interval
    seeds: Sequence[float]
    behind: Difference | None
    trainable_parameters: int
    seconds: float
    memory: int

    def to_json(self) -> dict[str, Any]:
        """The line as plain data."""
        return asdict(self)


def table(tried: Sequence[Tried], metric: str, *, seed: int) -> list[Line]:
    """The combinations, the best first; of equally good ones, the one with the fewest trainable parameters.

    A row of another kind than the metric's takes no part. Raises RecipeError for a metric that cannot order them.
    """
    keys = list(tried[0].answers[0].lines)
    clusters = clusters_of([row_of(tried[0].answers[0].lines[key]) for key in keys])
    scores = [
        [[score_of_json(answers.lines[key]["score"]) for key in keys] for answers in one.answers] for one in tried
    ]
    check_metric(metric, [score for one in scores for seed in one for score in seed])
    rows = [[[score.ratios.get(metric, Ratio(0, 0)) for score in seed] for seed in one] for one in scores]
    means = [[_mean(each) for each in zip(*seeds, strict=True)] for seeds in rows]
    drawn: dict[str, Any] = {"clusters": clusters, "resamples": RESAMPLES, "seed": seed}
    values = [interval(mean, **drawn) for mean in means]
    order = sorted(range(len(tried)), key=lambda i: (-_rate(means[i]), tried[i].trainable_parameters, i))
    best = order[0]
    return [
        Line(
            tried[i].settings,
            value,
            [round(_rate(each), 4) for each in rows[i]],
            difference(means[i], means[best], **drawn) if i != best else None,
            tried[i].trainable_parameters,
            tried[i].seconds,
            tried[i].memory,
        )
        for i in order
        if (value := values[i])
    ]


def check_metric(metric: str, scores: Iterable[Score | TextScore]) -> None:
    """Raises RecipeError for a metric that cannot order combinations by rows with these scores."""
    ratios = [score.ratios for score in scores]
    known = list(dict.fromkeys(name for each in ratios for name in each))
    if metric not in known:
        remedy = f"Known: {', '.join(known)}" if known else "There are no test rows: see test_fraction under [refine]."
        raise RecipeError(f"there is no metric {metric!r}", where="--metric", remedy=remedy)
    takes_part = any(each[metric].of for each in ratios if metric in each)
    if metric == LOWER or not takes_part:
        what = "is better the lower it is" if metric == LOWER else "has no test row that takes part in it"
        raise RecipeError(f"{metric} {what}", where="--metric", remedy=f"Order by another one of {', '.join(known)}.")


def _mean(ratios: Sequence[Ratio]) -> Ratio:
    return Ratio(sum(ratio.hits for ratio in ratios) / len(ratios), sum(ratio.of for ratio in ratios) / len(ratios))


def _rate(ratios: Sequence[Ratio]) -> float:
    of = sum(ratio.of for ratio in ratios)
    return sum(ratio.hits for ratio in ratios) / of if of else 0.0


def as_rows(lines: Sequence[Line], metric: str) -> list[list[str]]:
    """A heading, then a row for each line; settings that all lines share are left out (`shared`)."""
    told = [key for key in lines[0].settings if key not in shared(lines)]
    names = [key.rpartition(".")[2] for key in told]
    head = names if len(set(names)) == len(names) else told
    measures = [metric, "of each seed", "behind the best", "trainable parameters", "seconds", "memory"]
    return [[*head, *measures], *(_cells(line, told) for line in lines)]


def as_short_rows(lines: Sequence[Line], metric: str) -> list[list[str]]:
    """The same for a terminal: the settings in one column, and the measures that decide."""
    head, *_ = rows = as_rows(lines, metric)
    measures = (metric, "behind the best", "trainable parameters", "seconds")
    told = [len(head) - 1 - head[::-1].index(measure) for measure in measures]  # settings stand before the measures
    return [[name, *(row[i] for i in told)] for name, row in zip(["settings", *labels(lines)], rows, strict=True)]


def shared(lines: Sequence[Line]) -> dict[str, Any]:
    """The settings that are the same in all lines; none for a line alone."""
    first, *others = lines
    same = {key: all(line.settings[key] == value for line in others) for key, value in first.settings.items()}
    return {key: first.settings[key] for key, is_same in same.items() if is_same and others}


def labels(lines: Sequence[Line]) -> list[str]:
    """A short name for each line: the values that differ, without those that follow from one before them."""
    told: list[list[str]] = []
    for key in lines[0].settings:
        column = [str(line.settings[key]) for line in lines]
        kinds = len(set(column))
        follows = any(len(set(zip(column, other, strict=True))) == kinds == len(set(other)) for other in told)
        if kinds > 1 and not follows:
            told.append(column)
    return [" · ".join(parts) for parts in zip(*told, strict=True)] or [name_of(line.settings) for line in lines]


def _cells(line: Line, told: Sequence[str]) -> list[str]:
    seeds = ", ".join(f"{100 * value:.1f}" for value in line.seeds)
    behind = str(line.behind) if line.behind else ""
    settings = [str(line.settings[key]) for key in told]
    return [
        *settings,
        str(line.value),
        seeds,
        behind,
        f"{line.trainable_parameters:,}",
        f"{line.seconds:.0f}",
        _gigabytes(line),
    ]


def _gigabytes(line: Line) -> str:
    return f"{line.memory / 1e9:.2f} GB" if line.memory else ""


def verdict(lines: Sequence[Line]) -> str:
    """What the table says of the choice, and which settings all share."""
    same = ", ".join(f"{key} = {json.dumps(value)}" for key, value in shared(lines).items())
    return f"{_choice(lines)} All have {same}." if same else _choice(lines)


def _choice(lines: Sequence[Line]) -> str:
    tied = [line for line in lines[1:] if line.behind and line.behind.low <= 0]
    own = [{k: v for k, v in line.settings.items() if k not in shared(lines)} for line in lines]
    best = name_of(own[0])
    if len(lines) == 1:
        return f"{best} stands alone."
    if not tied:
        return f"{best} is better than all others."
    cheapest = min([lines[0], *tied], key=lambda line: (line.trainable_parameters, line.seconds))
    least = name_of(own[[*lines].index(cheapest)])
    return (
        f"{len(tied)} of {len(lines) - 1} others cannot be told from {best} with these rows; the smallest is {least}."
    )
