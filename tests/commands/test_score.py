"""score: answers in files against gold plans."""

import json
from pathlib import Path

import pytest

from tests.support.command import here

TOOLS = [{"name": "me"}, {"name": "sprint"}]
GOLD = [("Who am I?", [{"tool_name": "me", "arguments": []}]), ("Make tea", [])]


def files(folder: Path, *answers: dict[str, object]) -> list[str]:
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    (folder / "gold.jsonl").write_text("".join(json.dumps({"query": q, "plan": p}) + "\n" for q, p in GOLD))
    (folder / "peer.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    names = {"--catalogue": "tools.json", "--gold": "gold.jsonl", "--predictions": "peer.jsonl"}
    return [word for option, name in names.items() for word in (option, str(folder / name))]


def test_rows_without_an_answer_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = files(tmp_path, {"query": "Who am I?", "answer": "me()"})
    said = here(capsys, "score", *options, "--out", tmp_path / "out")
    assert said.code == 0 and "exact plans" in said.out and "50.0% [" in said.out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    measures = report["variants"]["peer"]["measures"]
    assert (measures["exact"]["value"], measures["exact"]["rows"]) == (0.5, 2)
    assert report["variants"]["peer"]["malformed"] == {"missing": 1} and report["fingerprints"]["gold"]
    assert "Who am I?" in (tmp_path / "out" / "report.html").read_text()
    again = here(capsys, "score", *options[:4], "--predictions", tmp_path / "out" / "scores.jsonl", "--json")
    assert json.loads(again.out)["variants"]["scores"]["measures"] == measures


def test_the_order_of_rows_and_of_answers_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = [{"query": "Who am I?", "answer": "sprint()"}, {"query": "Make tea", "plan": []}]
    found = []
    for step in (1, -1):
        options = files(tmp_path, *answers[::step])
        gold = tmp_path / "gold.jsonl"
        gold.write_text("".join(gold.read_text().splitlines(keepends=True)[::step]))
        found.append(json.loads(here(capsys, "score", *options, "--json").out)["variants"])
    assert found[0] == found[1]


def test_a_folder_never_mixes_two_evaluations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*files(tmp_path, {"query": "Who am I?", "answer": "me()"}), "--out", tmp_path / "out"]
    assert here(capsys, "score", *options).code == 0
    written = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert here(capsys, "score", *options).code == 0  # the same once more
    files(tmp_path, {"query": "Make tea", "plan": []})
    said = here(capsys, "score", *options)
    assert said.code == 1 and "holds another evaluation: predictions differ" in said.err and "--force" in said.err
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == written
    assert here(capsys, "score", *options, "--force").code == 0
    assert json.loads((tmp_path / "out" / "scores.jsonl").read_text().splitlines()[1])["score"]["exact"]
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "notes.md").write_text("mine")
    said = here(capsys, "score", *options[:-1], tmp_path / "else")
    assert said.code == 1 and "is not an evaluation's folder" in said.err


@pytest.mark.parametrize("key", ["query", "id"])
def test_a_whole_file_of_answers_is_scored_on_the_rows_that_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    answers: list[dict[str, object]] = [{key: "Fly", "answer": "fly()"}, {key: "Who am I?", "answer": "me()"}]
    options = files(tmp_path, *answers, {key: "Make tea", "plan": None})
    fly = {"query": "Fly", "plan": [{"tool_name": "fly", "arguments": []}]}
    gold = tmp_path / "gold.jsonl"
    gold.write_text(json.dumps(fly) + "\n" + gold.read_text())
    said = here(capsys, "score", *options, "--skip-bad", "--json")
    assert said.code == 0, said.err
    part = json.loads(said.out)["variants"]["peer"]
    assert part["measures"]["exact"]["value"] == 0.5 and part["malformed"] == {"missing": 1}


def test_text_rows_and_answers_to_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = here(capsys, "score", *files(tmp_path, {"query": "Else", "answer": "me()"}))
    assert said.code == 1 and "belong to no row" in said.err
    options = files(tmp_path, {"answer": "x"})
    (tmp_path / "gold.jsonl").write_text(json.dumps({"instruction": "Say x", "input": "", "output": "x"}) + "\n")
    said = here(capsys, "score", *options)
    assert said.code == 1 and "holds rows without a plan" in said.err
