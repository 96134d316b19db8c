"""The exported files accept the run's plans and no others, and name the server that they are for."""

import json
from pathlib import Path

import pytest
from llguidance import LLMatcher, grammar_from

from platypus.catalogue.reading import read_catalogue
from platypus.commands.export import export, export_to
from platypus.data.dataset import Instruction
from platypus.errors import RunError
from platypus.exporting.targets import ExportOptions, TargetName
from platypus.plan.notation import Notation, print_plan
from tests.support.command import CRM, here
from tests.support.merged_runs import merged_run, takes
from tests.support.tiny_bases import gemma3
from tests.support.tiny_models import examples, sentencepiece_tokenizer, tiny_llama, tiny_run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"))


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


def test_with_a_sentencepiece_tokenizer_plans_begin_with_a_space(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path / "pieces")
    base = tiny_llama(tmp_path / "base", tokenizer=tokenizer)
    outcome = export(merged_run(tmp_path / "run", base, "calls"))
    assert outcome.results["in_grammar"] == 6
    lark = (outcome.folder / "grammar.lark").read_text("utf-8")
    assert takes(lark, " list()") and not takes(lark, "list()")


def test_of_a_base_with_a_vision_part_the_text_part_counts(tmp_path: Path) -> None:
    outcome = export(merged_run(tmp_path / "run", gemma3(tmp_path / "base"), "calls"))
    assert outcome.results["in_grammar"] == 6


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


@pytest.mark.parametrize("to", ["hf", "mlx", "sglang"])
def test_one_program_gets_all_that_it_needs(base: Path, tmp_path: Path, to: TargetName) -> None:
    run = merged_run(tmp_path, base, "json")
    outcome = export_to(run, ExportOptions(to))
    assert outcome.folder == run.path / f"export-{to}" and export_to(run, ExportOptions(to)).skipped
    assert {path.name for path in outcome.folder.iterdir()} == {
        "model",
        "request.json",
        "grammar.lark",
        "schema.json",
        "before.txt",
        "after.txt",
        "catalogue.json",
        "README.md",
        "stage.json",
    }
    merged = {path.name: path.read_bytes() for path in (run.path / "merge" / "model").iterdir()}
    assert {path.name: path.read_bytes() for path in (outcome.folder / "model").iterdir()} == merged
    assert ("ebnf" in json.loads((outcome.folder / "request.json").read_text())) == (to == "sglang")
    assert "./model" in (outcome.folder / "README.md").read_text("utf-8")


def test_ollama_gets_a_file_a_template_and_a_schema(base: Path, tmp_path: Path) -> None:
    for package in ("conversion", "xllamacpp"):
        pytest.importorskip(package, reason="pip install 'platypus-llm[export]'")
    run = merged_run(tmp_path, base, "json")
    outcome = export_to(run, ExportOptions("ollama", type="q8_0"))
    assert (outcome.results["same_prompts"], outcome.results["pretokenizer"]) == (6, "gpt-2")
    folder = outcome.folder
    assert json.loads((folder / "request.json").read_text())["format"] == json.loads(
        (folder / "schema.json").read_text()
    )
    modelfile, before = ((folder / name).read_text("utf-8") for name in ("Modelfile", "before.txt"))
    assert 'PARAMETER stop "</s>"' in modelfile and "num_ctx 2048" in modelfile and before in modelfile
    assert "q8_0" in (folder / "README.md").read_text("utf-8")


def test_ollama_s_prompt_begins_as_the_chat_template_does(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template with a space behind BOS makes llama.cpp add none of its own."""
    monkeypatch.setattr("platypus.commands.export._gguf", lambda *_: ({}, []))
    pieces = tiny_llama(tmp_path / "base", tokenizer=sentencepiece_tokenizer(tmp_path / "pieces"))
    for start, of in {"Below": base, " Below": pieces}.items():
        folder = export_to(merged_run(tmp_path / start, of, "json"), ExportOptions("ollama")).folder
        assert "{{- end }}" + start in (folder / "Modelfile").read_text("utf-8")


def test_a_server_gets_room_for_the_longest_answer_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a base with a long context, keys and values for all of it might not fit into the memory."""
    monkeypatch.setattr("platypus.commands.export._gguf", lambda *_: ({}, []))
    base = tiny_llama(tmp_path / "base", context=1 << 17)
    run = merged_run(tmp_path, base, "json", "[evaluate]\nmax_new_tokens = 64\n")
    assert "num_ctx 4160\n" in (export_to(run, ExportOptions("ollama")).folder / "Modelfile").read_text("utf-8")
    assert "--ctx-size 4160 " in (export_to(run, ExportOptions("gguf")).folder / "README.md").read_text("utf-8")


def test_a_folder_that_no_export_wrote_is_kept(base: Path, tmp_path: Path) -> None:
    run = merged_run(tmp_path, base, "calls")
    (run.path / "export-hf").mkdir()
    (run.path / "export-hf" / "mine").touch()
    with pytest.raises(RunError, match="no export wrote"):
        export_to(run, ExportOptions("hf"))
    assert (run.path / "export-hf" / "mine").exists()
    with pytest.raises(RunError, match="platypus merge"):
        export_to(tiny_run(tmp_path / "new", base=base, rows=examples(2)), ExportOptions("hf"))
