"""A program in a pseudo-terminal: keys that are typed, and what the screen was sent."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence

from tests.support.command import ROOT

PROMPT = "\x1b[?2004h"  # bracketed paste is switched on when a line is asked for
CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b[=>]|\r")


def _at_the_terminal() -> None:
    """Make standard input the controlling terminal; Ctrl-C counts, even if whoever started the tests ignores it."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminal:
    """A program whose standard input, output and error are a pseudo-terminal of its own."""

    def __init__(self, words: Sequence[str]) -> None:
        self.own, other = pty.openpty()
        known = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "120", "LINES": "40"}
        self.program = subprocess.Popen(
            words,
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=ROOT,
            env={**os.environ, **known},
            start_new_session=True,
            preexec_fn=_at_the_terminal,
        )
        os.close(other)
        self.raw = ""
        self.read_to = 0

    @property
    def text(self) -> str:
        """All that the screen was sent, without its control codes; ⟨ where a line was asked for."""
        return CODES.sub("", self.raw.replace(PROMPT, "⟨"))

    def type(self, keys: str) -> None:
        """Type these keys."""
        os.write(self.own, keys.encode())

    def expect(self, text: str, *, seconds: float = 240) -> str:
        """Wait until the screen is sent the text; return what came before it since the last time."""
        deadline = time.monotonic() + seconds
        while (at := self.text.find(text, self.read_to)) < 0:
            ready, _, _ = select.select([self.own], [], [], 0.2)
            assert time.monotonic() < deadline, f"{text!r} did not come after {self.text[self.read_to :]!r}"
            if ready:
                try:
                    self.raw += os.read(self.own, 65536).decode(errors="replace")
                except OSError as error:  # Linux says so at the end of the program
                    raise AssertionError(f"ended without {text!r} after {self.text[self.read_to :]!r}") from error
        before, self.read_to = self.text[self.read_to : at], at + len(text)
        return before

    def interrupt(self, text: str) -> None:
        """Type Ctrl-C and wait for the text; once more, as one just before the program reads a line goes unseen."""
        self.type("\x03")
        try:
            self.expect(text, seconds=30)
        except AssertionError:
            self.type("\x03")
            self.expect(text)

    def answer(self, keys: str) -> None:
        """Wait until a line is asked for, then type these keys."""
        self.expect("⟨")
        self.type(keys)

    def end(self) -> int:
        """Wait for the end of the program; its exit code."""
        code = self.program.wait(timeout=120)
        os.close(self.own)
        return code
