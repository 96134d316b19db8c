"""Evaluation by hand: the answers of two models, the whole denominator, the report; and once with a real model."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.commands.evaluate import evaluate
from platypus.data.dataset import Example, Instruction, Row, write_rows
from platypus.decoding import decoder
from platypus.errors import DatasetError, RunError
from platypus.evaluation import html_report
from platypus.inference.calibration import Calibration, brier
from platypus.inference.evidence import FEATURES, logit
from platypus.inference.opening import CONFIDENCE, open_base, open_planner
from platypus.model import adapters, completion, loading
from platypus.model.adapters import ADAPTER_CARD, AdapterCard
from platypus.model.completion import Completion
from platypus.plan.notation import read_plan
from platypus.plan.plan import Plan
from platypus.run.folder import Run
from platypus.run.settings import DecodeSettings
from tests.support.command import here
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

TOOLS = [{"name": "me"}, {"name": "sprint"}, {"name": "sum", "inputSchema": {"properties": {"of": {}}}}]
CATALOGUE: Catalogue = catalogue_from_json(TOOLS)
GOLD = {
    "Who am I?": "me()",
    "Sum me up.": "me()\nsum(of=$0)",
    "Sum up the sprint.": "sprint()\nsum(of=$0)",
    "Make tea.": "[]",
}
BEFORE = {
    "Who am I?": "I do not know.",
    "Sum me up.": "me()\nsum(of=$1)",
    "Sum up the sprint.": "sum()",
    "Make tea.": "tea()",
}
AFTER = {**GOLD, "Sum up the sprint.": "me()\nsum(of=$0)"}


@dataclass
class Oracle:
    """A model with a fixed answer for each request; it records the requests."""

    source: str
    answers: dict[str, str]
    tokenizer: Any = field(default_factory=byte_bpe_tokenizer)
    requests: list[str] = field(default_factory=list)
    context: int = 4096

    def complete(self, prompts: Sequence[Sequence[int]]) -> Iterator[Completion]:
        for ids in prompts:
            text = str(self.tokenizer.decode(ids))
            (request,) = [request for request in self.answers if request in text]
            self.requests.append(request)
            yield Completion(self.answers[request], len(self.answers[request]), finished=True)


def use(monkeypatch: pytest.MonkeyPatch, before: Oracle, after: Oracle) -> None:
    monkeypatch.setattr(loading, "load_base", lambda source, light: before)
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: after)
    monkeypatch.setattr(completion, "complete", lambda loaded, prompts, **options: loaded.complete(prompts))
    monkeypatch.setattr(html_report, "can_plot", lambda: False)  # a second each; the plots have tests of their own


def new_run(folder: Path, rows: Sequence[Row], settings: str = "", *, planner: bool = True, base: str = "base") -> Run:
    """A run with test rows and an adapter; decoding is free."""
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    catalogue = f'catalogue = "{folder}/tools.json"\n' if planner else ""
    decode = '[decode]\ndecoding = "free"\n'
    (folder / "recipe.toml").write_text(f'{catalogue}base = "{base}"\n{decode}[evaluate]\nresamples = 50\n{settings}')
    run = Run.open(folder / "run", recipe=folder / "recipe.toml")

    def refine(folder: Path) -> dict[str, Any]:
        write_rows(folder / "test.jsonl", rows)
        write_rows(folder / "valid.jsonl", rows)
        return {}

    def train(folder: Path) -> dict[str, Any]:
        (folder / "adapter").mkdir()
        card = AdapterCard(base, "0" * 16, CATALOGUE.fingerprint if planner else None, "calls", 4096)
        (folder / "adapter" / ADAPTER_CARD).write_text(json.dumps(asdict(card)))
        return {}

    run.perform("refine", inputs={}, settings={}, work=refine)
    run.perform("train", inputs={}, settings={}, work=train)
    return run


def examples() -> list[Row]:
    rows: list[Row] = []
    for query, text in GOLD.items():
        plan = read_plan(text, "calls", CATALOGUE)
        assert isinstance(plan, Plan)
        rows.append(Example(query, plan, CATALOGUE.fingerprint, {}))
    return rows


def values(results: Any, variant: str) -> dict[str, float]:
    return {name: interval["value"] for name, interval in results["variants"][variant]["measures"].items()}


def test_before_and_after_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = Oracle("the base", BEFORE), Oracle("the adapter", AFTER)
    use(monkeypatch, before, after)
    outcome = evaluate(new_run(tmp_path, examples()))
    assert outcome.results["rows"] == outcome.results["of"] == 4
    assert values(outcome.results, "before") == {
        "valid": 1 / 4,  # sum() is valid: its argument is optional
        **dict.fromkeys(["exact", "strict_exact", "tool_sequence", "call_accuracy", "edge_f1", "edge_f1_macro"], 0),
        "tool_f1": 2 * 1 / (1 + 5),  # answered sum; gold me, me, sum, sprint, sum
        "tool_f1_macro": (2 * 1 / (1 + 2)) / 3,
        **dict.fromkeys(["argument_f1", "argument_f1_macro", "argument_name_f1", "argument_name_f1_macro"], 0),
        **dict.fromkeys(["reference_steps", "reference_accuracy", "correct_refusals"], 0),
        "wrong_refusals": 0,
    }
    assert values(outcome.results, "after") == {
        "valid": 1,
        **dict.fromkeys(["exact", "strict_exact", "tool_sequence"], 3 / 4),
        "call_accuracy": 3 / 5,
        "tool_f1": 2 * 4 / (5 + 5),
        "tool_f1_macro": (1 + 1 + 1 / 2) / 3,
        **dict.fromkeys(["edge_f1", "edge_f1_macro", "argument_f1", "argument_f1_macro"], 1 / 2),
        **dict.fromkeys(["argument_name_f1", "argument_name_f1_macro", "refusal_precision", "correct_refusals"], 1),
        **dict.fromkeys(["reference_steps", "reference_accuracy"], 1 / 2),
        "wrong_refusals": 0,
    }
    assert outcome.results["variants"]["before"]["malformed"] == {"calls": 1, "reference": 1, "unknown-tool": 1}
    assert outcome.results["variants"]["before"]["model"] == "the base"
    assert outcome.results["variants"]["after"]["malformed"] == {}
    longest_first = ["Sum up the sprint.", "Sum me up.", "Who am I?", "Make tea."]
    assert before.requests == after.requests == longest_first


def test_without_test_rows_there_is_nothing_to_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = new_run(tmp_path, [])
    outcome = evaluate(run)
    assert (outcome.results["rows"], outcome.results["variants"]) == (0, {})
    assert outcome.results["reason"].startswith("There is nothing to score: refine/test.jsonl has no rows")
    assert (outcome.folder / "scores.jsonl").read_text() == ""
    assert outcome.results["reason"] in (outcome.folder / "report.md").read_text()
    said = here(capsys, "evaluate", run.path)
    assert said.code == 0 and "skipped" in said.out and "There is nothing to score" in " ".join(said.out.split())
    assert here(capsys, "show", run.path).code == 0
    assert json.loads(here(capsys, "evaluate", run.path, "--json").out)["results"]["rows"] == 0


def test_rows_broken_by_hand_are_refused_before_anything_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(tmp_path, examples())
    with (run.folder("refine") / "test.jsonl").open("a") as file:
        file.write('{"query": "Broken", "plan": [}\n')
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", AFTER))
    with pytest.raises(DatasetError, match=r"1 rows are not valid.*\n.*refine .* --force"):
        evaluate(run)


def test_without_validation_rows_the_confidence_is_that_of_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_llama(tmp_path / "base", seed=8))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: loading.load_base(base, light=False))
    run = new_run(tmp_path, examples(), "before = false\n", base=base).decoded("grammar")
    (run.folder("refine") / "valid.jsonl").write_text("")
    outcome = evaluate(run)
    assert outcome.results["rows"] == len(examples())
    assert Calibration.load(outcome.folder / CONFIDENCE) == Calibration()


def test_every_row_and_variant_is_written_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", AFTER))
    folder = evaluate(new_run(tmp_path, examples())).folder
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    assert [(line["variant"], line["query"], line["answer"]) for line in lines] == [
        *(("before", query, answer) for query, answer in BEFORE.items()),
        *(("after", query, answer) for query, answer in AFTER.items()),
    ]
    assert lines[1]["plan"] is None and "its own output" in lines[1]["problems"][0]
    assert lines[5]["plan"] == lines[5]["gold"] == examples()[1].plan.to_json()  # type: ignore[union-attr]
    assert [line["score"]["exact"] for line in lines] == [False] * 4 + [True, True, False, True]
    assert [line["mistakes"] for line in lines[:2]] == [["malformed"], ["malformed"]]
    assert lines[2]["mistakes"] == ["missing step"] and lines[6]["mistakes"] == ["wrong tool"]
    assert "said" not in lines[0] and "said" not in lines[1]  # text, and a reference to itself, which is no plan
    assert lines[3]["said"] == [{"tool_name": "tea", "arguments": []}]


def test_the_report_has_groups_and_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", AFTER))
    outcome = evaluate(new_run(tmp_path, examples()))
    report = json.loads((outcome.folder / "report.json").read_text())
    after = report["variants"]["after"]
    assert {length: part["exact"]["value"] for length, part in after["by_length"].items()} == {"0": 1, "1": 1, "2": 0.5}
    assert {tool: part["exact"]["value"] for tool, part in after["by_tool"].items()} == {
        "me": 1,
        "sprint": 0,
        "sum": 0.5,
    }
    assert report["examples"] == outcome.results["examples"]
    assert [(shown["query"], shown["before"], shown["after"]) for shown in report["examples"]] == [
        (query, BEFORE[query], AFTER[query]) for query in list(GOLD)[:3]
    ]
    text = (outcome.folder / "report.md").read_text()
    assert "| measure | before | after | rows |\n| --- | ---: | ---: | ---: |\n" in text
    assert "| correct refusals | 0.0% [0.0, 97.5] | 100.0% [2.5, 100.0] | 1 |" in text
    assert "| unknown-tool | 1 | 0 |" in text
    assert "| sprint | 0.0% [0.0, 97.5] | 0.0% [0.0, 97.5] | 1 |" in text
    assert report["seed"] == 0 and report["versions"]["platypus"] and report["data"] == "refine/test.jsonl"
    assert after["clusters"] == 4


def test_instruction_rows_are_compared_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Instruction("Greet.", "", "Good day!", {}), Instruction("Name a river.", "", "The long Nile", {})]
    texts = {"Greet.": "Good day!", "Name a river.": "the Nile"}
    use(monkeypatch, Oracle("the base", dict.fromkeys(texts, "")), Oracle("the adapter", texts))
    results = evaluate(new_run(tmp_path, rows, planner=False)).results
    assert values(results, "before") == {"text_exact": 0, "word_f1": 0}
    assert values(results, "after") == {"text_exact": 1 / 2, "word_f1": 2 * 4 / (4 + 5)}


def test_limit_and_no_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = Oracle("the base", BEFORE), Oracle("the adapter", AFTER)
    use(monkeypatch, before, after)
    results = evaluate(new_run(tmp_path, examples(), "limit = 2\nbefore = false\n")).results
    assert (results["rows"], results["of"], list(results["variants"])) == (2, 4, ["after"])
    assert sorted(after.requests) == sorted(list(GOLD)[:2]) and not before.requests


def test_it_is_skipped_until_the_model_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Oracle("the base", BEFORE), Oracle("the adapter", AFTER))
    run = new_run(tmp_path, examples())
    assert not evaluate(run).skipped
    assert evaluate(run).skipped
    run.perform("merge", inputs={"train": run.fingerprint("train")}, settings={}, work=lambda folder: {})
    monkeypatch.setattr(loading, "load_merged", lambda source, light: Oracle("the merged model", GOLD))
    outcome = evaluate(run)
    assert not outcome.skipped and values(outcome.results, "after")["exact"] == 1


def test_without_an_adapter_it_names_the_stage_to_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base = "base"\n')
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    with pytest.raises(RunError, match="platypus"):
        evaluate(run)


def test_a_model_of_random_weights_scores_0_and_every_row_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_llama(tmp_path / "base"))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: loading.load_base(base, light=False))
    results = evaluate(new_run(tmp_path, examples(), "max_new_tokens = 8\nbatch_size = 3\n", base=base)).results
    for variant in ("before", "after"):
        assert values(results, variant)["valid"] == 0
        assert results["variants"][variant]["measures"]["exact"]["rows"] == 4
        assert sum(results["variants"][variant]["malformed"].values()) == 4


def test_under_the_grammar_every_plan_of_a_real_model_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = str(tiny_llama(tmp_path / "base"))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: loading.load_base(base, light=False))
    run = new_run(tmp_path, examples(), "max_new_tokens = 8\nbatch_size = 3\n", base=base)
    free = evaluate(run)
    results = evaluate(run.decoded("grammar")).results
    assert not free.skipped and evaluate(run.decoded("grammar")).skipped
    for variant in ("before", "after"):
        assert values(results, variant)["valid"] == 1
        assert results["variants"][variant]["malformed"] == {}


def test_confidence_is_fitted_to_the_validation_rows_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(tiny_llama(tmp_path / "base", seed=8))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: loading.load_base(base, light=False))
    monkeypatch.setattr(
        decoder, "AHEAD", 0
    )  # drafts from the test rows would change the rounding of the validation rows
    run = new_run(tmp_path, examples(), "batch_size = 3\nbefore = false\n", base=base).decoded("grammar")
    assert open_planner(run).calibration == Calibration()
    strict = DecodeSettings(min_confidence=0.9, max_steps=1)
    outcome = evaluate(replace(run, recipe=run.recipe.model_copy(update={"decode": strict})))
    confidence = outcome.results["variants"]["after"]["confidence"]
    lines = [json.loads(line) for line in (outcome.folder / "scores.jsonl").read_text().splitlines()]
    probabilities = [line["probability"] for line in lines]
    exact = [line["score"]["exact"] for line in lines]
    fitted = Calibration.load(outcome.folder / CONFIDENCE)
    uncut = [not line["cut"] for line in lines]  # the validation rows are the same four
    scores = [logit(line["probability"]) for line in lines]
    assert fitted == Calibration().corrected(list(compress(scores, uncut)), list(compress(exact, uncut)))
    assert all(set(line["evidence"]) == set(FEATURES) for line in lines)
    assert confidence["fitted_rows"] == sum(uncut) > 0 and confidence["brier"]["probability"] == round(
        brier(probabilities, exact), 4
    )
    assert confidence["not_sure"] == 4 and confidence["exact_if_sure"] is None
    assert "not sure of 4 plans (below 90%)" in (outcome.folder / "report.md").read_text()
    assert open_planner(run).calibration == fitted and open_base(run).calibration == Calibration()
    run.perform("train", inputs={}, settings={"other": 1}, work=lambda folder: copy_adapter(folder, base), force=True)
    assert open_planner(run).calibration == Calibration()


def copy_adapter(folder: Path, base: str) -> dict[str, Any]:
    (folder / "adapter").mkdir()
    card = AdapterCard(base, "0" * 16, CATALOGUE.fingerprint, "calls", 4096)
    (folder / "adapter" / ADAPTER_CARD).write_text(json.dumps(asdict(card)))
    return {}


def test_plans_that_a_limit_cut_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = str(tiny_llama(tmp_path / "base"))
    monkeypatch.setattr(adapters, "load_adapted", lambda source, base: loading.load_base(base, light=False))
    run = new_run(tmp_path, examples(), "max_new_tokens = 1\nbefore = false\n", base=base)
    outcome = evaluate(run.decoded("grammar"))
    lines = [json.loads(line) for line in (outcome.folder / "scores.jsonl").read_text().splitlines()]
    cut_probabilities = [line["probability"] for line in lines if line["cut"]]
    assert len(cut_probabilities) == outcome.results["variants"]["after"]["cut"] > 0 and set(cut_probabilities) == {0.0}
    assert f"after: {len(cut_probabilities)} answers were cut by a limit" in (outcome.folder / "report.md").read_text()


def test_exactness_apart_from_the_habits_of_own_rows_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = new_run(tmp_path, examples())
    use(monkeypatch, Oracle("base", BEFORE), Oracle("tuned", AFTER))
    plan = read_plan("me()\nsum(of=$0)", "calls", CATALOGUE)
    assert isinstance(plan, Plan)
    for source, told in (("generate", False), ("mine.jsonl", True)):
        rows = [Example(f"Sum {i}", plan, CATALOGUE.fingerprint, {"source": source, "line": i}) for i in range(6)]
        write_rows(run.folder("refine") / "train.jsonl", rows)
        outcome = evaluate(run)
        after = outcome.results["variants"]["after"]
        assert ("apart" in after) == told
    assert after["apart"]["exact"]["value"] == after["measures"]["exact"]["value"] == 0.75
    page = (outcome.folder / "report.md").read_text()
    assert "after: apart from look-ups by name and from what words imply, exact 75.0%" in page
