"""Tracking: metrics.jsonl continues after a resume, tensorboard has the same values, missing loggers are refused."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker

from platypus.commands.train import train
from platypus.errors import RecipeError
from platypus.training.tracking import JsonLines, check_loggers, log_scores
from tests.support.tiny_models import examples, some_examples, tiny_llama, tiny_run
from tests.support.trainings import NOISY, learn, metrics, same


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_logger_that_is_missing_is_refused_with_the_remedy(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("platypus.training.tracking.get_available_trackers", lambda: ["tensorboard"])
    check_loggers(["tensorboard"])
    run = tiny_run(tmp_path, base=base, rows=examples(4), recipe=f'[train]\nloggers = ["tensorboard", "{name}"]\n')
    with pytest.raises(RecipeError, match=f"the logger '{name}' is not installed") as raised:
        train(run)
    assert raised.value.remedy == f"pip install {name}"
    assert not list(run.path.glob(".train.*"))


def test_tensorboard_has_the_values_only_if_it_is_requested(base: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    learn(base, tmp_path / "with", NOISY, valid=some_examples(2))
    (folder,) = {path.parent for path in (tmp_path / "with" / "tensorboard").rglob("events.*")}
    events = EventAccumulator(str(folder))
    events.Reload()
    for name in ("loss", "valid_loss", "learning_rate", "norm"):
        logged = [(event.step, event.value) for event in events.Scalars(name)]
        expected = [(line["step"], line[name]) for line in metrics(tmp_path / "with") if name in line]
        assert logged == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]
    learn(base, tmp_path / "without", NOISY.model_copy(update={"loggers": []}), valid=some_examples(2))
    assert not (tmp_path / "without" / "tensorboard").exists()
    shutil.rmtree(tmp_path / "with" / "tensorboard")
    assert same(tmp_path / "with", tmp_path / "without")


class Kept(GeneralTracker):  # type: ignore[misc]
    """A tracker that keeps what it is told."""

    name, requires_logging_directory = "trackio", False
    told: ClassVar[list[Any]] = []

    def __init__(self, project: str) -> None:
        super().__init__()
        self.told.append(project)

    @property
    def tracker(self) -> None:
        """None."""

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self.told.append(dict(values))

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        self.told.append((step, dict(values)))


def test_a_logger_gets_a_training_s_steps_and_an_evaluation_s_figures(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "trackio", Kept)
    monkeypatch.setattr("platypus.training.tracking.get_available_trackers", lambda: ["trackio"])
    monkeypatch.setattr(Kept, "told", [])
    learn(base, tmp_path, NOISY.model_copy(update={"loggers": ["trackio"]}), valid=some_examples(2))
    project, *steps = Kept.told
    assert project == "platypus"
    logged = [{"step": step, **values} for step, values in steps]
    assert all(line.pop("tokens_per_second") > 0 for line in logged if "loss" in line)
    assert json.loads(json.dumps(logged)) == metrics(tmp_path)
    Kept.told.clear()
    exact, ast = (
        {"value": 0.5, "low": 0.25, "high": 0.75, "rows": 4},
        {"value": 1.0, "low": 0.5, "high": 1.0, "rows": 4},
    )
    log_scores(["trackio"], {"after": {"measures": {"exact": exact}, "published": {"bfcl_ast": ast}}}, run="mine")
    assert Kept.told[:2] == ["platypus", {"stage": "evaluate", "run": "mine"}]
    assert Kept.told[2] == (
        None,
        {
            **{"after/exact": 0.5, "after/exact_low": 0.25, "after/exact_high": 0.75},
            **{"after/bfcl_ast": 1.0, "after/bfcl_ast_low": 0.5, "after/bfcl_ast_high": 1.0},
        },
    )


def test_metrics_continue_after_the_steps_that_are_done(tmp_path: Path) -> None:
    """Later lines and an incomplete one are removed, as they will be written again; earlier lines stay."""
    path = tmp_path / "metrics.jsonl"
    first = JsonLines(path, done=0)
    for step in (1, 2, 3):
        first.log({"loss": 1 / step}, step=step)
    kept = path.read_text().splitlines()[:2]
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    JsonLines(path, done=2).log({"loss": 0.25}, step=3)
    assert path.read_text().splitlines() == [*kept, json.dumps({"step": 3, "loss": 0.25})]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]
