"""Sweeps: combinations, names, and a table worked out by hand."""

import doctest
import json
from pathlib import Path

import pytest

from platypus.data.dataset import Instruction
from platypus.errors import RecipeError
from platypus.evaluation import sweep
from platypus.evaluation.answering import ScoredRow
from platypus.evaluation.comparison import read_answers
from platypus.evaluation.metrics import score_text
from platypus.evaluation.sweep import Tried, as_rows, as_short_rows, labels, name_of, parse_settings, table, verdict
from tests.evaluation.test_comparison import file_of


def test_the_example() -> None:
    assert doctest.testmod(sweep).attempted > 0 and doctest.testmod(sweep).failed == 0


def test_values_are_those_of_toml_or_texts() -> None:
    found = parse_settings(["train.dropout=0.0,0.1", "train.shuffle_tools=true", "prompt.notation=json"])
    assert [one["train.dropout"] for one in found] == [0.0, 0.1]
    assert found[0]["train.shuffle_tools"] is True and found[0]["prompt.notation"] == "json"
    assert name_of(found[1]) == "dropout=0.1,shuffle_tools=True,notation=json" and name_of({}) == "as-it-is"
    found = parse_settings(['train.target_modules=["q_proj","v_proj"],"mlp"'])
    assert [one["train.target_modules"] for one in found] == [["q_proj", "v_proj"], "mlp"]
    assert [one["a.b"] for one in parse_settings(["a.b=c,1,true"])] == ["c", 1, True]


def test_repeated_values_are_tried_once() -> None:
    assert parse_settings(["train.rank=8,16,8"]) == [{"train.rank": 8}, {"train.rank": 16}]
    assert parse_settings(["train.rank=8,8"]) == [{"train.rank": 8}]
    assert len(parse_settings(["train.rank+train.alpha=8+16,8+32,8+16"])) == 2


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (["train.rank"], "is not a setting"),
        (["train.rank="], "is not a setting"),
        (["train.rank=1", "train.rank=2"], "is not a setting"),
        (["generate.examples=5"], "cannot differ"),
        (["seed=1,2"], "cannot differ"),
    ],
)
def test_what_a_sweep_cannot_change_is_refused(settings: list[str], what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        parse_settings(settings)


def tried(folder: Path, rank: int, *wrong: dict[str, str]) -> Tried:
    answers = [read_answers(file_of(folder / f"{rank}" / f"{k}", each)) for k, each in enumerate(wrong)]
    return Tried({"train.rank": rank}, answers, rank * 1000, 60.0 * rank)


def test_the_best_stands_first_and_the_smallest_of_equals_is_named(tmp_path: Path) -> None:
    all_wrong = {"Who am I?": "[]", "The sprint": "[]", "All of it": "[]", "Make tea": "me()", "Sum 1": "[]"}
    lines = table(
        [
            tried(tmp_path, 16, {}, {"Sum 1": "[]"}),
            tried(tmp_path, 8, {"Sum 1": "[]"}, {}),
            tried(tmp_path, 64, all_wrong, all_wrong),
        ],
        "exact",
        seed=0,
    )
    assert [line.settings["train.rank"] for line in lines] == [8, 16, 64]  # of equals, the smaller one
    assert [line.value.value for line in lines] == [0.9, 0.9, 0.0]
    assert lines[0].seeds == [0.8, 1.0] and lines[1].seeds == [1.0, 0.8] and lines[0].behind is None
    assert lines[2].behind and lines[2].behind.value == pytest.approx(0.9) and lines[2].behind.low > 0
    assert verdict(lines) == "1 of 2 others cannot be told from rank=8 with these rows; the smallest is rank=8."
    rows = as_rows(lines, "exact")
    assert rows[0][:2] == ["rank", "exact"] and rows[1][2] == "80.0, 100.0" and rows[1][4] == "8,000"
    assert verdict([lines[0], lines[2]]) == "rank=8 is better than all others."
    assert verdict(lines[:1]) == "rank=8 stands alone."


def test_rows_of_another_kind_than_the_metric_take_no_part(tmp_path: Path) -> None:
    def with_a_text(rank: int, wrong: dict[str, str], said: str) -> Tried:
        path = Path(file_of(tmp_path / f"{rank}", wrong))
        row = Instruction("Greet", "", "good day", {})
        line = ScoredRow(row, said, None, 2, score_text(said, row.output), False).to_json()
        path.write_text(path.read_text() + json.dumps({"variant": "after", **line}) + "\n")
        return Tried({"train.rank": rank}, [read_answers(str(path))], rank, 1.0)

    found = [with_a_text(8, {"Sum 1": "[]"}, "good day"), with_a_text(16, {}, "good")]
    by_plans, by_texts = table(found, "exact", seed=0), table(found, "text_exact", seed=0)
    assert [(line.settings["train.rank"], line.value.value) for line in by_plans] == [(16, 1.0), (8, 0.8)]
    assert [(line.settings["train.rank"], line.value.value) for line in by_texts] == [(8, 1.0), (16, 0.0)]


def test_short_names_have_what_differs(tmp_path: Path) -> None:
    together = ["prompt.notation+prompt.markers=json+false,calls+true", "train.rank+train.alpha=8+8,16+16"]
    settings = parse_settings(["train.epochs=1", *together])
    answers = tried(tmp_path, 8, {}).answers
    lines = table([Tried(one, answers, i, 1.0) for i, one in enumerate(settings)], "exact", seed=0)
    assert labels(lines) == ["json · 8", "json · 16", "calls · 8", "calls · 16"]
    head, *rows = as_rows(lines, "exact")
    assert head[:5] == ["notation", "markers", "rank", "alpha", "exact"] and rows[1][:4] == [
        "json",
        "False",
        "16",
        "16",
    ]
    assert verdict(lines).endswith("All have train.epochs = 1.")
    head, first, *_ = as_short_rows(lines, "exact")
    assert head == ["settings", "exact", "behind the best", "trainable parameters", "seconds"]
    assert first[0] == "json · 8" and first[3:] == ["0", "1"]
    assert labels(lines[:1]) == ["epochs=1,notation=json,markers=False,rank=8,alpha=8"]


def test_a_sweep_over_a_time_limit_shows_the_time_of_the_trainings(tmp_path: Path) -> None:
    answers = tried(tmp_path, 8, {}).answers
    lines = table([Tried({"decode.seconds": limit}, answers, 1, 77.0) for limit in (1, 2)], "exact", seed=0)
    assert [row[-1] for row in as_short_rows(lines, "exact")] == ["seconds", "77", "77"]


def test_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"there is no metric 'exactness'\n.*valid, exact"):
        table([tried(tmp_path, 8, {})], "exactness", seed=0)
    with pytest.raises(RecipeError, match="is better the lower it is"):
        table([tried(tmp_path, 8, {})], "wrong_refusals", seed=0)
