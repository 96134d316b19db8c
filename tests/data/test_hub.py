"""Data sets on the hub, read through the real client from a hub on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.fake_hub import COMMIT, fake_hub

pytest.importorskip("datasets")

READ = """
import json, sys
from platypus.data.fingerprints import source_fingerprint
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import DatasetError
for source in sys.argv[1:]:
    try:
        rows = [[entry.line, decode_row(entry).data] for entry in read_raw_rows(source)]
        print(json.dumps([rows, source_fingerprint(source)]))
    except DatasetError as error:
        print(json.dumps([error.what, error.remedy]))
"""
ROWS = [
    *({"n": i, "value": "2024-05-01", "late": "text", "mixed": i} for i in range(3)),
    *({"n": i, "value": "no date", "late": ["a", 1], "mixed": "007"} for i in range(3, 5)),
]


def read(*sources: str, home: Path, url: str) -> tuple[list[list[object]], str]:
    """What each source gives: its rows and its fingerprint, or an error and its remedy; and what was said."""
    offline = "" if url else "1"
    environment = {"HF_ENDPOINT": url or "http://127.0.0.1:9", "HF_HOME": str(home), "HF_HUB_OFFLINE": offline}
    ended = subprocess.run(
        [sys.executable, "-c", READ, *sources],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


def test_rows_from_the_hub_keep_their_values_and_are_read_again_offline(tmp_path: Path) -> None:
    data = tmp_path / "hub" / "owner" / "rows" / "data"
    data.mkdir(parents=True)
    for number, some in enumerate((ROWS[:3], ROWS[3:])):
        text = "\n".join(map(json.dumps, some))
        (data / f"train-{number:05}-of-00002.jsonl").write_text(text, encoding="utf-8")
    (data / "test-00000-of-00001.jsonl").write_text('{"n": 9}\n', encoding="utf-8")
    (data.parent / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    with fake_hub(tmp_path / "hub") as hub:
        (rows, test, valid, subset, none), said = read(
            *("owner/rows", f"owner/rows@test#{COMMIT}", "owner/rows@valid", "owner/rows:x", "owner/none"),
            home=home,
            url=hub.url,
        )
        assert hub.served.count("data/train-00000-of-00002.jsonl") == 1
    assert rows[0] == [[number, row] for number, row in enumerate(ROWS, 1)]
    assert test[0] == [[1, {"n": 9}]]
    assert valid == ["has no split 'valid'; its splits are train, test", 'Name one: "owner/rows@train".']
    assert subset == ["has no subset 'x': default", 'Name one: "owner/rows:default".']
    assert "doesn't exist on the Hub" in str(none[0])
    assert "owner/rows: no such file or folder here; looking it up on the hub" in said
    assert rows[1] == COMMIT
    (again,), said = read("owner/rows", home=home, url="")
    assert again == rows
    assert "owner/rows: the hub cannot be reached; reading the copy in " in said


def test_a_data_set_of_other_files_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "owner" / "texts"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("one\ntwo\n", encoding="utf-8")
    with fake_hub(tmp_path / "hub") as hub:
        (rows,), _ = read("hf://datasets/owner/texts", home=tmp_path, url=hub.url)
    assert rows[0] == [[1, {"text": "one"}], [2, {"text": "two"}]]
