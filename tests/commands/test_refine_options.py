"""refine's options: strict reading, further test sets, rejected doubts, tools and plan shapes apart, balance."""

import doctest
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.refine import refine
from platypus.data.dataset import PARAPHRASED, Example, Instruction
from platypus.data.signatures import plan_skeleton
from platypus.errors import DatasetError
from platypus.plan.plan import Plan, Reference, Step
from platypus.run.folder import Run
from platypus.run.settings import RefineSettings
from tests.commands.test_refine import STAGES, example, many, queries, rejected, split_of, start, works
from tests.support.command import here
from tests.support.tiny_models import tiny_llama

MESSY = [
    "{'query': 'All tasks', 'plan': [{'tool_name': 'works_list', 'arguments': {'type': 'task'}}]}",
    json.dumps({"query": "Who am I?", "plan": '[{"tool_name": "who_am_i", "arguments": [],}]'}),
]


def report(run: Run) -> dict[str, Any]:
    return json.loads((run.folder("refine") / "report.json").read_text("utf-8"))  # type: ignore[no-any-return]


def test_messy_rows_are_repaired_and_each_repair_is_named(tmp_path: Path) -> None:
    run = start(tmp_path, [*many(), *MESSY])
    assert refine(run).results["repaired"] == 2
    assert report(run)["repairs_by_name"] == {
        **{"single quotes": 8, "trailing comma": 1, "dict arguments": 1, "lone value": 1}
    }
    assert report(run)["repairs"][1] == f"{tmp_path / 'data.jsonl'}:212: trailing comma (1)"


@pytest.mark.parametrize("by", ["argument", "recipe"])
def test_strict_refuses_rows_that_need_repair(by: str, tmp_path: Path) -> None:
    run = start(tmp_path, [*many(), *MESSY], **({"repairs": "refuse"} if by == "recipe" else {}))
    with pytest.raises(DatasetError) as caught:
        refine(run, strict=by == "argument")
    assert "2 bad rows (2 json)" in caught.value.what


def test_the_strict_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = start(tmp_path, [*many(), *MESSY])
    assert here(capsys, "refine", run.path, "--strict").code == 1
    assert here(capsys, "refine", run.path).code == 0
    assert here(capsys, "refine", run.path, "--strict").code == 1  # the repaired result of before does not count


def test_rows_that_resemble_a_further_test_set_are_removed_and_counted_by_set(tmp_path: Path) -> None:
    avoided = tmp_path / "other.jsonl"
    other_tools = {
        "query": "Show the tasks in blocked to my team",
        "plan": [{"tool_name": "todo.list", "arguments": []}],
    }
    avoided.write_text(f'{json.dumps(many()[0])}\n{json.dumps(other_tools)}\n{{"query": "broken', encoding="utf-8")
    near = example("Show the tasks in blocked to my teams", works(**{"stage.name": ["blocked"]}, type=["task"]))
    test = example("Which tickets await our answer right now?", works(**{"ticket.needs_response": True}))
    run = start(tmp_path, [*many(), test, near], test=[test], avoid=[str(avoided)], bad_rows="skip")
    refine(run)
    assert queries(split_of(run)["test"]) == [test["query"]]
    contamination = report(run)["contamination"]
    assert contamination[str(tmp_path / "test.jsonl")] == 1
    assert contamination[str(avoided)] > len(STAGES)
    removed = [row for row in rejected(run) if row["kind"] == "contamination"]
    assert sum(contamination.values()) == len(removed)
    assert removed[-1]["reason"].startswith(f"nearly the same as the test row {avoided}:2")
    assert [(row["file"], row["line"]) for row in rejected(run) if row["kind"] == "json"] == [(str(avoided), 3)]
    assert all(row["evidence"] for row in removed)


def test_doubts_are_listed_and_rejected_only_if_the_recipe_says_so(tmp_path: Path) -> None:
    odd = [
        example("Everything urgent, please", works(**{"issue.priority": ["p0"]})),
        example("Write to ann.lee@example.org about it", Plan()),
    ]
    run = start(tmp_path, [*many(), *odd])
    assert refine(run).results["doubts"] == {"ungrounded": 1, "personal-data": 1}
    doubts = [json.loads(line) for line in (run.folder("refine") / "doubts.jsonl").read_text("utf-8").splitlines()]
    assert sorted((row["line"], row["kind"], row["row"]["query"]) for row in doubts) == [
        (211, "ungrounded", odd[0]["query"]),
        (212, "personal-data", odd[1]["query"]),
    ]
    again = tmp_path / "again"
    again.mkdir()
    run = start(again, [*many(), *odd], reject=["personal-data"])
    assert refine(run).results["doubts"] == {"ungrounded": 1}
    assert [(row["line"], row["kind"], row["reason"]) for row in rejected(run) if row["kind"] == "personal-data"] == [
        (212, "personal-data", "e-mail address ann…")
    ]


def chains() -> list[dict[str, Any]]:
    """60 requests: 40 with plans of four shapes, 20 that no tool can do."""
    rows = []
    for i, word in enumerate(("alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa", "lambda", "theta", "zeta")):
        find = Step("search_object_by_name", {"query": word})
        sums = Step("summarize_objects", {"objects": [Reference(0)]})
        rows += [
            example(f"look {'quite ' * i}for {word}", Plan((find,))),
            example(f"sum up {word} {'soon ' * i}please", Plan((find, sums))),
            example(f"who {'really ' * i}am I, asks {word}", Plan((Step("who_am_i"),))),
            example(f"which sprint {'ever ' * i}is it, {word}", Plan((Step("get_sprint_id"),))),
            example(f"sing {'loudly ' * i} of {word} to me", Plan()),
            example(f"bake {'more ' * i} bread called {word}", Plan()),
        ]
    return rows


def test_plan_shapes_are_in_one_split_if_the_recipe_says_so(tmp_path: Path) -> None:
    run = start(tmp_path, chains(), apart=["skeleton"], valid_fraction=0.2, test_fraction=0.2)
    refine(run)
    shapes = {name: {plan_skeleton(row.plan) for row in rows} for name, rows in split_of(run).items()}  # type: ignore[union-attr]
    assert shapes["test"] and shapes["valid"]
    assert not shapes["train"] & shapes["test"] and not shapes["train"] & shapes["valid"]


def test_a_paraphrase_is_in_the_split_of_its_original(tmp_path: Path) -> None:
    words = ("red", "green", "blue", "white", "black", "grey", "pink", "brown", "gold", "cyan")
    pairs = [(a, b) for a in words for b in words if a < b]
    rows = [example(f"{a} {b} work: list the {b} {a} tasks", works(type=["task"])) for a, b in pairs]
    for line, (a, b) in enumerate(pairs, start=1):
        origin = {"source": PARAPHRASED, "model": "m", "of": line}
        rows.append(example(f"which ones are {a}, and {b} too", works(type=["task"])) | {"origin": origin})
    run = start(tmp_path, rows, valid_fraction=0.2, test_fraction=0.2)
    refine(run)
    sides = split_of(run)
    colours = {
        name: {frozenset(words) & set(re.findall(r"\w+", text)) for text in queries(rows)}
        for name, rows in sides.items()
    }
    assert all(len(rows) > 5 for rows in sides.values())
    assert not colours["train"] & colours["test"] and not colours["train"] & colours["valid"]


def test_tools_are_held_out_if_the_recipe_says_so(tmp_path: Path) -> None:
    run = start(tmp_path, chains(), apart=["tool"], valid_fraction=0.0, test_fraction=0.2)
    refine(run)
    tools = {
        name: {step.tool for row in rows if isinstance(row, Example) for step in row.plan}
        for name, rows in split_of(run).items()
    }
    assert len(tools["test"]) == 1 and not tools["train"] & tools["test"]
    (tmp_path / "few").mkdir()
    run = start(tmp_path / "few", chains()[:12], apart=["tool"], test_fraction=0.05)
    with pytest.raises(DatasetError, match="no rows can be held out: in every split some tool would be on both sides"):
        refine(run)


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("most_per_skeleton", lambda row: [plan_skeleton(row.plan)]),
        ("most_per_length", lambda row: [len(row.plan)]),
        ("most_per_tool", lambda row: [step.tool for step in row.plan]),
    ],
)
def test_no_kind_of_row_is_overrepresented_if_the_recipe_says_so(option: str, key: Any, tmp_path: Path) -> None:
    run = start(tmp_path, chains(), near_duplicate=1.0, valid_fraction=0.0, test_fraction=0.0, **{option: 0.2})
    refine(run)
    counts = Counter(one for row in split_of(run)["train"] for one in key(row))
    assert max(counts.values()) == 0.2 * 60
    removed = [row for row in rejected(run) if row["kind"] == "balance"]
    assert len(removed) + len(split_of(run)["train"]) == 60
    assert all("at most 20% of 60 stay" in row["reason"] for row in removed)


def test_paraphrases_are_duplicates_if_the_recipe_says_so(tmp_path: Path) -> None:
    twice = example("who am I, the tool that knows it is asked", Plan((Step("who_am_i"),)))
    other = {**twice, "query": "the tool that knows it is asked, who am I"}
    run = start(tmp_path, [*many(), twice, other], semantic_duplicate=0.8, near_duplicate=1.0)
    refine(run)
    removed = {row["line"]: row for row in rejected(run) if row["kind"] == "semantic-duplicate"}
    assert 211 not in removed and removed[212]["reason"].startswith(f"says the same as {tmp_path / 'data.jsonl'}:211")


def long_and_short(folder: Path, *, cutoff: int = 200, test: list[Any] | None = None, **settings: Any) -> Run:
    """A run with 24 rows, every fourth of more than 200 tokens; also where the recipe has another cutoff."""
    words = (f"{word} {number}" for word in ("sea", "hill", "road", "wood", "rain", "moon") for number in range(4))
    rows = [
        {"instruction": f"Describe the {word}", "input": "so " * (200 if i % 4 == 3 else 1), "output": f"As {word}."}
        for i, word in enumerate(words)
    ]
    run = start(folder, rows, test=test, **settings)
    recipe = (folder / "recipe.toml").read_text(encoding="utf-8")
    (folder / "recipe.toml").write_text(f"{recipe}\n[prompt]\ncutoff = {cutoff}\n", encoding="utf-8")
    return Run.open(run.path, recipe=folder / "recipe.toml")


def test_rows_longer_than_the_context_of_the_base_need_another_base(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base", context=150)
    run = long_and_short(tmp_path, cutoff=4096)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'base = "{base}"\n{recipe.read_text("utf-8")}', encoding="utf-8")
    with pytest.raises(DatasetError, match="tokens, the context of the base is 150") as caught:
        refine(Run.open(run.path, recipe=recipe))
    assert re.search(r"Or take a base with a context of more than \d+ tokens", caught.value.remedy)


def test_rows_longer_than_the_cutoff_are_refused_before_the_training(tmp_path: Path) -> None:
    run = long_and_short(tmp_path)
    with pytest.raises(DatasetError) as caught:
        refine(run)
    first = f"{tmp_path / 'data.jsonl'}:4: "
    assert caught.value.what.startswith(f"6 of 24 rows are too long:\n  {first}")
    assert len(caught.value.what.splitlines()) == 7
    assert 'long_rows = "drop"' in caught.value.remedy and "`cutoff`" in caught.value.remedy
    listed = [json.loads(line) for line in (run.path / "refine-rejected.jsonl").read_text("utf-8").splitlines()]
    assert [row["line"] for row in listed] == [4, 8, 12, 16, 20, 24]
    assert all(re.fullmatch(r"\d{3} tokens, the cutoff is 200", row["reason"]) for row in listed)


def test_rows_longer_than_the_cutoff_are_dropped_and_listed_where_the_recipe_says_so(tmp_path: Path) -> None:
    test = [
        {"instruction": "Describe", "input": "so " * 200, "output": "A."},
        {"instruction": "Praise", "input": "", "output": "so " * 200},
    ]
    run = long_and_short(tmp_path, test=test, long_rows="drop")
    results = refine(run).results
    assert results["rejected"] == {"too-long": 7}
    assert (results["train"] + results["valid"], results["test"]) == (18, 1)
    assert {(Path(row["file"]).name, row["line"]) for row in rejected(run)} == {
        *(("data.jsonl", line) for line in (4, 8, 12, 16, 20, 24)), ("test.jsonl", 1)
    }  # fmt: skip


def test_another_cutoff_brings_dropped_rows_back(tmp_path: Path) -> None:
    assert refine(long_and_short(tmp_path, long_rows="drop")).results["rejected"] == {"too-long": 6}
    again = refine(long_and_short(tmp_path, long_rows="drop", cutoff=4096))
    assert not again.skipped and again.results["rejected"] == {}
    allowed = refine(long_and_short(tmp_path, cutoff=4096))
    assert not allowed.skipped  # dropping and refusing are different work
    assert refine(long_and_short(tmp_path, cutoff=4000, min_kept=0.0)).skipped  # what only allows changes nothing


def test_a_base_that_is_not_here_leaves_the_length_to_the_training(tmp_path: Path) -> None:
    run = long_and_short(tmp_path, cutoff=400)
    recipe = (tmp_path / "recipe.toml").read_text(encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(f'base = "nobody/has-this"\n{recipe}', encoding="utf-8")
    warning = refine(Run.open(run.path, recipe=tmp_path / "recipe.toml")).results["warnings"][-1]
    assert warning.startswith("6 rows may be longer than the cutoff of 400 tokens: the tokenizer of nobody/has-this")


def test_text_answers_have_no_plan_shape_and_are_not_balanced(tmp_path: Path) -> None:
    rows = [{"instruction": f"Tell {i * 'very '} much", "input": "", "output": str(i)} for i in range(20)]
    run = start(tmp_path, rows, valid_fraction=0.0, test_fraction=0.0, most_per_length=0.1, most_per_skeleton=0.1)
    refine(run)
    assert all(isinstance(row, Instruction) for row in split_of(run)["train"])
    assert "balance" not in report(run)["rejected"]


def test_every_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "refining.md").read_text(encoding="utf-8")
    documented_elsewhere = {
        "data",
        "valid_fraction",
        "test_fraction",
        "bad_rows",
    }  # in docs/data-formats.md, or clear by their names
    assert not [
        name for name in RefineSettings.model_fields if name not in documented_elsewhere and f"`{name}" not in page
    ]


def test_the_examples_of_the_page_on_refining() -> None:
    result = doctest.testfile("../../docs/refining.md", encoding="utf-8")
    assert result.failed == 0 and result.attempted > 5
