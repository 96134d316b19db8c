"""The exported files accept the run's plans and no others, and name the server that they are for."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer, grammar_from

from platypus.catalogue.reading import read_catalogue
from platypus.commands.export import compiled, export, export_catalogue
from platypus.data.dataset import Instruction
from platypus.errors import CatalogueError, RunError
from platypus.model.adapters import ADAPTER_CARD, AdapterCard
from platypus.plan.notation import Notation, print_plan
from platypus.run.folder import Run
from platypus.run.settings import PromptSettings
from tests.support.command import CRM, here
from tests.support.tiny_models import CATALOGUE, examples, sentencepiece_tokenizer, tiny_llama, tiny_run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"))


def merged_run(folder: Path, base: Path, notation: Notation, recipe: str = "", *, markers: bool = False) -> Run:
    """A run with an adapter and a merged model that were never trained, since export reads no weights."""
    run = tiny_run(folder, base=base, rows=examples(6), recipe=f'[prompt]\nnotation = "{notation}"\n{recipe}')

    def train(partial: Path) -> dict[str, Any]:
        (partial / "adapter").mkdir()
        card = AdapterCard("b", "f", CATALOGUE.fingerprint, notation, 4096, markers)
        (partial / "adapter" / ADAPTER_CARD).write_text(json.dumps(asdict(card)))
        return {}

    def merge(partial: Path) -> dict[str, Any]:
        shutil.copytree(base, partial / "model")
        return {}

    run.perform("train", inputs={}, settings={}, work=train)
    run.perform("merge", inputs={"train": run.fingerprint("train")}, settings={}, work=merge)
    return run


def takes(lark: str, text: str) -> bool:
    matcher = compiled(lark, LLTokenizer("byte"))
    return matcher.try_consume_tokens(list(text.encode())) == len(text.encode()) and matcher.is_accepting()


@pytest.mark.parametrize("notation", ["json", "calls"])
def test_a_run_is_exported_with_a_request_for_each_server(base: Path, tmp_path: Path, notation: Notation) -> None:
    run = merged_run(tmp_path, base, notation)
    outcome = export(run)
    written = {path.name for path in outcome.folder.iterdir()}
    files = {"README.md", "grammar.lark", "before.txt", "after.txt", "vllm.json", "sglang.json", "llama.cpp.json"}
    assert written == files | {"stage.json"} | ({"schema.json"} if notation == "json" else set())
    assert (outcome.results["test_plans"], outcome.results["in_grammar"], outcome.results["not_taken"]) == (6, 6, [])
    assert outcome.results.get("in_schema") == (6 if notation == "json" else None)

    lark = (outcome.folder / "grammar.lark").read_text("utf-8")
    requests = {name: json.loads((outcome.folder / f"{name}.json").read_text()) for name in ("vllm", "sglang")}
    assert requests["vllm"]["structured_outputs"] == {"grammar": lark} and requests["sglang"]["ebnf"] == lark
    assert json.loads((outcome.folder / "llama.cpp.json").read_text())["grammar"] == lark
    assert lark.startswith("%llguidance")  # by which llama.cpp recognises it
    for kind in ("grammar", "ebnf"):  # the names in vLLM and SGLang, which also mean GBNF
        assert LLMatcher.validate_grammar(grammar_from(kind, lark)) == ""

    readme = (outcome.folder / "README.md").read_text("utf-8")
    assert f"vllm serve {run.path}/merge/model" in readme and "it takes all." in readme
    assert ("schema.json" in readme.partition("## vLLM")[0]) == (notation == "json")
    assert export(run).skipped


def test_with_markers_the_readme_says_how_to_write_and_read_them(base: Path, tmp_path: Path) -> None:
    for markers in (True, False):
        folder = export(merged_run(tmp_path / str(markers), base, "calls", markers=markers)).folder
        readme, lark = ((folder / name).read_text("utf-8") for name in ("README.md", "grammar.lark"))
        assert ("request_with_markers(request)" in readme and ", marked_texts(request))" in readme) == markers
        for line in readme.splitlines():
            if line.strip().startswith(("from pathlib", "from platypus")):
                exec(line.strip())  # the names that the page imports exist
        assert ("<1>" in (folder / "before.txt").read_text("utf-8")) == markers
        assert ("MARKER" in lark) == markers


def test_the_exported_grammar_accepts_only_valid_plans(tmp_path: Path) -> None:
    for notation in ("json", "calls"):
        export_catalogue(CATALOGUE, tmp_path / notation, prompt=PromptSettings(notation=notation), max_steps=3)
        lark = (tmp_path / notation / "grammar.lark").read_text("utf-8")
        for row in examples(4):
            assert takes(lark, print_plan(row.plan, notation))
        assert takes(lark, "[]")
        wrong = (
            [] if notation == "json" else ["fly()", "sum_up(items=$0)", "list()\nsum_up()", "list()\n" * 3 + "list()"]
        )
        assert not any(takes(lark, text) for text in ["", "[", "no", *wrong])


def test_with_a_sentencepiece_tokenizer_plans_begin_with_a_space(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path / "pieces")
    base = tiny_llama(tmp_path / "base", tokenizer=tokenizer)
    outcome = export(merged_run(tmp_path / "run", base, "calls"))
    assert outcome.results["in_grammar"] == 6
    lark = (outcome.folder / "grammar.lark").read_text("utf-8")
    assert takes(lark, " list()") and not takes(lark, "list()")


def test_an_export_in_another_notation_leaves_no_schema_of_the_first(tmp_path: Path) -> None:
    export_catalogue(CATALOGUE, tmp_path, prompt=PromptSettings(notation="json"), max_steps=3)
    assert (tmp_path / "schema.json").is_file()
    export_catalogue(CATALOGUE, tmp_path, prompt=PromptSettings(notation="calls"), max_steps=3)
    assert not (tmp_path / "schema.json").exists()


def test_plans_that_the_grammar_does_not_accept_are_listed(base: Path, tmp_path: Path) -> None:
    outcome = export(merged_run(tmp_path, base, "calls", "[decode]\nmax_steps = 1\n"))
    longer = [print_plan(row.plan, "calls") for row in examples(6) if len(row.plan) > 1]
    assert outcome.results["not_taken"] == longer and len(longer) == 3
    assert "it takes 3." in (outcome.folder / "README.md").read_text("utf-8")


def test_a_run_that_cannot_be_exported_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="platypus merge"):
        export(tiny_run(tmp_path / "new", base=base, rows=examples(2)))
    run = merged_run(tmp_path / "old", base, "json")
    run.perform("train", inputs={}, settings={"again": 1}, work=lambda partial: {})
    with pytest.raises(RunError, match="from an older adapter"):
        export(run)
    with pytest.raises(RunError, match="no catalogue"):
        export(tiny_run(tmp_path / "plain", base=base, rows=[Instruction("Say hi.", "", "hi", {})]))
    with pytest.raises(CatalogueError, match="cannot be compiled by a server"):
        compiled("%llguidance {}\nstart : nothing_of_this_name", LLTokenizer("byte"))


def test_a_catalogue_is_exported_without_a_run(tmp_path: Path, capsys: Capture) -> None:
    ran = here(capsys, "export", "--catalogue", CRM, "--notation", "json", "--out", tmp_path / "out", "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["tools"] == len(read_catalogue(CRM))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "grammar.lark",
        "schema.json",
        "before.txt",
        "after.txt",
    }
    assert here(capsys, "export").code == here(capsys, "export", tmp_path, "--catalogue", CRM).code == 2
    deep = here(capsys, "export", "--catalogue", CRM, "--max-steps", 64, "--out", tmp_path / "deep")
    assert deep.code == 1 and "a grammar has 64" in deep.err
