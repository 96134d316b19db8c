"""The pages about what `refine` did: `report.md`, `report.html` with its plots, and the dataset card `README.md`.

The counts are those of `report.json`; samples of rows and rejections are shown with them. No page needs the network.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platypus.catalogue.prose import one_line
from platypus.data.dataset import Rejected
from platypus.refinement.candidates import Candidate
from platypus.reports import Section, as_html, as_markdown, shortened
from platypus.run.recipe import Recipe

SAMPLES = 3  # of each kind
SAMPLE_LENGTH = 300  # characters
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
SPLITS = ("train", "valid", "test")
ALPACA = ("instruction", "input", "output")
MESSAGES = """  - name: messages
    list:
    - name: role
      dtype: string
    - name: content
      dtype: string"""
NAMES = {"train": "train", "valid": "validation", "test": "test"}


def write_reports(
    folder: Path,
    report: Mapping[str, Any],
    *,
    splits: Mapping[str, Sequence[Candidate]],
    rejected: Sequence[Rejected],
    recipe: Recipe,
) -> None:
    """Write `report.json` and the pages into `folder`."""
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    sections = list(_sections(report, splits, rejected))
    (folder / "report.md").write_text(as_markdown("What refine did", sections), encoding="utf-8")
    (folder / "report.html").write_text(as_html("What refine did", sections), encoding="utf-8")
    (folder / "README.md").write_text(_card(report, splits, recipe), encoding="utf-8")


def _sections(
    report: Mapping[str, Any], splits: Mapping[str, Sequence[Candidate]], rejected: Sequence[Rejected]
) -> Iterator[Section]:
    if warnings := report.get("warnings"):
        yield Section("Warnings", samples=warnings)
    counted = ("templates", "skeletons")
    rows = [["split", "rows", "templates", "plan shapes"]]
    rows += [[name, f"{report[name]:,}", *(f"{report[key][name]:,}" for key in counted)] for name in SPLITS]
    families = report["families"]
    text = f"{families['count']:,} groups of rows that stand on one side; the largest has {families['largest']:,}."
    if by_rows := report.get("split_by_rows"):
        text += f" The rows of {' and '.join(by_rows)} were drawn singly all the same."
    yield Section("Splits", text, rows)
    if shared := report.get("shared_text"):
        parts = {"instructions": "instruction", "inputs": "input", "runs": "long run of text"}
        text = "Rows, those of the tests too, of which a part was not compared, because other rows have it as well."
        table = [["part", "rows"], *([parts[name], f"{count:,}"] for name, count in shared.items())]
        yield Section("Shared text", text, table)
    if report["rejected"]:
        by_kind = {kind: _of_kind(rejected, kind) for kind in report["rejected"]}
        yield Section("Left out", "Each row, with its reason, is in rejected.jsonl.", bars=report["rejected"])
        for kind, some in by_kind.items():
            yield Section(f"Left out: {kind}", samples=[_rejection(row) for row in some])
    if report["contamination"]:
        table = [["test set", "training rows that resemble it"]]
        yield Section("Tests", table=[*table, *([name, f"{n:,}"] for name, n in report["contamination"].items())])
    if report["doubts"]:
        text = "Rows that stayed although something may be wrong with them; each is in doubts.jsonl."
        yield Section("Doubts", text, bars=report["doubts"])
        for kind in report["doubts"]:
            yield Section(f"Doubts: {kind}", samples=list(_doubts(splits, kind)))
    if report.get("unused"):
        table = [["source", "key or column", "rows that hold it"]]
        table += [[source, key, f"{n:,}"] for source, counts in report["unused"].items() for key, n in counts.items()]
        yield Section("Not used", "Keys and columns that were read, but are not learned.", table)
    if report["repairs_by_name"]:
        yield Section("Repairs", "What was mended while reading.", bars=report["repairs_by_name"])
    if report["tools"]["train"]:
        yield Section("Tools in the training data", bars=report["tools"]["train"])
        lengths = {f"{steps} calls": count for steps, count in report["steps"]["train"].items()}
        yield Section("Length of plans in the training data", bars=lengths)
    for name in SPLITS:
        if samples := _samples(splits[name]):
            yield Section(f"The first rows of {name}", samples=samples)


def _samples(rows: Sequence[Candidate]) -> list[str]:
    return [_clipped(f"{one.question} → {one.answer_text}") for one in rows[:SAMPLES]]


def _of_kind(rejected: Sequence[Rejected], kind: str) -> list[Rejected]:
    rows = (row for row in rejected if row.kind == kind)
    return [row for row, _ in zip(rows, range(SAMPLES), strict=False)]


def _rejection(row: Rejected) -> str:
    data = row.to_json()["row"]
    request = data.get("query", data.get("instruction")) if isinstance(data, Mapping) else data
    evidence = "; ".join(text for text in row.evidence if text != row.reason)
    return _clipped(f"{row}: {request}" + (f" ({evidence})" if evidence else ""))


def _doubts(splits: Mapping[str, Sequence[Candidate]], kind: str) -> Iterator[str]:
    texts = (
        f"{one.place}: {finding.what}: {one.question}"
        for rows in splits.values()
        for one in rows
        for finding in one.findings
        if finding.kind == kind
    )
    yield from (_clipped(text) for text, _ in zip(texts, range(SAMPLES), strict=False))


def _clipped(text: str) -> str:
    return shortened(one_line(text), SAMPLE_LENGTH)


# ---------------------------------------------------------------- the card


def _card(report: Mapping[str, Any], splits: Mapping[str, Sequence[Candidate]], recipe: Recipe) -> str:
    """The dataset card, with the YAML header that the Hugging Face hub reads."""
    total = sum(report[name] for name in SPLITS)
    size = next((name for most, name in SIZES if total < most), "n>10M")
    rows_of_all = [one for rows in splits.values() for one in rows]
    is_plans = recipe.catalogue is not None or any(one.is_example for one in rows_of_all)
    own_tools = any(one.catalogue for one in rows_of_all)
    files = [f"  - split: {NAMES[name]}\n    path: {name}.jsonl" for name in SPLITS if report[name]]
    tags = ["platypus", *(["function-calling", "tool-use", "planning"] if is_plans else ["instruction"])]
    head = [
        "---",
        *(["language:", *(f"- {code}" for code in recipe.refine.languages)] if recipe.refine.languages else []),
        *("task_categories:", "- text-generation"),
        *("size_categories:", f"- {size}"),
        *("tags:", *(f"- {tag}" for tag in tags)),
        *("configs:", "- config_name: default", "  data_files:", *files),
        *("dataset_info:", "  features:"),
        *_features(is_plans, [one for name in SPLITS for one in splits[name]], own_tools=own_tools),
        "---",
    ]
    left_out = ", ".join(f"{count:,} {kind}" for kind, count in report["rejected"].items()) or "none"
    doubts = ", ".join(f"{count:,} {kind}" for kind, count in report["doubts"].items()) or "none"
    is_generated = recipe.catalogue is not None and recipe.generate.examples > 0
    sources = ", ".join([*(["generated from the catalogue"] if is_generated else []), *recipe.refine.data])
    kind = "Requests and the plans of tool calls that answer them" if is_plans else "Instructions and their answers"
    rows = [
        ["split", "rows", "templates"],
        *([name, f"{report[name]:,}", f"{report['templates'][name]:,}"] for name in SPLITS),
    ]
    sections = [
        Section("Rows", f"{kind}. Made by `platypus refine`, seed {recipe.seed}.", rows),
        Section("Source", f"Data: {sources}. Given tests: {', '.join(recipe.refine.test) or 'none'}."),
        Section("Quality", f"Left out: {left_out}. Doubts about rows that stayed: {doubts}. See report.md."),
        Section("Splits", _apart(recipe, report.get("split_by_rows", ()))),
        Section("Samples", samples=_samples(splits["train"])),
        Section("Licence", "That of the sources; Platypus adds no claim of its own."),
    ]
    return (
        "\n".join(head) + "\n\n" + as_markdown("A dataset for planners" if is_plans else "Instruction data", sections)
    )


def _features(is_plans: bool, rows: Sequence[Candidate], *, own_tools: bool) -> list[str]:
    """The columns with their types; `json` for plans, whose values have any type."""
    if is_plans:
        types = {"query": "string", "plan": "json", "catalogue": "string"} | ({"tools": "json"} if own_tools else {})
        if any(not row.is_example and not row.is_conversation for row in rows):
            types |= dict.fromkeys(ALPACA, "string")
    else:
        types = dict.fromkeys(ALPACA if not all(row.is_conversation for row in rows) else (), "string")
    text = [f"  - name: {name}\n    dtype: {kind}" for name, kind in types.items()]
    turns = [MESSAGES] if any(row.is_conversation for row in rows) else []
    return [*text, *turns, "  - name: origin\n    dtype: json"]


def _apart(recipe: Recipe, by_rows: Sequence[str]) -> str:
    if by_rows:
        return f"The rows of {' and '.join(by_rows)} were drawn singly: similar rows stand on both sides of the split."
    apart = ["template", "near-duplicate", *recipe.refine.apart]
    return f"No {', '.join(apart)} stands on both sides of a split; near means {recipe.refine.near_duplicate} alike."
