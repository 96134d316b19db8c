"""evaluate: every test row answered by the base and by the fine-tuned model, scored, and set side by side.

Writes `scores.jsonl` (each row and variant: request, gold, answer, plan or problems, score), `report.json`,
`report.md`, and `confidence.json`, the calibration of the fine-tuned model, which is fitted to its answers to the
validation rows. The denominator is always the whole test set. What the measures mean stands in docs/metrics.md.
"""

import gc
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from platypus.data.dataset import Example, Instruction, Row, read_dataset, write_lines
from platypus.evaluation.metrics import Interval, Score, Scored, TextScore, grouped, score, score_text, summarise
from platypus.inference.calibration import Calibration, brier, calibration_error
from platypus.inference.planner import CONFIDENCE, Planner, is_merged, open_base, open_planner
from platypus.plan.plan import Malformed, Plan
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Outcome, Run
from platypus.run.settings import EvaluateTable

MEASURES = {
    "valid": "valid plans",
    "exact": "exact plans",
    "tool_sequence": "tool sequence",
    "tool_f1": "tool F1",
    "argument_f1": "argument F1",
    "reference_accuracy": "references",
    "correct_refusals": "correct refusals",
    "wrong_refusals": "wrong refusals",
    "text_exact": "exact texts",
    "word_f1": "word F1",
}
FITTED = 500  # validation rows that confidence is fitted to, at most
SHOWN = 3  # requests that the report shows with gold and answers


@dataclass(frozen=True)
class Marked:
    """One row, answered and scored. `plan` is None where the answer is text; `cut` when a limit ended the answer.

    `probability` is the model's own of the whole plan: None where nothing is known of it, 0 for a plan that was cut.
    """

    row: Row
    text: str
    plan: Plan | Malformed | None
    tokens: int
    score: Score | TextScore
    cut: bool
    probability: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The line in `scores.jsonl`, but for the variant."""
        plan = self.plan.to_json() if isinstance(self.plan, Plan) else None
        problems = list(map(str, self.plan.problems)) if isinstance(self.plan, Malformed) else []
        answered = {"answer": self.text, "plan": plan, "problems": problems, "tokens": self.tokens, "cut": self.cut}
        return {**_asked(self.row), **answered, "probability": self.probability, "score": asdict(self.score)}


def evaluate(run: Run, *, force: bool = False) -> Outcome:
    """Score the run's fine-tuned model, merged if it is, and its base beside it, on refine/test.jsonl."""
    model = "merge" if is_merged(run) else "train"
    return run.perform(
        "evaluate",
        inputs={"refine": run.fingerprint("refine"), model: run.fingerprint(model)},
        settings=run.recipe.evaluate.model_dump() | {"decode": run.recipe.decode.model_dump(exclude={"keep_prefix"})},
        work=lambda folder: _evaluate(run, folder),
        force=force,
    )


def table(results: Mapping[str, Any]) -> Table:
    """The measures of all variants side by side, for the terminal."""
    shown = Table(title=f"{results['rows']} test requests, 95% intervals", title_justify="left")
    for heading in _measure_rows(results)[0]:
        shown.add_column(heading, justify="left" if heading == "measure" else "right")
    for cells in _measure_rows(results)[1:]:
        shown.add_row(*cells)
    shown.caption, shown.caption_justify = "\n".join(_remarks(results["variants"])), "left"
    return shown


# ---------------------------------------------------------------- answers and scores


def _evaluate(run: Run, folder: Path) -> Mapping[str, Any]:
    """Every variant's answers, scores and report, written into the folder. Returns the report without its groups."""
    settings = run.recipe.evaluate
    test = read_dataset(str(run.folder("refine") / "test.jsonl"), run.catalogue).rows
    rows = test[: settings.limit]
    openers = {"before": open_base, "after": open_planner} if settings.before else {"after": open_planner}
    marked: dict[str, list[Marked]] = {}
    variants: dict[str, dict[str, Any]] = {}
    for variant, opener in openers.items():
        planner = opener(run)
        begun = time.monotonic()
        marked[variant] = _mark(planner, rows, settings, variant)
        seconds = time.monotonic() - begun
        variants[variant] = {
            "model": planner.loaded.source,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(sum(row.tokens for row in marked[variant]) / seconds, 1),
            **_summary(marked[variant], settings.resamples, run.recipe.seed),
        }
        if variant == "after" and any(row.probability is not None for row in marked[variant]):
            valid = read_dataset(str(run.folder("refine") / "valid.jsonl"), run.catalogue).rows[: settings.limit]
            plans = [row for row in valid if isinstance(row, Example)][:FITTED]
            calibration = _calibration(_mark(planner, plans, settings, "confidence"))
            calibration.save(folder / CONFIDENCE)
            least = run.recipe.decode.min_confidence
            variants[variant]["confidence"] = _confidence(marked[variant], calibration, least)
        del planner
        gc.collect()  # two models need not fit at once, and a model holds cycles
    report = {"rows": len(rows), "of": len(test), "variants": variants, "examples": _examples(marked)}
    write_lines(folder / "scores.jsonl", ({"variant": v, **row.to_json()} for v in marked for row in marked[v]))
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(_markdown(report), encoding="utf-8")
    slim = {name: {k: v for k, v in part.items() if not k.startswith("by_")} for name, part in variants.items()}
    return {**report, "variants": slim}


def _mark(planner: Planner, rows: Sequence[Row], settings: EvaluateTable, variant: str) -> list[Marked]:
    """The rows answered and scored, in their order.

    Rows with long gold answers are answered first, so that the answers of a batch are about equally long.
    """
    prompt = planner.prompt
    order = sorted(range(len(rows)), key=lambda i: (not _is_planned(rows[i], prompt), -len(prompt.answer(rows[i]))))
    answered = _answered(planner, [rows[i] for i in order], settings)
    console = Console(stderr=True)
    watched = track(answered, description=f"evaluate ({variant})", total=len(rows), console=console)
    marked = dict(zip(order, watched, strict=True))
    return [marked[i] for i in range(len(rows))]


def _is_planned(row: Row, prompt: Prompt) -> bool:
    return isinstance(row, Example) and prompt.catalogue is not None


def _answered(planner: Planner, rows: Sequence[Row], settings: EvaluateTable) -> Iterator[Marked]:
    """The rows answered: first those that ask for a plan, then those that ask for text."""
    prompt, size, length = planner.prompt, settings.batch_size, settings.max_new_tokens
    if prompt.catalogue is not None:
        examples = [row for row in rows if isinstance(row, Example)]
        answers = planner.plan([row.query for row in examples], batch_size=size, max_new_tokens=length)
        for row, answer in zip(examples, answers, strict=True):
            scored = score(answer.plan, row.plan, prompt.catalogue)
            probability = answer.probability if answer.finished or answer.probability is None else 0.0
            yield Marked(row, answer.text, answer.plan, answer.tokens, scored, not answer.finished, probability)
    texts = [row for row in rows if not _is_planned(row, prompt)]
    for asked, said in zip(texts, planner.respond(texts, batch_size=size, max_new_tokens=length), strict=True):
        scored_text = score_text(said.text, prompt.answer(asked))
        yield Marked(asked, said.text, None, said.tokens, scored_text, not said.finished)


def _summary(marked: Sequence[Marked], resamples: int, seed: int) -> dict[str, Any]:
    """The measures over all rows, by length and tool of the gold plan, and what was wrong with malformed answers."""
    plans = [row.score for row in marked if isinstance(row.score, Score)]
    texts = [row.score for row in marked if isinstance(row.score, TextScore)]

    def measures(scores: Sequence[Scored]) -> dict[str, Any]:
        summary = summarise(scores, resamples=resamples, seed=seed)
        return {name: asdict(interval) for name, interval in summary.items()}

    by_length = grouped(plans, lambda score: [str(score.length)])
    by_tool = grouped(plans, lambda score: score.uses)
    faults = Counter(row.plan.problems[0].kind for row in marked if isinstance(row.plan, Malformed))
    return {
        "measures": measures(plans) | measures(texts),
        "by_length": {length: measures(scores) for length, scores in by_length.items()},
        "by_tool": {tool: measures(scores) for tool, scores in by_tool.items()},
        "malformed": dict(faults.most_common()),
        "cut": sum(row.cut for row in marked),
    }


# ---------------------------------------------------------------- confidence


def _calibration(marked: Sequence[Marked]) -> Calibration:
    """What these rows tell of the model's probabilities."""
    known = [(row.probability, row.score.exact) for row in marked if row.probability is not None and not row.cut]
    return Calibration.fit([probability for probability, _ in known], [exact for _, exact in known])


def _confidence(marked: Sequence[Marked], calibration: Calibration, least: float) -> dict[str, Any]:
    """How well probabilities and confidences foretell which plans are exact, and what abstaining below `least` does."""
    known = [row for row in marked if row.probability is not None]
    exact = [row.score.exact for row in known]
    raw = [row.probability or 0.0 for row in known]
    said = [0.0 if row.cut else calibration.confidence(p) for row, p in zip(known, raw, strict=True)]
    sure = [right for right, confidence in zip(exact, said, strict=True) if confidence >= least]
    return {
        "fitted_rows": calibration.rows,
        "brier": {"probability": round(brier(raw, exact), 4), "confidence": round(brier(said, exact), 4)},
        "calibration_error": {
            "probability": round(calibration_error(raw, exact), 4),
            "confidence": round(calibration_error(said, exact), 4),
        },
        "min_confidence": least,
        "not_sure": len(known) - len(sure),
        "exact_if_sure": round(sum(sure) / len(sure), 4) if sure else None,
    }


def _examples(marked: Mapping[str, Sequence[Marked]]) -> list[dict[str, Any]]:
    """Some rows, evenly spread over the test set, with every variant's answer."""
    first = next(iter(marked.values()))
    chosen = range(0, len(first), max(1, len(first) // SHOWN))[:SHOWN]
    return [{**_asked(first[i].row), **{variant: rows[i].text for variant, rows in marked.items()}} for i in chosen]


def _asked(row: Row) -> dict[str, Any]:
    if isinstance(row, Instruction):
        return {"instruction": row.instruction, "input": row.input, "gold": row.output}
    return {"query": row.query, "gold": row.plan.to_json()}


# ---------------------------------------------------------------- the report


def _markdown(report: Mapping[str, Any]) -> str:
    variants: Mapping[str, Any] = report["variants"]
    models = [f"- {name}: {part['model']}, {part['tokens_per_second']} tokens/s" for name, part in variants.items()]
    rows = f"{report['rows']} of {report['of']} test rows. Brackets hold 95% bootstrap intervals, in percent."
    sections = ["# Evaluation", rows, "\n".join(models), _lines(_measure_rows(report))]
    for title, key in (("length of the gold plan", "by_length"), ("tool in the gold plan", "by_tool")):
        if variants["after"][key]:
            sections += [f"## Exact plans by {title}", _lines(_group_rows(variants, key, title))]
    sections += ["## Malformed answers", _lines(_malformed_rows(variants))]
    if remarks := _remarks(variants):
        sections += ["## Limits and confidence", "\n".join(f"- {remark}" for remark in remarks)]
    sections += ["## Examples"]
    sections += [_fenced(example) for example in report["examples"]]
    return "\n\n".join(sections) + "\n"


def _remarks(variants: Mapping[str, Any]) -> list[str]:
    """What is to be said of plans that were cut, and of the confidence in plans."""
    remarks = [f"{name}: {part['cut']} answers were cut by a limit" for name, part in variants.items() if part["cut"]]
    for name, part in variants.items():
        if found := part.get("confidence"):
            score, apart = found["brier"], found["calibration_error"]
            remarks.append(
                f"{name}: confidence, fitted to {found['fitted_rows']} validation rows: Brier score"
                f" {score['probability']:.3f} → {score['confidence']:.3f},"
                f" calibration error {apart['probability']:.1%} → {apart['confidence']:.1%}"
            )
            if found["min_confidence"]:
                others = "none is" if found["exact_if_sure"] is None else f"{found['exact_if_sure']:.1%} are exact"
                remarks.append(
                    f"{name}: not sure of {found['not_sure']} plans (below {found['min_confidence']:.0%});"
                    f" of the others {others}"
                )
    return remarks


def _measure_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """A heading, then each measure that some row has a say in."""
    parts = [part["measures"] for part in report["variants"].values()]
    named = [name for name in MEASURES if name in parts[0]]
    cells = [[MEASURES[name], *(_cell(part[name]) for part in parts), str(parts[0][name]["rows"])] for name in named]
    return [["measure", *report["variants"], "rows"], *cells]


def _group_rows(variants: Mapping[str, Any], key: str, title: str) -> list[list[str]]:
    parts = [part[key] for part in variants.values()]
    cells = [
        [name, *(_cell(part[name]["exact"]) for part in parts), str(parts[0][name]["exact"]["rows"])]
        for name in parts[0]
    ]
    return [[title, *variants, "rows"], *cells]


def _malformed_rows(variants: Mapping[str, Any]) -> list[list[str]]:
    kinds = sorted({kind for part in variants.values() for kind in part["malformed"]})
    cells = [[kind, *(str(part["malformed"].get(kind, 0)) for part in variants.values())] for kind in kinds]
    return [["first problem", *variants], *cells]


def _cell(interval: Mapping[str, Any]) -> str:
    return str(Interval(**interval))


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its first row the heading."""
    heading, *rest = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([heading, "|---" * len(rows[0]) + "|", *rest])


def _fenced(example: Mapping[str, Any]) -> str:
    """One example as indented JSON in a code block: nothing that a model says can break out of it."""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return "\n".join(f"    {line}" for line in text.split("\n"))
