"""Fingerprints of sources: of content, whatever it is called and wherever it lies."""

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from platypus.data.fingerprints import source_fingerprint


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    for name, text in (("a.jsonl", "1"), ("b.jsonl", "1"), ("c.jsonl", "2")):
        (tmp_path / name).write_text(text)
    first, again, other = (source_fingerprint(str(tmp_path / name)) for name in ("a.jsonl", "b.jsonl", "c.jsonl"))
    assert first == again != other


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def test_a_folder_counts_by_its_files(tmp_path: Path) -> None:
    first = folder(tmp_path / "first", train_jsonl="1", more__test_jsonl="2")
    known = source_fingerprint(str(first))
    assert known == source_fingerprint(str(folder(tmp_path / "second", train_jsonl="1", more__test_jsonl="2")))
    folder(first, _cache__lock="x")  # .cache/lock
    assert source_fingerprint(str(first)) == known
    (first / "train.jsonl").write_text("1\n1")
    changed = source_fingerprint(str(first))
    folder(first, extra_jsonl="1")
    larger = source_fingerprint(str(first))
    (first / "train.jsonl").unlink()
    (first / "extra.jsonl").rename(first / "renamed.jsonl")
    assert len({known, changed, larger, source_fingerprint(str(first))}) == 4


def test_a_set_on_the_hub_counts_by_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    present = SimpleNamespace(dataset_info=lambda name, revision, timeout: SimpleNamespace(sha=f"{name} {revision}"))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: present)
    assert source_fingerprint("owner/name") == "owner/name main"
    assert source_fingerprint("owner/name:subset@test#v1") == "owner/name v1"
    assert source_fingerprint("hf://datasets/owner/name@test") == "owner/name main"
    assert source_fingerprint(str(Path("hf://datasets/owner/name"))) == "owner/name main"


def test_without_a_connection_the_revision_of_the_copy_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert source_fingerprint("owner/name") is None
    folder(tmp_path / "datasets--owner--name", refs__main="abc\n")
    assert source_fingerprint("owner/name") == "abc"


def test_of_a_missing_file_nothing_is_known() -> None:
    assert source_fingerprint("no/such/rows.jsonl") is None


def test_a_split_of_a_folder_counts_by_all_its_files(tmp_path: Path) -> None:
    known = source_fingerprint(str(folder(tmp_path / "first", train_jsonl="1", test_jsonl="2")))
    assert known == source_fingerprint(f"{tmp_path}/first@test") == source_fingerprint(f"{tmp_path}/first:x@y")


def test_only_a_name_on_the_hub_is_asked_for_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert {source_fingerprint(name) for name in ("none", "none.jsonl", "here/none", "/none/x", "a/b.csv")} == {None}
    assert not capsys.readouterr().err
    assert source_fingerprint("owner/there-is-none#v1") is None
    said = "owner/there-is-none#v1: no such file or folder here; asking the hub for its revision\n"
    assert capsys.readouterr().err == said
