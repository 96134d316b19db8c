"""Mistakes of users, through the real command: one clear error, exit code 1, no traceback, no file changed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platypus.run.folder import Run
from tests.support.command import ROOT, Ran, here, write_recipe
from tests.support.tiny_models import tiny_llama

SEARCH = (
    '{"query": "Find CustomerABC", "plan": [{"tool_name": "search", "arguments": '
    '[{"argument_name": "customer", "argument_value": "CustomerABC"}]}]}'
)
SMALL = """
[prompt]
cutoff = 2048
notation = "calls"
[generate]
examples = 40
[train]
batch_size = 8
micro_batch_size = 4
rank = 2
"""

Capture = pytest.CaptureFixture[str]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_refused(ran: Ran, *named: object) -> None:
    """Exactly one error, on standard error, that contains all of `named`; exit code 1."""
    assert ran.code == 1
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert "unexpected error" not in ran.err
    assert ran.err.count("platypus: ") == 1
    message = ran.err.partition("platypus: ")[2]
    for name in named:
        assert str(name) in message


# ---------------------------------------------------------------- catalogues


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[{"name": "go"', ["line 1 column"]),
        ("", ["not JSON"]),
        (
            '[{"name": "go", "arguments": [{"name": "to", "type": "array of planets"}]}]',
            ["'go'", "'to'", "planet", "integer"],
        ),
        (
            '[{"name": "go", "inputSchema": {"type": "object", "properties": {"to": {"type": "planet"}}}}]',
            ["'go'", "to", "planet"],
        ),
        ('[{"name": "go", "inputSchema": {"type": "object", "required": ["to"]}}]', ["'go'", "'to'", "properties"]),
    ],
)
def test_a_bad_catalogue(capsys: Capture, tmp_path: Path, text: str, named: list[str]) -> None:
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(text, encoding="utf-8")
    recipe = write_recipe(tmp_path, catalogue=catalogue)
    before = files(tmp_path)
    assert_refused(here(capsys, "check", catalogue), catalogue, *named)
    assert_refused(here(capsys, "all", tmp_path / "run", "--recipe", recipe), catalogue, *named)
    assert_refused(here(capsys, "check", recipe.with_name("plan.jsonl"), "--catalogue", catalogue), catalogue, *named)
    assert files(tmp_path) == before


def test_a_bad_tool_among_good_ones(capsys: Capture, tmp_path: Path) -> None:
    """`check` lists it; other commands go on without it and say so in one line."""
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text('[{"name": "go"}, {"name": "stop"}, {"name": "go"}]', encoding="utf-8")
    ran = here(capsys, "check", catalogue)
    assert ran.code == 1 and not ran.err
    assert f"{catalogue}: tool 3: two tools are named 'go'. Rename or remove one of them." in ran.out
    assert f"{catalogue}: catalogue, 2 tools, 1 that cannot be used" in ran.out
    plan = tmp_path / "plan.json"
    plan.write_text('[{"tool_name": "stop", "arguments": []}]', encoding="utf-8")
    ran = here(capsys, "check", plan, "--catalogue", catalogue)
    assert ran.code == 0 and ran.err.count("\n") == 1
    assert f"1 of 3 tools cannot be used and are left out: go (why: platypus check {catalogue})" in ran.err


# ---------------------------------------------------------------- data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def refine(capsys: Capture, data: Path, text: str, *, bad_rows: str = "refuse") -> Ran:
    data.write_text(text, encoding="utf-8")
    tables = f'[generate]\nexamples = 0\n[refine]\ndata = ["{data}"]\nbad_rows = "{bad_rows}"\n'
    return here(capsys, "refine", data.parent / "run", "--recipe", write_recipe(data.parent, tables=tables), "--json")


def rows(count: int) -> str:
    """Good rows, each with its own template."""
    requests = (f"{'please ' * (i // 10)}find number {'abcdefghij'[i % 10] * 3} of CustomerABC" for i in range(count))
    return "".join(SEARCH.replace("Find CustomerABC", request) + "\n" for request in requests)


UNKNOWN_TOOL = SEARCH.replace('"search"', '"fly"')
OTHER_PLAN = SEARCH.replace('[{"tool_name"', '[], "was": [{"tool_name"')
CONFLICT = f"{SEARCH}\n{OTHER_PLAN}"


@pytest.mark.parametrize(
    ("bad", "lines", "named"),
    [
        ('{"query": "Find Custo', (21,), ["JSON"]),
        (UNKNOWN_TOOL, (21,), ["'fly'"]),
        (CONFLICT, (21, 22), []),
    ],
)
def test_bad_rows_in_the_middle(
    capsys: Capture, data: Path, bad: str, lines: tuple[int, ...], named: list[str]
) -> None:
    text = f"{rows(20)}{bad}\n{rows(40)[len(rows(20)) :]}"
    places = [f"{data}:{line}" for line in lines]
    assert_refused(refine(capsys, data, text), *places, *named, "bad_rows")
    assert data.read_text(encoding="utf-8") == text
    assert not Run.open(data.parent / "run").is_done("refine")

    ran = refine(capsys, data, text, bad_rows="skip")
    assert ran.code == 0
    folder = Path(json.loads(ran.out)["folder"])
    rejected = [json.loads(line) for line in (folder / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["file"], row["line"]) for row in rejected} >= {(str(data), line) for line in lines}


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file(capsys: Capture, data: Path, text: str) -> None:
    assert_refused(refine(capsys, data, text), data, "empty")
    assert_refused(here(capsys, "check", data), data, "empty")


def test_a_file_that_does_not_exist(capsys: Capture, data: Path) -> None:
    tables = f'[generate]\nexamples = 0\n[refine]\ndata = ["{data}"]\n'
    recipe = write_recipe(data.parent, tables=tables)
    assert_refused(here(capsys, "refine", data.parent / "run", "--recipe", recipe), data)


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ("[train]\nlearnig_rate = 0.1\n", ["learnig_rate", "learning_rate"]),
        ("[trian]\nrank = 8\n", ["trian", "train"]),
        ("[train]\nrank = 0\n", ["rank", "1"]),
        ('[train]\nrank = "8"\n', ["rank"]),
        ("[train\n", ["TOML", "line 3"]),
    ],
)
def test_a_bad_recipe(capsys: Capture, tmp_path: Path, tables: str, named: list[str]) -> None:
    recipe = write_recipe(tmp_path, tables=tables)
    before = files(tmp_path)
    assert_refused(here(capsys, "all", tmp_path / "run", "--recipe", recipe), recipe, *named)
    assert_refused(here(capsys, "check", recipe), recipe, *named)
    assert files(tmp_path) == before


def test_a_bad_recipe_does_not_replace_the_one_of_a_run(capsys: Capture, tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, tables=SMALL))
    before = files(run.path)
    bad = write_recipe(tmp_path, tables="[train]\nrank = 0\n")
    assert_refused(here(capsys, "train", run.path, "--recipe", bad), "rank")
    assert files(run.path) == before


# ---------------------------------------------------------------- models


def trainable(tmp_path: Path, base: Path | str, *, tables: str = SMALL) -> Run:
    """A run that is ready to train."""
    return Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, base=base, tables=tables))


def test_a_base_that_does_not_exist(capsys: Capture, tmp_path: Path) -> None:
    run = trainable(tmp_path, tmp_path / "no-such-base")
    assert here(capsys, "refine", run.path).code == 1  # nothing is generated yet
    assert here(capsys, "generate", run.path).code == 0
    assert here(capsys, "refine", run.path).code == 0
    before = files(run.path)
    assert_refused(here(capsys, "train", run.path), tmp_path / "no-such-base", "base")
    assert_refused(here(capsys, "plan", run.path, "Find CustomerABC"), tmp_path / "no-such-base")
    assert files(run.path).items() >= before.items()


def test_a_prompt_longer_than_the_context(capsys: Capture, tmp_path: Path) -> None:
    run = trainable(tmp_path, tiny_llama(tmp_path / "base", context=64))
    assert here(capsys, "generate", run.path).code == 0
    assert_refused(here(capsys, "refine", run.path), "64")
    assert not run.is_done("refine")
    ran = here(capsys, "plan", run.path, "Find CustomerABC")
    assert ran.code == 1
    assert "the model's context is 64" in ran.err


def test_a_row_longer_than_the_cutoff(capsys: Capture, tmp_path: Path) -> None:
    run = trainable(tmp_path, tiny_llama(tmp_path / "base"), tables=SMALL.replace("2048", "32"))
    assert here(capsys, "generate", run.path).code == 0
    assert_refused(here(capsys, "refine", run.path), "cutoff", "32")
    assert not run.is_done("refine")


def test_an_adapter_for_another_base_at_merge(capsys: Capture, tmp_path: Path) -> None:
    run = trainable(tmp_path, tiny_llama(tmp_path / "base"))
    for stage in ("generate", "refine", "train"):
        assert here(capsys, stage, run.path).code == 0
    before = files(run.path / "train")
    tiny_llama(tmp_path / "base", seed=1)
    assert_refused(here(capsys, "merge", run.path), "another base", tmp_path / "base")
    assert files(run.path / "train") == before
    assert not run.is_done("merge")


def test_a_base_does_not_replace_a_folder_with_other_files(capsys: Capture, tmp_path: Path) -> None:
    tables = "[pretrain]\nhidden_size = 16\nlayers = 1\nsteps = 1\nmax_tools = 3\nrequests_per_catalogue = 1\n"
    recipe = write_recipe(tmp_path, catalogue=None, tables=tables)
    before = files(tmp_path)
    assert_refused(here(capsys, "base", "--recipe", recipe, "--out", tmp_path), tmp_path)
    assert files(tmp_path) == before


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize("command", ["train", "merge", "evaluate"])
def test_a_stage_without_its_inputs_names_the_command_to_run(capsys: Capture, tmp_path: Path, command: str) -> None:
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, tables=SMALL))
    assert_refused(here(capsys, command, run.path), run.path, "Run first: platypus ")


def test_a_folder_that_is_no_run(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert_refused(here(capsys, "all", tmp_path), tmp_path, "--recipe")
    assert files(tmp_path) == {tmp_path / "notes.txt": b"mine"}


def test_a_run_left_by_a_killed_process(capsys: Capture, tmp_path: Path) -> None:
    """If `generate` is killed, the run stays intact: the stage is not done, and the same command finishes it."""
    run = tmp_path / "run"
    recipe = write_recipe(tmp_path, tables=SMALL.replace("examples = 40", "examples = 1000000"))
    command = [sys.executable, "-m", "platypus", "generate", str(run), "--recipe", str(recipe)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not list(run.glob(".generate.*.partial")):
            assert process.poll() is None
            time.sleep(0.02)
        assert_refused(here(capsys, "refine", run), run)
        process.send_signal(signal.SIGKILL)
    shown = here(capsys, "show", run)
    assert (shown.code, "generate: not done" in shown.out) == (0, True)
    assert_refused(here(capsys, "refine", run), "platypus generate")
    ran = here(capsys, "generate", run, "--recipe", write_recipe(tmp_path, tables=SMALL), "--json")
    assert (ran.code, json.loads(ran.out)["skipped"]) == (0, False)
    assert len((run / "generate" / "examples.jsonl").read_text(encoding="utf-8").splitlines()) == 40
    assert not list(run.glob(".*.partial"))


def test_a_half_written_stage_folder_counts_as_not_done(capsys: Capture, tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, tables=SMALL))
    (run.path / "generate").mkdir()
    (run.path / "generate" / "examples.jsonl").write_text('{"query": "Fi', encoding="utf-8")
    assert_refused(here(capsys, "refine", run.path), "platypus generate")
    assert here(capsys, "generate", run.path).code == 0
    assert here(capsys, "refine", run.path).code == 0
