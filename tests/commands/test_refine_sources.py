"""refine reads folders, tables and other names of columns, and names what it does not use."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.refine import refine
from platypus.errors import DatasetError
from platypus.run.folder import Run
from tests.support.command import ROOT, here

CASES = ROOT.parent / "shared" / "cases" / "finetuning"
BIRDS = ("moss", "fern", "heron", "otter", "lark", "adder", "toad", "newt", "ibis", "wren", "mink", "carp")
RECIPE = 'base = "embedded"\n[generate]\nexamples = 0\n[refine]\nmin_kept = 0\n'


def rows(names: tuple[str, ...] = BIRDS, **more: Any) -> list[dict[str, Any]]:
    return [
        {"instruction": f"What does a {name} eat in {n}?", "output": f"{name.title()}s eat {n} things.", **more}
        for n, name in enumerate(names)
    ]


def written(path: Path, some: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, some)), encoding="utf-8")
    return path


def start(folder: Path, refine_table: str) -> Run:
    (folder / "recipe.toml").write_text(RECIPE + refine_table, encoding="utf-8")
    return Run.open(folder / "run", recipe=folder / "recipe.toml")


def kept(results: Any) -> int:
    return sum(results[name] for name in ("train", "valid", "test"))


def test_a_folder_that_has_changed_is_read_again_and_its_test_counts(tmp_path: Path) -> None:
    written(tmp_path / "data" / "train" / "a.jsonl", rows(BIRDS[:8]))
    written(tmp_path / "data" / "train" / "b.jsonl", rows(BIRDS[6:]))
    written(tmp_path / "data" / "test" / "rows.jsonl", rows(BIRDS[:2]))
    run = start(tmp_path, f'data = ["{tmp_path}/data"]\ntest = ["{tmp_path}/data@test"]\n')
    first = refine(run)
    assert refine(run).skipped
    report = json.loads((first.folder / "report.json").read_text(encoding="utf-8"))
    assert first.results["test"] == 2
    assert report["contamination"] == {f"{tmp_path}/data@test": 2}
    written(tmp_path / "data" / "train" / "b.jsonl", rows(BIRDS[8:]))
    second = refine(run)
    assert not second.skipped
    assert kept(second.results) < kept(first.results)


def test_bad_rows_of_a_folder_have_their_file(tmp_path: Path) -> None:
    written(tmp_path / "data" / "a.jsonl", rows())
    written(tmp_path / "data" / "b.jsonl", [*rows(), {"instruction": "Say nothing", "output": " "}])
    run = start(tmp_path, f'data = ["{tmp_path}/data"]\n')
    with pytest.raises(DatasetError, match=rf"{tmp_path}/data/b.jsonl:13: `output` is empty"):
        refine(run)


def test_what_is_not_used_is_in_the_results_and_in_the_report(tmp_path: Path) -> None:
    source = written(tmp_path / "rows.jsonl", rows(text="All of it", note=""))
    outcome = refine(start(tmp_path, f'data = ["{source}"]\n'))
    assert outcome.results["unused"] == {str(source): {"text": 12}}
    page = (outcome.folder / "report.md").read_text(encoding="utf-8")
    assert "Not used" in page
    assert "| text | 12 |" in page.replace(f"| {source} ", "")


def test_columns_have_the_names_that_the_recipe_gives(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text(
        "question;answer\n" + "\n".join(f"{row['instruction']};{row['output']}" for row in rows()), encoding="utf-8"
    )
    table = f'data = ["{source}"]\ncolumns = {{instruction = "question", output = "ANSWER"}}\n'
    with pytest.raises(DatasetError, match=r"no row has the column `ANSWER`(.|\n)*have: question, answer"):
        refine(start(tmp_path, table))
    named = refine(start(tmp_path, table.replace("ANSWER", "answer")))
    assert kept(named.results) == 12
    assert "unused" not in named.results


def test_a_column_that_no_source_has_stops_the_stage(tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", rows(BIRDS[:6], context="by day"))
    two = written(tmp_path / "two.jsonl", rows(BIRDS[6:]))
    table = f'data = ["{one}", "{two}"]\ncolumns = {{input = "contxt"}}\n'
    with pytest.raises(DatasetError, match="no row has the column `contxt`"):
        refine(start(tmp_path, table))
    assert kept(refine(start(tmp_path, table.replace("contxt", "context"))).results) == 12


def test_an_unknown_key_in_columns_is_a_mistake_of_the_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE + 'data = ["a"]\ncolumns = {qury = "a"}\n', encoding="utf-8")
    ran = here(capsys, "refine", tmp_path / "run", "--recipe", tmp_path / "recipe.toml")
    assert ran.code == 1
    assert "columns gives a name for 'qury', which is no key of a row" in ran.err


@pytest.mark.parametrize(
    ("case", "good"), [("empty-outputs", 10), ("parquet-of-structs", 24), ("history-and-system", None)]
)
def test_the_cases_of_others(case: str, good: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not CASES.is_dir():
        pytest.skip("no cases here: ../shared/cases is not beside this checkout")
    monkeypatch.chdir(CASES / case)
    run = Run.open(tmp_path / "run", recipe=Path("recipe.toml"))
    if good is None:
        with pytest.raises(DatasetError, match=r"(?s)no row is left.*\(20 template\).*needs template = .chat"):
            refine(run)
    else:
        assert kept(refine(run).results) == good
