"""API keys: kept as hashes, compared whole, asked for where they guard."""

import stat
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from platypus.errors import RunError
from platypus.serving.keys import KeyCheck, Keys, add_key


def test_a_key_is_kept_as_a_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key, other = add_key(path, "ann"), add_key(path, "bob")
    text = path.read_text()
    assert key not in text and other not in text and stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = Keys.read(path)
    assert (keys.owner(key), keys.owner(other), keys.owner(key[:-1]), keys.owner("")) == ("ann", "bob", None, None)


def test_a_key_is_added_to_a_file_that_people_edited(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.touch()
    (tmp_path / "link").symlink_to(path)
    keys = [add_key(path, "ann")]
    path.write_text(path.read_text().rstrip("\n"))
    keys += [add_key(tmp_path / "link", "bob")]
    assert [Keys.read(path).owner(key) for key in keys] == ["ann", "bob"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and (tmp_path / "link").is_symlink()


def test_what_is_no_file_of_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(RunError, match="cannot be read"):
        Keys.read(path)
    path.write_text("")
    with pytest.raises(RunError, match="no key"):
        Keys.read(path)
    path.write_text("ann secret\n")
    with pytest.raises(RunError, match="keys:1"):
        Keys.read(path)
    with pytest.raises(RunError, match="no name"):
        add_key(tmp_path / "other", "a b")
    add_key(tmp_path / "other", "ann")
    with pytest.raises(RunError, match="already"):
        add_key(tmp_path / "other", "ann")


def test_only_those_with_a_key_come_in_but_for_the_page(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "ann")
    client = TestClient(KeyCheck(PlainTextResponse("in"), Keys.read(tmp_path / "keys")))
    for path in ("/v1/plan", "/mcp", "/metrics"):
        refused = client.get(path)
        assert refused.status_code == 401 and refused.json()["error"]["type"] == "authentication_error"
        assert client.get(path, headers={"authorization": f"Bearer {key}"}).text == "in"
        assert client.get(path, headers={"authorization": f"Basic {key}"}).status_code == 401
    assert client.get("/").text == client.get("/health").text == "in"
