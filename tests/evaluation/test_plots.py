"""The plots: their texts are text, and equal data gives equal plots."""

import xml.etree.ElementTree as ET

from platypus.evaluation import plots


def rate(value: float) -> dict[str, float]:
    return {"value": value, "low": value / 2, "high": value, "rows": 4, "clusters": 4}


CURVE = {
    "examples": [100, 1000],
    "values": [rate(0.4), rate(0.8)],
    "forecasts": [{"examples": 2000, "value": 0.85, "low": 0.8, "high": 0.9}],
    "slope": None,
}


def test_every_plot_is_svg_with_its_labels_as_text() -> None:
    bins = [{"rows": 3, "confidence": 0.2, "exact": 0.0}, {"rows": 5, "confidence": 0.9, "exact": 0.8}]
    drawn = {
        "works_list": plots.rates(
            "a", {"works_list": {"before": rate(0.5), "after": rate(1)}, "me": {"after": rate(0)}}
        ),
        "wrong tool": plots.counts("b", {"wrong tool": {"before": 7, "after": 0}}),
        "validation": plots.losses("c", [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "valid_loss": 1.1}]),
        "confidence": plots.calibration("d", bins),
        "answered, the surest first": plots.risk_coverage("e", [{"coverage": 0.5, "risk": 0.1}]),
        "1,000": plots.learning_curve("f", CURVE),
        "expected": plots.learning_curve("g", CURVE),
    }
    for label, svg in drawn.items():
        texts = [
            "".join(part.itertext()).strip() for part in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        ]
        assert label in texts
    assert "expected" not in plots.learning_curve("h", {**CURVE, "forecasts": []})
    assert "7" in drawn["wrong tool"] and plots.can_plot()


def test_equal_data_gives_equal_plots() -> None:
    groups = {f"a tool with quite a long name {i}": {"after": rate(i / 30)} for i in range(30)}
    svg = plots.rates("a", groups)
    assert svg == plots.rates("a", groups) and svg.count("a tool with quite a long") == plots.MOST
