"""The pages that refine writes: they have the counts, need no network, and escape text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from platypus.commands.generate import generate
from platypus.commands.refine import refine
from platypus.run.folder import Run
from tests.commands.test_refine import example, many, start, works


class Page(HTMLParser):
    """The tags of a page, all closed, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = [
        *many(),
        example("Show <script>alert(1)</script> | all *tasks* of DEVU-1 & more", works(type=["task"], limit=3)),
        "{'query': 'Nothing here', 'plan': [],}",
        '{"query": "Half',
        many()[0],
    ]
    folder = tmp_path_factory.mktemp("report")
    run = start(folder, rows, test=[many()[-1]], bad_rows="skip", languages=[])
    refine(run)
    return run


def test_the_page_is_complete_and_needs_no_network(run: Run) -> None:
    text = (run.folder("refine") / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.links == [] and "script" not in page.tags and "url(" not in text
    assert "svg" in page.tags and "rect" in page.tags
    words = " ".join(page.words)
    report = json.loads((run.folder("refine") / "report.json").read_text(encoding="utf-8"))
    assert f"{report['families']['count']} groups of rows" in words
    assert "<script>alert(1)</script>" in words or "script" not in words


def test_markdown_has_the_counts_and_samples(run: Run) -> None:
    text = (run.folder("refine") / "report.md").read_text(encoding="utf-8")
    report = json.loads((run.folder("refine") / "report.json").read_text(encoding="utf-8"))
    assert f"| train | {report['train']} |" in text
    for kind, count in report["rejected"].items():
        assert f"| {kind} | {count} |" in text
        assert f"## Left out: {kind}" in text
    assert report["rejected"].keys() >= {"json", "duplicate", "contamination"}
    assert report["repairs_by_name"] == {"single quotes": 3, "trailing comma": 1}
    assert "| single quotes | 3 |" in text
    assert report["doubts"] == {"ungrounded": 1}
    assert "## Doubts: ungrounded" in text and "\\<script\\>" in text
    assert report["contamination"] == {str(run.recipe.refine.test[0]): report["rejected"]["contamination"]}


def test_the_card_has_the_header_that_the_hub_reads(run: Run) -> None:
    text = (run.folder("refine") / "README.md").read_text(encoding="utf-8")
    yaml = pytest.importorskip("yaml")
    head = yaml.safe_load(re.fullmatch(r"---\n(.*?)\n---\n.*", text, re.DOTALL)[1])  # type: ignore[index]
    (config,) = head["configs"]
    assert [file["split"] for file in config["data_files"]] == ["train", "validation", "test"]
    assert all((run.folder("refine") / file["path"]).is_file() for file in config["data_files"])
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["text-generation"]


def test_the_card_has_the_columns_and_the_sources_of_all_rows(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    rows = [{"instruction": f"Explain the number {i}.", "output": f"It is {i}, " * 4} for i in range(30)]
    more = tmp_path / "more.jsonl"
    more.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def card(name: str, rows: list[dict[str, Any]], **settings: Any) -> tuple[list[str], str]:
        (tmp_path / name).mkdir()
        start(tmp_path / name, rows, languages=[], **settings)
        recipe = tmp_path / name / "recipe.toml"
        recipe.write_text(
            recipe.read_text(encoding="utf-8").replace("[generate]\nexamples = 0\n", ""), encoding="utf-8"
        )
        run = Run.open(tmp_path / name / "all", recipe=recipe)
        if run.catalogue:
            generate(run)
        refine(run)
        text = (run.folder("refine") / "README.md").read_text(encoding="utf-8")
        return [one["name"] for one in yaml.safe_load(text.split("---\n")[1])["dataset_info"]["features"]], text

    columns, text = card("plans", many()[:60], data=[str(tmp_path / "plans" / "data.jsonl"), str(more)])
    assert columns == ["query", "plan", "catalogue", "instruction", "input", "output", "origin"]
    assert "generated from the catalogue" in text
    columns, text = card("texts", rows)
    assert columns == ["instruction", "input", "output", "origin"] and "generated from the catalogue" not in text


def test_a_hub_loader_reads_the_card_and_its_splits(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    report = json.loads((run.folder("refine") / "report.json").read_text(encoding="utf-8"))
    loaded = datasets.load_dataset(str(run.folder("refine")), cache_dir=str(tmp_path))
    assert {name: len(loaded[name]) for name in loaded} == {
        "train": report["train"],
        "validation": report["valid"],
        "test": report["test"],
    }
