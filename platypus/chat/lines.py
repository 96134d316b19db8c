"""Lines: what a person types, in an editor with history and completion, or what comes through a pipe.

The editor is prompt_toolkit's, where standard input and output are a terminal and the package is there. Otherwise lines
are read as they come; a prompt then goes to standard error, and only if a person types.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from platypus.files import say, state_folder

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

MISSING = "(history and completion of lines: pip install 'platypus-llm[chat]')"
HISTORY = ".chat-history"


class Suggestion(NamedTuple):
    """What may stand in the place of the last `replaces` letters of a line."""

    text: str
    replaces: int
    about: str = ""


Suggest = Callable[[str, Sequence[str]], Iterable[Suggestion]]  # a line, and earlier ones, newest first


class Lines(Protocol):
    """Where lines come from. Each method raises EOFError at the end of input."""

    @property
    def typed(self) -> bool:
        """Whether a person types them, so that Ctrl-C is meant for the line."""

    def read(self, prompt: str) -> str:
        """The next line."""

    def ask(self, label: str, default: str) -> str:
        """A line in the place of this one; the same if nothing is said."""

    def edit(self, text: str) -> str | None:
        """A text of several lines in the place of this one; None where that cannot be."""


class PlainLines:
    """Lines as they come on standard input."""

    @property
    def typed(self) -> bool:
        """Whether standard input is a terminal."""
        return sys.stdin.isatty()

    def read(self, prompt: str) -> str:
        """The next line."""
        if self.typed:
            print(prompt, end="", file=sys.stderr, flush=True)
        return input()

    def ask(self, label: str, default: str) -> str:
        """The next line; an empty one means that nothing changes."""
        return self.read(f"{label}{default}\n{' ' * len(label)}" if default else label).strip() or default

    def edit(self, text: str) -> str | None:
        """None: there is no editor."""
        return None


class EditedLines:
    """Lines from prompt_toolkit's editor, with the history in a file."""

    typed = True

    def __init__(self, folder: Path | None, suggest: Suggest, *, paths: Sequence[str] = ()) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        history = history_file(folder)
        past = FileHistory(history) if history else InMemoryHistory()
        self._line: Any = PromptSession(
            history=past, completer=_completer(suggest, past.get_strings, paths), complete_while_typing=False
        )
        self._ask: Any = PromptSession(completer=_completer(suggest, lambda: [], paths), complete_while_typing=False)

    def read(self, prompt: str) -> str:
        """The next line, which goes into the history."""
        return str(self._line.prompt(prompt))

    def ask(self, label: str, default: str) -> str:
        """The line as it is edited from this one."""
        return str(self._ask.prompt(label, default=default))

    def edit(self, text: str) -> str | None:
        """The text as it is edited from this one."""
        from prompt_toolkit import prompt

        return str(prompt("", default=text, multiline=True, bottom_toolbar="Esc, then Enter: done. Ctrl-C: leave it."))


def open_lines(folder: Path | None, suggest: Suggest, *, paths: Sequence[str] = ()) -> Lines:
    """The editor where a person sees it, else plain lines. `folder` is the run's, for the history.

    What follows one of `paths` is completed as the name of a file.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return PlainLines()
    try:
        return EditedLines(folder, suggest, paths=paths)
    except ImportError:
        say(MISSING)
        with suppress(ImportError):  # Windows has no readline, and its console needs none
            import readline  # noqa: F401  (gives input() line editing)
        return PlainLines()


def history_file(folder: Path | None) -> Path | None:
    """The file with the lines typed in earlier conversations: in the folder of the run if that can be written, else in
    the user's folder for such state. None if neither can be. Only its owner can read it.
    """
    state = state_folder()
    for place in (folder, state):
        if place is not None:
            with suppress(OSError):
                if place is state:
                    place.mkdir(parents=True, exist_ok=True)
                path = place / HISTORY
                path.touch(mode=0o600)
                if os.access(path, os.W_OK):
                    return path
    return None


def last_word(line: str) -> str:
    """The letters of the line's last name or word; "" behind a space."""
    found = re.search(r"[\w.:/-]*$", line)
    return found[0] if found else ""


def _completer(suggest: Suggest, past: Callable[[], Sequence[str]], paths: Sequence[str]) -> "Completer":
    from prompt_toolkit.completion import Completer, Completion, PathCompleter
    from prompt_toolkit.document import Document

    class _Completer(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Iterable[Completion]:
            line = document.text_before_cursor
            before = next((path for path in paths if line.startswith(path)), None)
            if before is not None:
                yield from PathCompleter(expanduser=True).get_completions(Document(line[len(before) :]), complete_event)
                return
            for one in suggest(line, past()[::-1]):
                yield Completion(one.text, start_position=-one.replaces, display_meta=one.about)

    return _Completer()
