"""refine: no row is lost, no group is in two splits, and every rejected row has a reason."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.refine import refine
from platypus.data.dataset import Example, Row, read_dataset, write_rows
from platypus.data.signatures import request_template
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Step
from platypus.refinement.similarity import near_duplicates
from platypus.run.folder import Run
from tests.support.command import ROOT

CATALOGUE = ROOT / "examples" / "worktracker" / "catalogue.json"
SEED = ROOT.parent / "shared" / "data" / "seed"

STAGES = ("triage", "backlog", "code review", "testing", "released")
OPENINGS = ("List", "Show me", "Which are", "I need", "Fetch", "Give me an overview of", "Where do I find")
ENDINGS = ("please", "today", "before the meeting", "for the report", "as soon as you can", "in any order")


def works(**filters: Any) -> Plan:
    return Plan((Step("works_list", filters),))


def example(query: str, plan: Plan) -> dict[str, Any]:
    return {"query": query, "plan": plan.to_json()}


def many() -> list[dict[str, Any]]:
    """210 requests of 42 templates, five rows each."""
    return [
        example(f"{opening} the tasks in {stage} {ending}", works(**{"stage.name": [stage]}, type=["task"]))
        for opening in OPENINGS
        for ending in ENDINGS
        for stage in STAGES
    ]


def start(folder: Path, rows: list[Any], *, test: list[Any] | None = None, seed: int = 0, **settings: Any) -> Run:
    """A run whose data is `rows`, in data.jsonl, and whose test, if any, is in test.jsonl."""
    files = {"data": rows, **({"test": test} if test else {})}
    for name, content in files.items():
        lines = (row if isinstance(row, str) else json.dumps(row) for row in content)
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = {name: [str(folder / f"{name}.jsonl")] for name in files} | settings
    head = [] if rows and "instruction" in rows[0] else [f"catalogue = {json.dumps(str(CATALOGUE))}"]
    toml = [*head, f"seed = {seed}", "[generate]", "examples = 0", "[refine]"]
    toml += [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    (folder / "recipe.toml").write_text("\n".join(toml), encoding="utf-8")
    return Run.open(folder / "run", recipe=folder / "recipe.toml")


def split_of(run: Run) -> dict[str, list[Row]]:
    folder = run.folder("refine")
    splits: dict[str, list[Row]] = {}
    for name in ("train", "valid", "test"):
        path = folder / f"{name}.jsonl"
        splits[name] = list(read_dataset(str(path), run.catalogue).rows) if path.stat().st_size else []
    return splits


def rejected(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.folder("refine") / "rejected.jsonl").read_text("utf-8").splitlines()]


def queries(rows: list[Row]) -> list[str]:
    return [row.query for row in rows if isinstance(row, Example)]


# ---------------------------------------------------------------- the split


def test_no_template_is_in_two_splits_and_the_fractions_are_met(tmp_path: Path) -> None:
    run = start(tmp_path, many(), near_duplicate=1.0, valid_fraction=0.1, test_fraction=0.2)
    outcome = refine(run)
    splits = split_of(run)
    templates = {name: {request_template(row) for row in rows} for name, rows in splits.items()}
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 150, "valid": 20, "test": 40}
    assert {name: len(some) for name, some in templates.items()} == {"train": 30, "valid": 4, "test": 8}
    assert len(templates["train"] | templates["valid"] | templates["test"]) == 42
    assert sorted(query for rows in splits.values() for query in queries(rows)) == sorted(
        row["query"] for row in many()
    )
    assert outcome.results == {**{"train": 150, "valid": 20, "test": 40, "rejected": {}, "doubts": {}, "repaired": 0}}


@pytest.mark.parametrize("threshold", [0.7, 0.8, 0.85])
def test_no_near_duplicates_are_in_different_splits(tmp_path: Path, threshold: float) -> None:
    run = start(tmp_path, many(), near_duplicate=threshold, valid_fraction=0.1, test_fraction=0.2)
    refine(run)
    splits = {name: queries(rows) for name, rows in split_of(run).items()}
    everything = [query for rows in splits.values() for query in rows]
    side = {query: name for name, rows in splits.items() for query in rows}
    pairs = near_duplicates(everything, threshold=threshold)
    assert all(side[everything[a]] == side[everything[b]] for a, b in zip(pairs.first, pairs.second, strict=True))
    assert len(pairs.first)
    assert splits["test"]


@pytest.mark.parametrize("seed", range(4))
def test_a_large_group_does_not_fill_the_test_set(tmp_path: Path, seed: int) -> None:
    one_template = [
        example(f"Summarize ISS-{n}.", Plan((Step("summarize_objects", {"objects": [f"ISS-{n}"]}),))) for n in range(60)
    ]
    run = start(
        tmp_path, [*one_template, *many()], seed=seed, near_duplicate=1.0, valid_fraction=0.0, test_fraction=0.5
    )
    refine(run)
    test = split_of(run)["test"]
    assert len(test) == 135
    assert not any("Summarize" in query for query in queries(test))


def test_the_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    runs = []
    for name, seed in (("here", 0), ("elsewhere", 0), ("otherwise", 1)):
        (tmp_path / name).mkdir()
        runs.append(start(tmp_path / name, many(), seed=seed))
    refine(runs[0])
    refine(runs[2])
    program = (
        "from platypus.run.folder import *; from platypus.commands.refine import *; refine(Run.open(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", f"import sys; {program}", str(runs[1].path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "1"}, cwd=ROOT)
    here, elsewhere, otherwise = (queries(split_of(run)["test"]) for run in runs)
    assert here == elsewhere != otherwise


# ---------------------------------------------------------------- repetitions


def test_duplicates_are_removed_and_the_first_stays(tmp_path: Path) -> None:
    reordered = works(type=["task", "issue"], **{"stage.name": ["triage"]})
    rows = [
        example("My tasks and issues in triage", works(**{"stage.name": ["triage"]}, type=["issue", "task"])),
        example("Something else", Plan()),
        example("My tasks  and issues in triage ", reordered),
    ]
    run = start(tmp_path, rows, test_fraction=0.0, valid_fraction=0.0)
    refine(run)
    assert queries(split_of(run)["train"]) == ["My tasks and issues in triage", "Something else"]
    (duplicate,) = rejected(run)
    assert (duplicate["kind"], duplicate["line"]) == ("duplicate", 3)
    assert duplicate["reason"] == f"the same as {tmp_path / 'data.jsonl'}:1"
    assert duplicate["row"]["query"] == "My tasks  and issues in triage "


def test_near_duplicates_are_removed_only_if_their_plans_are_equal(tmp_path: Path) -> None:
    p1, p2 = works(**{"issue.priority": ["p1"]}), works(**{"issue.priority": ["p2"]})
    rows = [
        example("Would you list all the issues of priority p1 for me?", p1),
        example("would you list all of the issues of priority p1 for me", p1),
        example("Would you list all the issues of priority p2 for me?", p2),
    ]
    run = start(tmp_path, rows, test_fraction=0.0, valid_fraction=0.0)
    refine(run)
    assert queries(split_of(run)["train"]) == [rows[0]["query"], rows[2]["query"]]
    (near,) = rejected(run)
    assert (near["kind"], near["line"]) == ("near-duplicate", 2)
    assert near["evidence"] == [f"{tmp_path / 'data.jsonl'}:1: {rows[0]['query']}"]


def test_a_request_with_different_plans_is_refused_and_both_rows_are_listed(tmp_path: Path) -> None:
    rows = [example("My tasks", works(type=["task"])), example("Hello", Plan()), example("My tasks", Plan())]
    run = start(tmp_path, rows)
    with pytest.raises(DatasetError) as caught:
        refine(run)
    assert "2 bad rows (2 conflict)" in caught.value.what
    assert "data.jsonl:1: the same request has different plans" in caught.value.what
    listed = [json.loads(line) for line in (run.path / "refine-rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(row["line"], row["kind"]) for row in listed] == [(1, "conflict"), (3, "conflict")]
    assert listed[0]["evidence"] == [f"{tmp_path / 'data.jsonl'}:3: []"]
    assert not run.is_done("refine")


# ---------------------------------------------------------------- bad rows


UNKNOWN = {"query": "Fly", "plan": [{"tool_name": "fly", "arguments": []}]}


def test_bad_rows_are_refused_with_their_places_and_a_remedy(tmp_path: Path) -> None:
    run = start(tmp_path, [*many(), '{"query": "Half', UNKNOWN])
    with pytest.raises(DatasetError) as caught:
        refine(run)
    assert "2 bad rows (1 json, 1 unknown-tool)" in caught.value.what
    assert "data.jsonl:211: character 10: not JSON" in caught.value.what
    assert "data.jsonl:212: step 1: no tool is named 'fly'" in caught.value.what
    assert 'bad_rows = "skip"' in caught.value.remedy
    assert caught.value.where == str(run.path / "refine-rejected.jsonl")


def test_skipped_bad_rows_are_listed_and_nothing_is_lost(tmp_path: Path) -> None:
    rows = [*many(), '{"query": "Half', UNKNOWN, many()[0]]
    run = start(tmp_path, rows, bad_rows="skip")
    (run.path / "refine-rejected.jsonl").write_text("of an earlier attempt", encoding="utf-8")
    outcome = refine(run)
    assert [(row["line"], row["kind"]) for row in rejected(run) if row["kind"] != "near-duplicate"] == [
        *((211, "json"), (212, "unknown-tool"), (213, "duplicate"))
    ]
    assert sum(map(len, split_of(run).values())) + len(rejected(run)) == len(rows)
    assert outcome.results["rejected"] == dict(Counter(row["kind"] for row in rejected(run)))
    assert not (run.path / "refine-rejected.jsonl").exists()


def test_without_a_catalogue_plans_must_bring_their_tools(tmp_path: Path) -> None:
    tool = {"name": "fly", "inputSchema": {"type": "object", "properties": {}}}
    own = {**UNKNOWN, "tools": [tool]}
    call = {"type": "function", "function": {"name": "fly", "arguments": "{}"}}
    foreign = {"messages": [{"role": "user", "content": "Fly"}, {"role": "assistant", "tool_calls": [call]}]}
    text = {"instruction": "Name a bird.", "output": "The wren."}
    rows = [own, UNKNOWN, foreign, {"query": "Swim", "plan": []}]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "text.jsonl").write_text(json.dumps(text), encoding="utf-8")
    recipe = tmp_path / "recipe.toml"
    table = f'[generate]\nexamples = 0\n[refine]\ndata = ["{data}", "{tmp_path}/text.jsonl"]\ntest_fraction = 0\n'
    recipe.write_text(table, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"3 bad rows \(3 tools\)") as caught:
        refine(Run.open(tmp_path / "run", recipe=recipe))
    assert "data.jsonl:2: its plan has no tools: the row brings none, and the recipe names no" in caught.value.what
    recipe.write_text(table + 'bad_rows = "skip"\n', encoding="utf-8")
    run = Run.open(tmp_path / "run", recipe=recipe)
    refine(run)
    assert [(row["line"], row["kind"]) for row in rejected(run)] == [(line, "tools") for line in (2, 3, 4)]


def test_conversations_without_a_chat_template_are_bad_rows(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]}
    rows = [{"instruction": f"Name a {kind}.", "output": f"One {kind}."} for kind in ("bird", "tree", "fish")]
    run = start(tmp_path, [*rows, talk], test_fraction=0)
    with pytest.raises(DatasetError, match=r'(?s)1 bad rows \(1 template\).*data.jsonl:4: .*template = "chat"'):
        refine(run)
    run = start(tmp_path, [*rows, talk], test_fraction=0, bad_rows="skip")
    refine(run)
    assert [(row["line"], row["kind"]) for row in rejected(run)] == [(4, "template")]
    chat = f'base = "chat"\n[prompt]\ntemplate = "chat"\n{(tmp_path / "recipe.toml").read_text("utf-8")}'
    (tmp_path / "recipe.toml").write_text(chat.replace("seed = 0\n", ""), encoding="utf-8")
    assert not refine(Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")).skipped
    assert rejected(run) == []


def test_repaired_rows_are_used_and_reported(tmp_path: Path) -> None:
    text = (
        r'[{"tool_name": "search_object_by_name", "arguments": [{"argument_name": "query", "argument_value": "\$5"}]}]'
    )
    run = start(tmp_path, [*many(), {"query": "Find $5", "plan": text}])
    assert refine(run).results["repaired"] == 1
    report = json.loads((run.folder("refine") / "report.json").read_text("utf-8"))
    assert report["repairs"] == [f"{tmp_path / 'data.jsonl'}:211: escaped dollar (1)"]


def test_arguments_come_in_catalogue_order(tmp_path: Path) -> None:
    run = start(tmp_path, [example("Tasks", works(type=["task"], limit=3, **{"stage.name": ["triage"]}))])
    refine(run)
    (row,) = split_of(run)["train"]
    assert isinstance(row, Example)
    assert list(row.plan.steps[0].arguments) == ["limit", "stage.name", "type"]


@pytest.mark.parametrize(
    ("rows", "message"), [([UNKNOWN, UNKNOWN], r"no row is left to train on \(2 unknown-tool\)"), ([], "is empty")]
)
def test_nothing_to_train_on_is_an_error(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        refine(start(tmp_path, rows, bad_rows="skip"))


def test_a_recipe_without_examples_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("", encoding="utf-8")
    with pytest.raises(DatasetError, match="names no training examples"):
        refine(Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml"))


# ---------------------------------------------------------------- test files, other kinds of rows, inputs


def test_a_test_file_is_unchanged_and_rows_that_resemble_it_are_not_trained_on(tmp_path: Path) -> None:
    test = [
        example("Show me the tasks in blocked today", works(**{"stage.name": ["blocked"]}, type=["task"])),
        example("Which tickets await our answer right now?", works(**{"ticket.needs_response": True})),
    ]
    near = {**test[1], "query": "Which tickets await our answer right now, then?"}
    run = start(tmp_path, [*many(), near], test=[*test, test[0]], near_duplicate=0.85)
    refine(run)
    splits = split_of(run)
    assert queries(splits["test"]) == [row["query"] for row in (*test, test[0])]
    contaminated = [row for row in rejected(run) if row["kind"] == "contamination"]
    assert {row["row"]["query"] for row in contaminated} >= {
        near["query"], *(f"Show me the tasks in {stage} today" for stage in STAGES)
    }  # fmt: skip
    assert contaminated[-1]["reason"].startswith(f"nearly the same as the test row {tmp_path / 'test.jsonl'}:2")
    assert contaminated[-1]["evidence"] == [f"{tmp_path / 'test.jsonl'}:2: {test[1]['query']}"]
    training_templates = {request_template(row) for row in (*splits["train"], *splits["valid"])}
    assert training_templates and not training_templates & {request_template(row) for row in splits["test"]}


def test_alpaca_rows_are_split_and_only_equal_answers_are_duplicates(tmp_path: Path) -> None:
    words = ("river", "cloud", "engine", "paper", "lantern", "orchard", "violin", "harbour", "comet", "saddle")
    rows = [{"instruction": f"Write a line about a {word}.", "input": "", "output": f"The {word}."} for word in words]
    rows += [{**rows[0], "output": "Another river."}, rows[1]]
    run = start(tmp_path, rows, test_fraction=0.2, valid_fraction=0.1)
    refine(run)
    splits = split_of(run)
    assert [(row["line"], row["kind"]) for row in rejected(run)] == [(12, "duplicate")]
    assert {name: len(some) for name, some in splits.items()} == {"train": 8, "valid": 1, "test": 2}
    rivers = [name for name, some in splits.items() for row in some if "river" in row.to_json()["instruction"]]
    assert len(set(rivers)) == 1


def test_it_is_done_again_only_if_the_data_changes(tmp_path: Path) -> None:
    run = start(tmp_path, many())
    assert not refine(run).skipped
    assert refine(run).skipped
    start(tmp_path, many()[:100])
    assert not refine(run).skipped


def test_done_without_the_data_as_long_as_nothing_else_changed(tmp_path: Path) -> None:
    run = start(tmp_path, many())
    refine(run)
    (tmp_path / "data.jsonl").unlink()
    assert refine(run).skipped
    with pytest.raises(DatasetError, match="no such file"):
        refine(run, force=True)


def test_a_folder_whose_files_changed_is_read_again(tmp_path: Path) -> None:
    start(tmp_path, many())
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "data.jsonl").rename(folder / "train.jsonl")
    recipe = (tmp_path / "recipe.toml").read_text("utf-8").replace(str(tmp_path / "data.jsonl"), str(folder))
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    rows = refine(run).results["train"]
    assert refine(run).skipped
    lines = (folder / "train.jsonl").read_text("utf-8").splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(lines[:100]), encoding="utf-8")
    again = refine(run)
    assert not again.skipped and again.results["train"] < rows


def test_generated_examples_are_read_from_their_stage(tmp_path: Path) -> None:
    run = start(tmp_path, many())
    (tmp_path / "recipe.toml").write_text(f"catalogue = {json.dumps(str(CATALOGUE))}", encoding="utf-8")
    run = Run.open(tmp_path / "run", recipe=tmp_path / "recipe.toml")
    rows = read_dataset(str(tmp_path / "data.jsonl"), run.catalogue).rows

    def generate(folder: Path) -> dict[str, Any]:
        write_rows(folder / "examples.jsonl", rows)
        return {}

    run.perform("generate", inputs={}, settings={}, work=generate)
    refine(run)
    assert sum(map(len, split_of(run).values())) + len(rejected(run)) == 210


@pytest.mark.skipif(not SEED.exists(), reason="needs the seed data")
@pytest.mark.parametrize("name", ["raw", "train", "test"])
def test_every_row_of_the_seed_data_is_kept_or_rejected(tmp_path: Path, name: str) -> None:
    rows = (SEED / f"{name}.jsonl").read_text("utf-8").splitlines()
    run = start(tmp_path, [json.loads(row) for row in rows], bad_rows="skip", repairs="refuse")
    refine(run)
    splits = split_of(run)
    left_out = rejected(run)
    assert sum(map(len, splits.values())) + len(left_out) == len(rows)
    templates = {split: {request_template(row) for row in some} for split, some in splits.items()}
    assert (
        not templates["train"] & templates["test"]
        and not templates["train"] & templates["valid"]
        and not templates["valid"] & templates["test"]
    )
    assert len(splits["test"]) == pytest.approx(0.1 * sum(map(len, splits.values())), abs=1)
    known_bad = [row for row in left_out if row["row"].get("valid") is False]
    assert all(row["kind"] not in ("duplicate", "near-duplicate", "contamination") for row in known_bad)
    if name != "raw":
        assert len(known_bad) == sum(not json.loads(row)["valid"] for row in rows)
