"""The command line: what it imports, where its output goes, its exit codes, and which stages it calls."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from platypus import __version__
from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.cli import main
from platypus.inference.planner import Answer
from platypus.plan.plan import Plan, Reference, Step, parse_plan
from platypus.run.folder import Outcome, Run
from platypus.run.recipe import Recipe
from platypus.run.settings import DecodeSettings
from tests.support.command import CRM, ROOT, apart, here, write_recipe

COMMANDS = (
    "generate",
    "refine",
    "train",
    "merge",
    "evaluate",
    "score",
    "compare",
    "sweep",
    "curve",
    "export",
    "all",
    "plan",
    "execute",
    "push",
    "chat",
    "serve",
    "check",
    "overlap",
    "show",
    "base",
)
HEAVY = {"torch", "transformers", "peft", "accelerate", "datasets", "pydantic", "numpy", "sklearn", "rich"}
PLAN = Plan((Step("search", {"customer": "CustomerABC"}), Step("summarize", {"objects": Reference(0)})))
EXACT = {"value": 0.25, "low": 0.0, "high": 0.5, "rows": 4}
RESULTS = {
    "rows": 4,
    "of": 5,
    "losses": [2.0, 0.125],
    "unused": [],
    "variants": {"after": {"measures": {"exact": EXACT}, "cut": 2}},
    "examples": [{"query": "Go"}],
}

Capture = pytest.CaptureFixture[str]


def with_modules(*words: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the modules that it has imported in the end."""
    program = (
        "import sys\nfrom platypus.cli import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n    print('modules', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    said, _, modules = done.stdout.rpartition("modules ")
    return said, set(modules.split())


@pytest.mark.parametrize(
    ("words", "unavoidable"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["all", "--help"], {"pydantic"}),  # typer reads the values of a command's options with it
        (["train", "--nonsense"], {"pydantic"}),
    ],
)
def test_help_version_and_usage_errors_import_nothing_heavy(words: list[str], unavoidable: set[str]) -> None:
    _, loaded = with_modules(*words)
    assert "platypus.cli" in loaded
    assert HEAVY & loaded <= unavoidable


@pytest.mark.skipif(torch.cuda.is_available(), reason="on CUDA, models are opened through transformers")
def test_a_plan_of_the_embedded_base_imports_torch_but_nothing_else_that_takes_seconds(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    said, loaded = with_modules("plan", str(tmp_path / "run"), "Summarize my issues")
    assert said.strip()
    assert HEAVY & loaded <= {"torch", "numpy", "pydantic", "rich"}


def test_help_names_every_command_with_a_whole_sentence(capsys: Capture) -> None:
    lines = here(capsys, "--help").out.partition("Commands:\n")[2].splitlines()
    assert tuple(line.split()[0] for line in lines) == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_version(capsys: Capture) -> None:
    assert here(capsys, "--version").out == f"platypus {__version__}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["fly"], "fly"),
        (["train"], "RUN"),
        (["train", "run", "--fast"], "--fast"),
        (["plan", "run"], "REQUEST"),
        (["all", "run", "--recipe"], "--recipe"),
        (["show", "run", "more"], "more"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_names_the_mistake(capsys: Capture, words: list[str], named: str) -> None:
    ran = here(capsys, *words)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err.partition("Error:")[2]


def test_a_mistake_of_the_user_exits_with_1_and_only_its_message(tmp_path: Path) -> None:
    ran = apart("show", tmp_path / "none")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"platypus: {tmp_path / 'none'}: ")
    assert "--recipe" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("words", [["--debug", "show"], ["show", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_is_given(tmp_path: Path, words: list[str]) -> None:
    ran = apart(*words, tmp_path / "none")
    assert ran.code == 1
    assert ran.err.startswith("Traceback")
    assert "RunError" in ran.err


def test_an_unexpected_error_exits_with_1_and_one_line(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Run:
        raise ValueError("first\nsecond")

    monkeypatch.setattr(Run, "open", fail)
    ran = here(capsys, "show", "run")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "platypus: unexpected error: ValueError: first second (--debug shows where)\n"
    with pytest.raises(ValueError, match="first"):
        main(["show", "run", "--debug"])


def test_an_interruption_exits_with_130(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> Run:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "open", interrupt)
    assert here(capsys, "show", "run").code == 130


# ---------------------------------------------------------------- stages


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Records the stages that are called, with their `force`; the stages do nothing."""
    calls: list[tuple[str, bool]] = []
    for name in ("generate", "refine", "train", "merge", "evaluate"):

        def stage(run: Run, *, force: bool = False, name: str = name, **_: object) -> Outcome:
            calls.append((name, force))
            return Outcome(name, run.path / name, False, 1.5, RESULTS)

        monkeypatch.setattr(f"platypus.commands.{name}.{name}", stage)
    return calls


@pytest.mark.parametrize("name", ["generate", "refine", "train", "merge", "evaluate"])
def test_a_stage_command_calls_its_stage(
    capsys: Capture, tmp_path: Path, called: list[tuple[str, bool]], name: str
) -> None:
    run, recipe = tmp_path / "run", write_recipe(tmp_path)
    assert here(capsys, name, run, "--recipe", recipe).code == 0
    ran = here(capsys, name, run, "--force", "--json")
    assert called == [(name, False), (name, True)]
    assert json.loads(ran.out) == {
        "stage": name,
        "folder": str(run / name),
        "skipped": False,
        "seconds": 1.5,
        "results": RESULTS,
    }


@pytest.mark.parametrize(
    ("catalogue", "tables", "first"),
    [
        (CRM, "", ["generate"]),
        (CRM, "[generate]\nexamples = 0\n", []),
        (None, "", []),
    ],
)
def test_all_generates_only_if_there_is_something_to_generate(
    capsys: Capture,
    tmp_path: Path,
    called: list[tuple[str, bool]],
    catalogue: Path | None,
    tables: str,
    first: list[str],
) -> None:
    recipe = write_recipe(tmp_path, base="embedded", catalogue=catalogue, tables=tables)
    ran = here(capsys, "all", tmp_path / "run", "--recipe", recipe, "--force")
    assert ran.code == 0
    assert called == [(name, True) for name in [*first, "refine", "train", "merge", "evaluate"]]


def test_all_leaves_the_merge_out_if_the_adapter_cannot_be_merged(
    capsys: Capture, tmp_path: Path, called: list[tuple[str, bool]]
) -> None:
    recipe = write_recipe(tmp_path, base="embedded", tables='[train]\nprefix = "frozen"\n')
    assert here(capsys, "all", tmp_path / "run", "--recipe", recipe).code == 0
    assert [name for name, _ in called][-3:] == ["refine", "train", "evaluate"]
    tables = '[train]\nprefix = "frozen"\n[merge]\nof = ["a", "b"]\n'
    recipe = write_recipe(tmp_path, base="embedded", tables=tables)
    assert here(capsys, "all", tmp_path / "both", "--recipe", recipe).code == 0
    assert [name for name, _ in called][-3:] == ["refine", "merge", "evaluate"]


def test_outcomes_are_readable(capsys: Capture, tmp_path: Path, called: list[tuple[str, bool]]) -> None:
    run = tmp_path / "run"
    ran = here(capsys, "train", run, "--recipe", write_recipe(tmp_path))
    assert ran.out.splitlines() == [
        f"train: done in 1.5 s → {run / 'train'}",
        "  rows: 4",
        "  of: 5",
        "  losses: 2, 0.125",
        "  unused: none",
        "  variants:",
        "    after:",
        "      measures:",
        "        exact: value 0.25, low 0, high 0.5, rows 4",
        "      cut: 2",
    ]


def test_scores_are_a_table(capsys: Capture, tmp_path: Path, called: list[tuple[str, bool]]) -> None:
    ran = here(capsys, "evaluate", tmp_path / "run", "--recipe", write_recipe(tmp_path))
    assert ran.out.startswith(f"evaluate: done in 1.5 s → {tmp_path / 'run' / 'evaluate'}\n")
    (row,) = (line for line in ran.out.splitlines() if "exact plans" in line)
    assert "25.0% [0.0, 50.0]" in row
    assert "after: 2 answers were cut by a limit" in ran.out


# ---------------------------------------------------------------- plan


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The model's answer to each request."""
    texts: dict[str, str] = {}

    def watch(request: str, **_: object) -> Iterator[Answer]:
        text = texts[request]
        yield Answer(request, parse_plan(text), text, 9, 3, "length" if request == "Cut" else "model")

    planner = SimpleNamespace(watch=watch, loaded=SimpleNamespace(source="the model"), settings=DecodeSettings())
    monkeypatch.setattr("platypus.commands.chat.open_planner", lambda _, catalogue: planner)
    return texts


def test_plan_prints_the_plan_readable_or_as_canonical_json(
    capsys: Capture, tmp_path: Path, answers: dict[str, str]
) -> None:
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    answers["Sum up CustomerABC"] = str(PLAN)
    ran = here(capsys, "plan", tmp_path / "run", "Sum up CustomerABC")
    assert (ran.code, ran.err) == (0, "answered by the model\n")
    assert ran.out == '1. search(customer = "CustomerABC")\n2. summarize(objects = output of step 1)\n'
    ran = here(capsys, "plan", tmp_path / "run", "Sum up CustomerABC", "--json")
    assert (ran.code, ran.out) == (0, f"{PLAN}\n")


def test_plan_fails_if_the_plan_is_cut_and_without_a_request(
    capsys: Capture, tmp_path: Path, answers: dict[str, str]
) -> None:
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    answers["Cut"] = str(PLAN)
    ran = here(capsys, "plan", tmp_path / "run", "Cut")
    assert ran.code == 1 and "cut after 512 tokens" in ran.err
    for words in ((tmp_path / "run", " "), ("", "--catalogue", CRM)):
        assert "the request is empty" in here(capsys, "plan", *words).err


def test_plan_fails_with_the_problems_of_a_malformed_answer(
    capsys: Capture, tmp_path: Path, answers: dict[str, str]
) -> None:
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path))
    answers["Hm"] = '[{"tool_name": "search"}]'
    ran = here(capsys, "plan", tmp_path / "run", "Hm", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert answers["Hm"] in ran.err
    assert 'step 1: a step is {"tool_name": …, "arguments": […]}' in ran.err


def test_the_embedded_base_plans_without_a_run(capsys: Capture) -> None:
    ran = here(capsys, "plan", "Search for the customer CustomerABC", "--catalogue", CRM, "--json")
    assert ran.code == 0 and isinstance(parse_plan(ran.out, read_catalogue(CRM)), Plan)
    assert "fine-tuned" in ran.err
    ran = here(capsys, "plan", "Search for the customer CustomerABC", "--catalogue", CRM)
    assert "confidence" in ran.err + ran.out


def test_without_a_run_there_are_four_beams(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []

    def answered(request: str, catalogue: Catalogue, recipe: Recipe, *, as_json: bool) -> bool:
        recipes.append(recipe)
        return True

    monkeypatch.setattr("platypus.commands.chat.plan_untrained", answered)
    assert here(capsys, "plan", "Search", "--catalogue", CRM, "--time-limit", "3").code == 0
    (recipe,) = recipes
    assert (recipe.decode.beams, recipe.decode.seconds) == (4, 3.0)


def test_a_time_limit_and_a_day_override_those_of_the_recipe(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = "[decode]\nseconds = 5.0\ntoday = 'now'\n"
    Run.open(tmp_path / "run", recipe=write_recipe(tmp_path, tables=tables))
    said: list[tuple[float | None, str | None]] = []

    def answered(run: Run, **_: object) -> bool:
        said.append((run.recipe.decode.seconds, run.recipe.decode.today))
        return True

    monkeypatch.setattr("platypus.commands.chat.chat", answered)
    for words in ([], ["--time-limit", "1.5", "--today", "2026-11-30"]):
        assert here(capsys, "chat", tmp_path / "run", *words).code == 0
    assert said == [(5.0, "now"), (1.5, "2026-11-30")]
    assert here(capsys, "chat", tmp_path / "run", "--time-limit", "-1").code == 2
    for day in ("", "2026-13-01"):
        wrong = here(capsys, "chat", tmp_path / "run", "--today", day)
        assert wrong.code == 1 and f"decode.today = {day!r} is no day" in wrong.err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("train", "base")])
def test_a_command_for_one_process_refuses_several(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = here(capsys, command, tmp_path / "run", "x")
    assert ran.code == 1 and ran.out == ""
    assert f"`{command}` is for one process, but 2 were started" in ran.err
    assert "torchrun --nproc-per-node=N -m platypus train" in ran.err


def test_all_says_what_is_missing_before_it_begins(tmp_path: Path, capsys: Capture) -> None:
    recipe = write_recipe(tmp_path, base="embedded", tables="[refine]\ndata = ['none.jsonl']\n")
    ran = here(capsys, "all", tmp_path / "run", "--recipe", recipe)
    assert ran.code == 1 and "none.jsonl: there is no such file" in ran.err and str(tmp_path) in ran.err
    assert not (tmp_path / "run" / "generate").exists()
