"""Where a source's rows lie: splits of folders, saved folders, what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from platypus.data.fingerprints import source_fingerprint
from platypus.data.locations import locate
from platypus.data.sources import decode_row, read_raw_rows
from platypus.errors import DatasetError

ROW = json.dumps({"instruction": "Say hi", "output": "hi"}) + "\n"


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def filled(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROW, encoding="utf-8")


def names(source: str) -> list[str]:
    return [file.name for file in locate(source).files]


def refused(source: str) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        locate(source)
    assert caught.value.remedy
    return caught.value


# ---------------------------------------------------------------- folders


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["b.jsonl", "a/c.csv", "a.json.gz"], {"": ["a/c.csv", "a.json.gz", "b.jsonl"]}),
        (["train.jsonl", "my-valid.jsonl", "test_2.csv"], {"": ["train.jsonl"], "@validation": ["my-valid.jsonl"]}),
        (["x/train/a.jsonl", "x/dev/a.jsonl"], {"@train": ["x/train/a.jsonl"], "@validation": ["x/dev/a.jsonl"]}),
        (
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/de-00000-of-00001.json"],
            {"": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"], "@de": [
                "data/de-00000-of-00001.json"
            ]},
        ),
        (["part-1.csv", "_SUCCESS.json", ".hidden.json", "dataset_info.json", "note.txt"], {"": ["part-1.csv"]}),
        (["trained.jsonl", "contest.jsonl"], {"": ["contest.jsonl", "trained.jsonl"]}),
    ],
)  # fmt: skip
def test_the_files_of_a_split(files: list[str], splits: dict[str, list[str]]) -> None:
    filled(*(f"folder/{name}" for name in files))
    for split, chosen in splits.items():
        assert names(f"folder{split}") == [f"folder/{name}" for name in chosen]


def test_a_folder_that_has_a_suffix_is_a_folder() -> None:
    filled("rows.parquet/part-0.parquet", "a@b/rows.jsonl")
    assert names("rows.parquet") == ["rows.parquet/part-0.parquet"]
    assert names("a@b") == ["a@b/rows.jsonl"]


def test_a_split_that_a_folder_does_not_have() -> None:
    filled("folder/test.jsonl", "folder/valid.jsonl")
    error = refused("folder")
    assert error.what == "has no split 'train'; its splits are test, validation"
    assert '"folder@test"' in error.remedy
    assert "has no split 'x'" in refused("folder@x").what
    assert "has no subsets" in refused("folder:x").what


def test_files_that_no_split_reads_are_named_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled("folder/train.jsonl", "folder/more.jsonl", "folder/note.txt")
    for rank in "01":  # of the processes of one training
        monkeypatch.setenv("RANK", rank)
        assert names("folder") == ["folder/train.jsonl"]
    assert capsys.readouterr().err == "folder: not read, as other files are named after splits: more.jsonl\n"


def test_a_missing_shard_is_an_error() -> None:
    filled("folder/rows-00000-of-00003.jsonl", "folder/rows-00002-of-00003.jsonl")
    assert refused("folder").what == "rows-00001-of-00003 is missing: 2 of 3 files are there"


def test_a_folder_without_rows_says_what_it_holds() -> None:
    filled("folder/note.txt", "folder/b.md")
    assert "it holds b.md, note.txt" in refused("folder").what
    Path("empty").mkdir()
    assert "it holds nothing" in refused("empty").what


def test_a_card_declares_splits_and_subsets() -> None:
    pytest.importorskip("datasets")
    filled("folder/one.jsonl", "folder/two.jsonl", "folder/three.jsonl")
    subsets = {"first": {"train": "one.jsonl", "test": "two.jsonl"}, "second": {"extra": "three.jsonl"}}
    lines = ["---", "configs:"]
    for subset, splits in subsets.items():
        lines += [f"- config_name: {subset}", "  data_files:"]
        lines += [f"  - split: {split}\n    path: {path}" for split, path in splits.items()]
    Path("folder/README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    assert names("folder:first") == ["folder/one.jsonl"]
    assert names("folder:first@test") == ["folder/two.jsonl"]
    assert names("folder:second@extra") == ["folder/three.jsonl"]
    assert refused("folder").what == "has several subsets: first, second"
    assert refused("folder:third").what == "has no subset 'third': first, second"
    assert '"folder:second@extra"' in refused("folder:second").remedy


# ---------------------------------------------------------------- saved folders


def saved_rows(source: str) -> list[Any]:
    return [(entry.line, decode_row(entry).data["n"]) for entry in read_raw_rows(source)]


def test_folders_that_datasets_has_saved() -> None:
    datasets = pytest.importorskip("datasets")
    splits = {name: datasets.Dataset.from_list([{"n": n} for n in some]) for name, some in (("a", [1, 2]), ("b", [3]))}
    splits["a"].save_to_disk("one")
    assert saved_rows("one") == [(1, 1), (2, 2)]
    assert "as one data set without splits" in refused("one@b").what
    datasets.DatasetDict(splits).save_to_disk("two")
    assert saved_rows("two@b") == [(1, 3)]
    assert refused("two").what == "has no split 'train'; its splits are a, b"
    Path("two/dataset_dict.json").write_text("{}", encoding="utf-8")
    assert "is not what `save_to_disk` writes" in refused("two").what


# ---------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    "source", ["none", "none.jsonl", "a/none.csv", "here/none", "none/", "/none/x", "a/b/c", "~/none"]
)
def test_what_is_meant_as_a_path_is_not_looked_up_on_the_hub(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("here").mkdir()
    error = refused(source)
    assert error.what.startswith("no such file or folder")
    assert not capsys.readouterr().err
    assert ("hf://datasets/here/none" in error.remedy) == (source == "here/none")


def test_a_name_that_is_looked_up_on_the_hub_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datasets")
    error = refused("owner/there-is-none")
    said = capsys.readouterr().err
    assert "owner/there-is-none: no such file or folder here; looking it up on the hub\n" in said
    assert error.what.startswith(f"is no file or folder in {Path.cwd()}, and cannot be loaded from the hub: ")


def test_a_file_has_no_splits() -> None:
    filled("rows.jsonl")
    assert refused("rows.jsonl@test").what == "is a file, which has no splits, subsets or revisions"


@pytest.mark.parametrize("source", ["~no-such-user/x.jsonl", "~no-such-user/x@test", json.dumps({"query": "x" * 300})])
def test_a_name_that_the_system_refuses(source: str) -> None:
    for looked_up in (locate, source_fingerprint):
        with pytest.raises(DatasetError, match="cannot be looked up"):
            looked_up(source)
