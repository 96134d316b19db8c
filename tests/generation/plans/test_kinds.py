"""Kinds of text are told by names and prose, and written as people would."""

import re
import tomllib
from random import Random

import pytest

from platypus.catalogue.reading import catalogue_from_json
from platypus.generation.plans import kinds
from platypus.generation.plans.kinds import Setting, files_of, identifier, kind_of, kind_of_words, setting_of, written
from tests.support.command import ROOT

TABLE = tomllib.loads((ROOT / "platypus" / "generation" / "plans" / "kinds.toml").read_text(encoding="utf-8"))
GIT = Setting("git list commits", "owner | repo | sha")
HUB = Setting("push files push multiple files to a github repository in a single commit")


@pytest.mark.parametrize(
    "name, prose, setting, kind",
    [
        ("workdir", "", Setting(), "directory"),
        ("path", "The folder to scan", Setting(), "directory"),
        ("path", "", Setting("list directory"), "directory"),
        ("repo_path", "", Setting(), "repository_path"),
        ("owner", "", GIT, "handle"),
        ("sha", "", GIT, "commit"),
        ("base", "The branch to merge into", Setting(), "branch"),
        ("query", "A SQL statement", Setting(), "sql"),
        ("query", "", Setting("run a prometheus query"), "promql"),
        ("filter_regex", "", Setting(), "regex"),
        ("nextPageToken", "", Setting(), "cursor"),
        ("tz", "", Setting(), "time_zone"),
        ("schedule", "A cron expression", Setting(), "cron"),
        ("mimeType", "", Setting(), "mime_type"),
        ("assignee", "The user ID of the assignee", Setting(), "id"),
        ("locale", "", Setting(), "locale"),
        ("target", "CSS selector of the button", Setting(), "selector"),
        ("path", "", HUB, "path_in_repository"),
        ("path", "Path to the file or directory", HUB, "path_in_repository"),
        ("paths", "What to stage, relative to the repository root", Setting(), "path_in_repository"),
        ("repo_path", "", HUB, "repository_path"),
        ("args", "Additional command arguments", Setting(), "command_argument"),
        ("command", "What to run", Setting(), "shell"),
        ("timeZone", "IANA name, for a datetime without one", Setting("create event"), "time_zone"),
    ],
)
def test_a_kind_is_told_by_name_prose_and_tool(name: str, prose: str, setting: Setting, kind: str) -> None:
    found = kind_of("text", name, prose, setting)
    assert found is not None and found.name == kind


@pytest.mark.parametrize("name", TABLE["text"])
def test_every_form_can_be_filled(name: str) -> None:
    for seed in range(12):
        value = written(Random(seed), name)
        assert value and "\n" not in value
        assert not re.search(r"\{same |\{\d+-\d+|\{\w+\|", value), value


def test_paths_in_a_repository_are_relative() -> None:
    assert not any(written(Random(seed), "path_in_repository").startswith(("/", "~", ".")) for seed in range(40))


def test_a_sentence_suits_every_topic() -> None:
    said = " ".join(written(Random(seed), "sentence") for seed in range(300))
    assert "Customers report problems with the" in said and "report a " not in said


def test_a_repeated_name_is_another_value_and_same_the_same() -> None:
    for seed in range(40):
        statement = written(Random(seed), "sql_migration")
        index = re.fullmatch(r"CREATE INDEX (\w+) ON (\w+) \((\w+)\)", statement)
        assert index is None or index[1] == f"{index[2]}_{index[3]}"


def test_words_of_a_name_the_last_first() -> None:
    found = [kind_of_words(parts) for parts in (["owner", "city"], ["city", "owner"], ["gardener"], ["checklist"])]
    assert [kind and kind.name for kind in found] == ["city", "person", "person", None]


def test_files_end_as_the_prose_the_tool_or_the_catalogue_says() -> None:
    def ending(about: str, files: str = "") -> set[str]:
        return {written(Random(seed), "file_name", about, files).rpartition(".")[2] for seed in range(30)}

    assert ending("filename Output path (.mp4)") == {"mp4"}
    assert ending("filename\ntake a screenshot") == {"png", "jpg"}
    assert ending("path\nread media file") == {"png", "jpg", "mp3", "wav"}
    assert len(ending("filename")) > 4
    tools = [{"name": f"edit_workbook_{i}", "inputSchema": {"type": "object"}} for i in range(3)]
    files = files_of(catalogue_from_json(tools))
    assert ending("path\nclear a row", files) == {"xlsx"}
    assert files_of(catalogue_from_json([{"name": "run", "inputSchema": {"type": "object"}}])) == ""


def test_the_setting_of_a_tool() -> None:
    (tool,) = catalogue_from_json([{"name": "getPage", "title": "Page", "description": "Get it. Then stop."}])
    assert setting_of(tool) == Setting("get page page get it", "", "page")


def test_identifiers_have_the_nouns_letters() -> None:
    made = {identifier(Random(seed), ["work", "item"]) for seed in range(60)}
    assert any(text.startswith("ITEM-") for text in made) and any(text.isdigit() for text in made)


def test_the_table_names_only_known_parts() -> None:
    parts = {
        part
        for rows in (TABLE["text"], TABLE["number"])
        for row in rows.values()
        for w in row.get("when", ())
        for part in w
    }
    assert parts <= {"name", "prose", "tool", "beside", "format"}
    assert kinds.EPOCHS[0] < kinds.EPOCHS[1]
