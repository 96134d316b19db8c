"""Lines: real keys in a pseudo-terminal, and plain lines where there is none, or no prompt_toolkit."""

import io
import stat
import sys
from pathlib import Path

import pytest

from platypus.chat import lines
from platypus.chat.lines import HISTORY, MISSING, PlainLines, history_file, last_word, open_lines
from tests.support.command import ROOT
from tests.support.terminal import Terminal

Capture = pytest.CaptureFixture[str]
UP, TAB, CTRL_C, CTRL_D, BACK = "\x1b[A", "\t", "\x03", "\x04", "\x7f"


def test_keys_in_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-m", "tests.support.scripted_planner", str(tmp_path)])
    terminal.answer("Sum up CustomerABC\r")
    terminal.expect("objects ← the output of search")
    terminal.answer("/expl" + TAB)
    terminal.expect("ain")
    terminal.type("\r")
    terminal.expect("from “CustomerABC”")
    terminal.answer("half a line" + CTRL_C)
    terminal.expect("(Ctrl-D or /quit leaves)")
    terminal.answer("interrupt me\r")
    terminal.expect("stopped (/quit leaves)")
    terminal.answer(UP + UP + UP + "\r")  # past "interrupt me" and "/explain"
    terminal.expect("objects ← the output of search")
    terminal.answer("/correct\r")
    terminal.answer(BACK * 3 + 'D")\r')
    terminal.answer("\r")
    terminal.answer("\r")
    terminal.expect("kept as right; 1 in ")
    terminal.answer("/copy\r")
    terminal.expect("sent to the terminal's clipboard")
    assert "\x1b]52;c;" in terminal.raw
    terminal.answer("Su" + TAB)
    terminal.expect("m up CustomerABC")
    terminal.type("\r")
    terminal.expect("objects ← the output of search")
    terminal.answer(CTRL_D)
    terminal.expect("ended")
    assert terminal.end() == 0
    assert '"CustomerABD"' in (tmp_path / "corrections.jsonl").read_text()
    history = (tmp_path / HISTORY).read_text()
    assert "+Sum up CustomerABC\n" in history and "summarize(objects" not in history


def test_without_a_terminal_lines_are_plain(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntwo\n"))
    plain = open_lines(None, lambda line, earlier: [])
    assert isinstance(plain, PlainLines) and not plain.typed
    assert plain.read("> ") == "one"
    assert plain.ask("$0 = ", "stays") == "stays"
    assert plain.ask("$0 = ", "goes") == "two"
    assert plain.edit("x") is None
    with pytest.raises(EOFError):
        plain.read("> ")
    assert capsys.readouterr().out == ""


def test_without_prompt_toolkit_a_terminal_has_plain_lines(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    plain = open_lines(None, lambda line, earlier: [])
    assert isinstance(plain, PlainLines) and plain.typed
    assert MISSING in capsys.readouterr().err
    assert "chat = [" in (ROOT / "pyproject.toml").read_text()


def test_the_history_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = tmp_path / "run"
    run.mkdir()
    path = history_file(run)
    assert path == run / HISTORY and path is not None and stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (None, tmp_path / "none"):
        assert history_file(folder) == tmp_path / "state" / "platypus" / HISTORY
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert history_file(None) is None


def test_the_last_word_of_a_line() -> None:
    assert [last_word(line) for line in ("use a.b", "x ", "", "f(works_l")] == ["a.b", "", "", "works_l"]
    assert lines.HISTORY.startswith(".")
