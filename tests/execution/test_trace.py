"""Traces: events in order, secrets masked and marked, cut lines, one process at a time, and what is read back."""

import json
from pathlib import Path

import pytest

from platypus.errors import ExecutionError
from platypus.execution.masking import Masking
from platypus.execution.results import ToolResult
from platypus.execution.trace import Trace, is_trace, read_trace

PLAN = [{"tool_name": "a", "arguments": []}, {"tool_name": "b", "arguments": []}]


def begun(path: Path) -> Trace:
    trace = Trace.create(path, Masking())
    trace.write("start", version=1, request="r", plan=PLAN, verdicts=[])
    trace.write("call", number=0, step=0, attempt=1, tool="a", arguments={"token": "abcdefgh"}, to_disk=True)
    return trace


def test_each_event_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = begun(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == trace.events and [line["event"] for line in lines] == ["start", "call"]
    assert lines[1]["arguments"] == {"token": "***"} and lines[1]["masked"] and "masked" not in lines[0]
    trace.close()
    assert is_trace(path) and not is_trace(tmp_path) and not is_trace(Path(__file__))


def test_a_folder_is_not_made_for_a_trace(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="no such folder for the trace"):
        Trace.create(tmp_path / "nwe" / "t.jsonl", Masking())
    assert not (tmp_path / "nwe").exists()


def test_what_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = begun(path)
    trace.write("result", number=0, step=0, seconds=0.1, result={"structured": {"token": "abcdefgh"}})
    trace.write("call", number=0, step=1, attempt=1, tool="b", arguments={})
    history = read_trace(path)
    assert history.results == {0: ToolResult({"token": "***"})} and history.masked == {0}
    assert list(history.begun) == [1] and "under way" in history.begun[1] and history.ended == ""
    trace.write("error", number=0, step=1, seconds=0.1, kind="lost", what="gone")
    trace.write("end", ended="failed", seconds=1)
    assert read_trace(path).begun == {1: "gone"} and read_trace(path).ended == "failed"
    trace.write("error", number=0, step=1, seconds=0.1, kind="unsent", what="not sent")
    assert read_trace(path).begun == {}
    trace.write("plan", number=1, plan=PLAN[:1], verdicts=[], shown=["a"])
    again = read_trace(path)
    assert (len(again.plans), again.results, again.shown, again.earlier) == (2, {}, {"a"}, {"a": 1, "b": 1})
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


@pytest.mark.parametrize("event", [{"event": "result", "step": 0}, {"event": "call", "step": 0}, {"event": "end"}])
def test_an_event_that_lacks_a_part_is_named(tmp_path: Path, event: dict[str, object]) -> None:
    begun(tmp_path / "t.jsonl").close()
    with (tmp_path / "t.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n")
    with pytest.raises(ExecutionError, match=rf"its event \d \({event['event']}\) lacks a part"):
        read_trace(tmp_path / "t.jsonl")
