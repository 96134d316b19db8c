"""Files: whole or not at all, and one clear error for what cannot be read."""

from pathlib import Path

import pytest

from platypus.errors import CatalogueError
from platypus.files import expanded, read_text, say, say_hub, write_whole


def test_a_file_is_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    for text in ("first\n", "naïve 🦆"):
        write_whole(path, text)
        assert read_text(path, error=CatalogueError) == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes"]


def test_the_mark_at_the_beginning_of_a_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("\ufeffa\ufeff", encoding="utf-8")
    assert read_text(tmp_path / "notes", error=CatalogueError) == "a\ufeff"


@pytest.mark.parametrize("moment", ["pathlib.Path.write_text", "platypus.files.sync", "pathlib.Path.replace"])
def test_a_failure_at_any_moment_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "notes"
    write_whole(path, "old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(moment, fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, "new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"


def test_a_file_that_cannot_be_read_is_an_error_of_the_kind_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read: No such file") as caught:
        read_text(tmp_path / "none", error=CatalogueError, remedy="Name another one.")
    assert (caught.value.where, caught.value.remedy) == (str(tmp_path / "none"), "Name another one.")
    (tmp_path / "latin").write_bytes("café".encode("latin-1"))
    with pytest.raises(CatalogueError, match="is not UTF-8 text") as caught:
        read_text(tmp_path / "latin", error=CatalogueError, remedy="Name another one.", resave="Save it anew.")
    assert caught.value.remedy == "Save it anew."


def test_of_several_processes_the_first_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say("first")
    monkeypatch.setenv("RANK", "1")
    say("second")
    assert capsys.readouterr().err == "first\n"


def test_a_name_on_the_hub_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    say_hub("owner/of-this-test")
    say_hub("owner/of-this-test")
    assert capsys.readouterr().err.count("owner/of-this-test: there is no such file or folder") == 1


def test_a_name_that_the_system_refuses_is_an_error_of_the_kind_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/notes", error=CatalogueError) == tmp_path / "notes"
    with pytest.raises(
        CatalogueError, match=r"^~no-such-user/x: cannot be looked up: Could not determine home"
    ) as caught:
        expanded("~no-such-user/x", error=CatalogueError, remedy="Name another one.")
    assert caught.value.remedy == "Name another one."
    with pytest.raises(CatalogueError, match=r"^(ab){40}…: cannot be looked up: File name too long") as caught:
        expanded("ab" * 500, error=CatalogueError)
