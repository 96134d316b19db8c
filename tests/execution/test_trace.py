"""Traces: events in order, secrets masked and marked, cut lines, one process at a time, and what is read back."""

import json
from pathlib import Path

import pytest

from platypus.errors import ExecutionError
from platypus.execution.masking import Masking
from platypus.execution.results import ToolResult
from platypus.execution.trace import Trace, read_trace

PLAN = [{"tool_name": "a", "arguments": []}, {"tool_name": "b", "arguments": []}]
VERDICTS = [{"step": i, "tool": tool, "verdict": "allow", "rule": "otherwise: allow"} for i, tool in enumerate("ab")]


def begun(path: Path) -> Trace:
    trace = Trace.create(path, Masking())
    trace.write("start", version=1, request="r", plan=PLAN, verdicts=VERDICTS)
    trace.write("call", number=0, step=0, attempt=1, tool="a", arguments={"token": "abcdefgh"}, to_disk=True)
    return trace


def test_each_event_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = begun(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == trace.events and [line["event"] for line in lines] == ["start", "call"]
    assert lines[1]["arguments"] == {"token": "***"} and lines[1]["masked"] and "masked" not in lines[0]
    trace.close()


def test_a_request_holds_no_secret_of_its_plan(tmp_path: Path) -> None:
    plan = [
        {"tool_name": "a", "arguments": [{"argument_name": "text", "argument_value": "abcdefgh"}]},
        {"tool_name": "b", "arguments": [{"argument_name": "password", "argument_value": "abcdefgh"}]},
    ]
    trace = Trace.create(tmp_path / "t.jsonl", Masking())
    trace.write("start", version=1, request="Log in with abcdefgh", plan=plan, verdicts=VERDICTS)
    result = {"text": "ijklmnop", "structured": {"pin_secret": "ijklmnop"}}
    trace.write("result", number=0, step=0, seconds=0.1, result=result)
    assert "abcdefgh" not in (told := (tmp_path / "t.jsonl").read_text()) and "ijklmnop" not in told


def test_a_folder_is_not_made_for_a_trace(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="no such folder for the trace"):
        Trace.create(tmp_path / "nwe" / "t.jsonl", Masking())
    assert not (tmp_path / "nwe").exists()


def test_a_name_that_the_system_refuses(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=r"cannot be looked up: File name too long\n  .*--trace FILE"):
        Trace.create(tmp_path / ("x" * 300), Masking())


def test_what_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = begun(path)
    trace.write("result", number=0, step=0, seconds=0.1, result={"structured": {"token": "abcdefgh"}})
    trace.write("call", number=0, step=1, attempt=1, tool="b", arguments={})
    history = read_trace(path)
    assert history.results == {0: ToolResult({"token": "***"})} and history.masked == {0}
    assert list(history.begun) == [1] and "under way" in history.begun[1] and history.ended == ""
    trace.write("error", number=0, step=1, seconds=0.1, kind="lost", what="gone")
    trace.write("end", ended="failed", seconds=1.0)
    assert read_trace(path).begun == {1: "gone"} and read_trace(path).ended == "failed"
    trace.write("call", number=0, step=1, attempt=2, tool="b", arguments={})
    trace.write("error", number=0, step=1, seconds=0.1, kind="unsent", what="not sent")
    assert read_trace(path).begun == {1: "gone"}  # the first call was sent
    trace.write("plan", number=1, plan=PLAN[:1], verdicts=VERDICTS[:1], shown=["a"])
    again = read_trace(path)
    assert (len(again.plans), again.results, again.shown, again.earlier) == (2, {}, {"a"}, {"a": 1, "b": 1})
    trace.write("call", number=1, step=0, attempt=1, tool="a", arguments={})
    trace.write("error", number=1, step=0, seconds=0.1, kind="unsent", what="not sent")
    assert read_trace(path).begun == {}
    trace.close()


def test_a_line_that_was_cut_off_counts_for_nothing_and_the_next_stands_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    begun(path).close()
    with path.open("ab") as file:
        file.write('{"event": "result", "step": 0, "result": {"text": "ä'.encode()[:-1])
    trace, history = Trace.reopen(path, Masking())
    assert history.results == {} and list(history.begun) == [0]
    trace.write("resume", number=0, verdicts=[], doubts={})
    trace.close()
    assert [event["event"] for event in read_trace(path).events] == ["start", "call", "resume"]


def test_a_line_that_no_kill_has_cut_off_is_damage(tmp_path: Path) -> None:
    trace = begun(tmp_path / "t.jsonl")
    trace.write("end", ended="failed", seconds=0.1)
    trace.close()
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    for damaged in (lines[1][:-9], "[" * 100_000):
        (tmp_path / "t.jsonl").write_text("\n".join([lines[0], damaged, lines[2]]))
        with pytest.raises(ExecutionError, match="its line 2 cannot be read"):
            read_trace(tmp_path / "t.jsonl")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    trace = begun(tmp_path / "t.jsonl")
    with pytest.raises(ExecutionError, match="another process is executing this plan"):
        Trace.reopen(tmp_path / "t.jsonl", Masking())
    trace.close()
    Trace.reopen(tmp_path / "t.jsonl", Masking())[0].close()


def test_what_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("{}\nx\n")
    with pytest.raises(ExecutionError, match="is not a trace of an execution"):
        read_trace(tmp_path / "t.jsonl")
    with pytest.raises(ExecutionError, match="exists already"):
        Trace.create(tmp_path / "t.jsonl", Masking())
    with pytest.raises(ExecutionError, match="cannot be opened"):
        Trace.reopen(tmp_path / "none", Masking())
    with pytest.raises(ExecutionError, match="cannot be read"):
        read_trace(tmp_path / "none")


RESULT = {"event": "result", "at": "now", "number": 0, "step": 0, "seconds": 0.1, "result": {}}


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({**RESULT, "step": 2}, "there is no such step"),
        ({**RESULT, "number": 1}, "there is no such plan"),
        ({**RESULT, "result": []}, "result: Input should be"),
    ],
)
def test_an_event_that_is_damaged_is_named(tmp_path: Path, event: dict[str, object], what: str) -> None:
    path = tmp_path / "t.jsonl"
    begun(path).close()
    with path.open("a") as file:
        file.write(json.dumps(event) + "\n")
    for _ in range(2):
        with pytest.raises(
            ExecutionError, match=rf"its event 3 \({event['event']}\) is not as it was written"
        ) as raised:
            Trace.reopen(path, Masking())  # and lets others have the file
        assert what in str(raised.value)


def test_only_data_is_masked(tmp_path: Path) -> None:
    trace = Trace.create(tmp_path / "t.jsonl", Masking("text|tool|step", ["failed", "number"]))
    plan = [{"tool_name": "number", "arguments": [{"argument_name": "text", "argument_value": "failed"}]}]
    verdicts = [{"step": 0, "tool": "number", "verdict": "allow", "rule": "otherwise: allow"}]
    trace.write("start", version=1, request="failed", plan=plan, verdicts=verdicts)
    trace.write("result", number=0, step=0, seconds=0.1, result={"text": "has failed"})
    trace.write("end", ended="failed", seconds=0.1)
    start, result, end = read_trace(tmp_path / "t.jsonl").events
    assert (start["request"], start["verdicts"], start["plan"][0]["tool_name"]) == ("***", verdicts, "number")
    assert (result["step"], result["result"], end["ended"]) == (0, {"text": "has ***"}, "failed")
