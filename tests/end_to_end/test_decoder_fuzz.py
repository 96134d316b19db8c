"""A fast part of benchmarks/fuzz_decoder.py: every plan is valid and canonical, every valid plan is accepted."""

import argparse
import json
from pathlib import Path

import pytest

from benchmarks.fuzz_decoder import (
    FAILURES,
    Subject,
    completeness,
    drawn,
    followed,
    fuzz,
    nested_rows,
    seed_rows,
    soundness,
    tiny_models,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("number", range(100, 112))
def test_random_plans_are_valid(number: int, models: dict[str, Subject]) -> None:
    """Catalogues of 1 to 500 tools, both notations and tokenizers: see `fuzz`."""
    row = fuzz(number, models, 12, 0.25)
    assert row["counts"]["plans"] == 12 and row["counts"]["by a model"] == 3
    assert {name: row["counts"][name] for name in (*FAILURES, "waived")} == dict.fromkeys((*FAILURES, "waived"), 0)
    assert row["counts"]["steps"] > 2


def test_an_interrupted_fuzzing_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "fuzz.jsonl"
    options = argparse.Namespace(plans=8, catalogues=4, first=200, models=0.0, seconds=0.0, file=file)
    with pytest.raises(SystemExit, match="no catalogue"):
        soundness(tmp_path, options)
    options.seconds = float("inf")
    options.catalogues, options.plans = 2, 4
    assert soundness(tmp_path, options)["plans"] == 4
    text_before = file.read_text()
    options.catalogues, options.plans = 4, 8
    report = soundness(tmp_path, options)
    assert report["plans"] == 8 and report["catalogues"] == 4
    assert file.read_text().startswith(text_before)
    assert [json.loads(line)["number"] for line in file.open()] == [200, 201, 202, 203]


def test_every_plan_of_the_generator_is_accepted(tmp_path: Path) -> None:
    assert completeness(tmp_path, 40, tmp_path / "none", 1) == {"generated": 40, "followed": 160}


@pytest.mark.parametrize(("rows", "every"), [(seed_rows, 60), (nested_rows, 80)])
def test_every_valid_row_of_real_data_is_accepted(rows: object, every: int, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / ("seed" if rows is seed_rows else "nested")
    counts = followed(tmp_path, {"real": rows(folder, every)})  # type: ignore[operator]
    assert counts["real"] > 9 and counts["followed"] == 4 * counts["real"]
    assert not counts["refused"]


def test_generated_plans_are_of_several_catalogues() -> None:
    assert len({catalogue.fingerprint for catalogue, _ in drawn(60)}) == 3
