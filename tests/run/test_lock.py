"""One process at a time, and a folder that can only be read."""

import fcntl
import os
from pathlib import Path

import pytest

from platypus.errors import RunError
from platypus.run.lock import LOCK, is_writable, locked


def test_a_lock_is_held_and_released(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match=f"process {os.getpid()} is working"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_process_that_has_not_said_its_number_yet_is_another_one(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process is working on this run"), locked(tmp_path):
            pass


def test_a_folder_that_can_only_be_read_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert not is_writable(tmp_path)
    with pytest.raises(RunError, match="read-only") as raised, locked(tmp_path):
        pass
    assert "Copy it" in raised.value.remedy
    assert not (tmp_path / LOCK).exists()
