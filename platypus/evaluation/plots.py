"""The plots of a report as SVG text, drawn by matplotlib: rates with their intervals, curves, calibration.

A plot loads nothing and depends on its data alone. Without matplotlib, which is an optional extra, there are no plots.
"""

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from platypus.reports import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#8a94a6", "#1f6feb", "#d9730d", "#2a9d6f", "#9b59b6")  # before, after, others
WIDTH = 4.7  # inches; text stays readable on a telephone
MOST = 20  # rates in one plot


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def rates(name: str, groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Horizontal bars with intervals: for each label, one bar per variant (`{label: {variant: interval}}`)."""
    shown = dict([*groups.items()][:MOST])
    variants = list(dict.fromkeys(variant for parts in shown.values() for variant in parts))
    height = 0.8 + len(shown) * (0.14 + 0.17 * len(variants))
    figure, axes = _figure(name, height)
    thick = 0.8 / len(variants)
    for k, variant in enumerate(variants):
        points = [(i, parts[variant]) for i, parts in enumerate(shown.values()) if variant in parts]
        places = [i + (k - (len(variants) - 1) / 2) * thick for i, _ in points]
        values = [part["value"] for _, part in points]
        below = [part["value"] - part["low"] for _, part in points]
        above = [part["high"] - part["value"] for _, part in points]
        axes.barh(places, values, height=thick * 0.9, color=_colour(k, variants), label=variant)
        axes.errorbar(values, places, xerr=[below, above], fmt="none", ecolor="#333", elinewidth=0.9, capsize=1.5)
    axes.set_yticks(range(len(shown)), [shortened(label, 28) for label in shown])
    axes.invert_yaxis()
    _percent(axes, "x")
    if len(variants) > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(variants), frameon=False)
    return _svg(figure, name)


def counts(name: str, bars: Mapping[str, Mapping[str, int]]) -> str:
    """Horizontal bars of counts: for each label, one bar per variant."""
    variants = list(dict.fromkeys(variant for parts in bars.values() for variant in parts))
    figure, axes = _figure(name, 0.8 + len(bars) * (0.14 + 0.17 * len(variants)))
    thick = 0.8 / len(variants)
    for k, variant in enumerate(variants):
        places = [i + (k - (len(variants) - 1) / 2) * thick for i in range(len(bars))]
        drawn = axes.barh(places, [p[variant] for p in bars.values()], thick * 0.9, color=_colour(k, variants))
        drawn.set_label(variant)
        axes.bar_label(drawn, padding=2, fontsize=8)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.invert_yaxis()
    if len(variants) > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(variants), frameon=False)
    return _svg(figure, name)


def losses(name: str, steps: Sequence[Mapping[str, float]]) -> str:
    """The loss of each training step, and the loss on validation rows where it was measured."""
    figure, axes = _figure(name, 2.6)
    for key, label, k in (("loss", "training", 0), ("valid_loss", "validation", 1)):
        points = [(step["step"], step[key]) for step in steps if key in step]
        if points:
            axes.plot(*zip(*points, strict=True), color=COLOURS[k], label=label, linewidth=1.2 + k * 0.6)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    return _svg(figure, name)


def learning_curve(name: str, found: Mapping[str, Any]) -> str:
    """Exact plans over training examples, with intervals; forecasts are dashed. `found` is a curve as plain data."""
    figure, axes = _figure(name, 2.8)
    measured = [(size, part) for size, part in zip(found["examples"], found["values"], strict=True)]
    last = measured[-1][1]["value"]
    expected = [
        (found["examples"][-1], dict.fromkeys(("value", "low", "high"), last)),
        *((part["examples"], part) for part in found["forecasts"]),
    ]
    for points, k, label in ((measured, 1, "measured"), (expected, 2, "expected")):
        if points is expected and not found["forecasts"]:
            continue
        values = [part["value"] for _, part in points]
        spread = [[v - p["low"] for v, (_, p) in zip(values, points, strict=True)]]
        spread += [[p["high"] - v for v, (_, p) in zip(values, points, strict=True)]]
        style: dict[str, Any] = {
            "color": COLOURS[k],
            "label": label,
            "linestyle": "-" if k == 1 else "--",
            "capsize": 2.5,
        }
        axes.errorbar([size for size, _ in points], values, yerr=spread, marker="o", markersize=4, **style)
    axes.set_xscale("log")
    sizes = [*found["examples"], *(part["examples"] for part in found["forecasts"])]
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel("training examples")
    axes.set_ylabel("exact plans")
    _percent(axes, "y")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure, name)


def calibration(name: str, bins: Sequence[Mapping[str, float]]) -> str:
    """The share of exact plans over confidence; on the dashed line both agree. A dot's area is its number of rows."""
    figure, axes = _figure(name, 3.4)
    most = max(part["rows"] for part in bins)
    axes.plot([0, 1], [0, 1], color="#888", linestyle="--", linewidth=1)
    sizes = [20 + 140 * part["rows"] / most for part in bins]
    axes.scatter(
        [part["confidence"] for part in bins], [part["exact"] for part in bins], sizes, color=COLOURS[1], alpha=0.8
    )
    axes.set_xlabel("confidence")
    axes.set_ylabel("exact plans")
    _percent(axes, "x")
    _percent(axes, "y")
    return _svg(figure, name)


def risk_coverage(name: str, points: Sequence[Mapping[str, float]]) -> str:
    """The share of wrong plans among the surest rows, over how many rows these are."""
    figure, axes = _figure(name, 3.4)
    axes.plot(
        [p["coverage"] for p in points], [p["risk"] for p in points], color=COLOURS[1], marker="o", markersize=2.5
    )
    axes.set_xlabel("answered, the surest first")
    axes.set_ylabel("not exact, of those answered")
    _percent(axes, "x")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_ylim(bottom=0)
    return _svg(figure, name)


def _figure(name: str, height: float) -> tuple[Any, "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    axes.grid(axis="both", color="#e6e8ec", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _percent(axes: "Axes", side: str) -> None:
    axis, limit = (axes.xaxis, axes.set_xlim) if side == "x" else (axes.yaxis, axes.set_ylim)
    axis.set_major_formatter("{x:.0%}")
    limit(0, 1.02)


def _colour(k: int, variants: Sequence[str]) -> str:
    return COLOURS[1] if len(variants) == 1 else COLOURS[k % len(COLOURS)]


def _svg(figure: Any, name: str) -> str:
    """The figure as an SVG element; its ids begin differently in each plot, since all stand on one page."""
    import matplotlib

    text = io.StringIO()
    fonts: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    with matplotlib.rc_context(fonts):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    element = text.getvalue()
    return element[element.index("<svg") :].replace("<svg ", '<svg role="img" ', 1)
