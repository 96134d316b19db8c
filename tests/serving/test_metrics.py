"""What is measured, and the lines of the log."""

import json

import pytest

from platypus.serving.metrics import log


def test_a_line_of_the_log_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    log("request", path="/v1/plan", status=200, key=None)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "request" and line["status"] == 200 and "key" not in line and line["time"].endswith("Z")
