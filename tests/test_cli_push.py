"""The arguments of `platypus push`."""

from pathlib import Path

import pytest

from tests.support.command import here
from tests.support.model_hub import asked_hub
from tests.support.publishing import evaluated_run


def test_a_dry_run_shows_the_card_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = evaluated_run(tmp_path)
    with asked_hub(monkeypatch, tmp_path) as hub:
        shown = here(capsys, "push", run.path, "user/planner", "--dry-run", "--licence", "mit", "--tag", "v2")
        assert shown.code == 0, shown.err
        assert "tag: v2" in shown.out and "license: mit" in shown.out and "## Limits" in shown.out
        assert hub.asked("") == hub.asked("GET") and not hub.repositories
        assert here(capsys, "push", run.path, "user/planner", "--what", "weights").code == 2
