"""The card says what the records of a run say, in a form that the hub reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from platypus.errors import RunError
from platypus.publishing.card import model_card
from platypus.publishing.content import What, content_of
from platypus.run.folder import Run
from tests.support.publishing import evaluated, evaluated_run, redone


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return evaluated_run(tmp_path)


def card_of(run: Run, *, what: What = "merged", base: str | None = "someone/base", licence: str | None = "mit") -> str:
    return model_card(run, content_of(run, what=what, base=base), name="user/planner", tag="v1", licence=licence)


def header_of(card: str) -> dict[str, Any]:
    _, header, _ = card.split("---\n", 2)
    return dict(yaml.safe_load(header))


def test_the_header_is_what_the_hub_reads(run: Run) -> None:
    header = header_of(card_of(run))
    assert (header["license"], header["base_model"], header["base_model_relation"]) == (
        "mit",
        "someone/base",
        "finetune",
    )
    assert header["library_name"] == "transformers" and {"platypus", "function-calling"} <= {*header["tags"]}
    (index,) = header["model-index"]
    metrics = {one["type"]: one["value"] for result in index["results"] for one in result["metrics"]}
    assert metrics == {"exact": 0.875, "valid": 1.0}
    adapter = header_of(card_of(run, what="adapter"))
    assert (adapter["library_name"], adapter["base_model_relation"]) == ("peft", "adapter")
    local = header_of(card_of(run, base=None, licence=None))
    assert not {"base_model", "license"} & {*local}


def test_the_card_says_what_the_records_say(run: Run) -> None:
    card = card_of(run)
    assert "Base: `someone/base`, fingerprint `0123456789abcdef`, licence mit" in card
    assert "LoRA of rank 4, alpha 8, on all-linear; 3 epochs in 6 steps of 4 rows, learning rate 0.02" in card
    assert "on 8 prompts its logits are those of base and adapter (error 0.001, tolerance 0.01)" in card
    assert f"Fingerprint of the rows: `{run.fingerprint('refine')}`" in card
    assert "3 rows were left out since they say what a given test row says (from 0.9 alike on)" in card
    assert "| exact plans | 25.0% [0.0, 50.0] | 87.5% [50.0, 100.0] | 8 |" in card
    assert "decoding: grammar, 3 beams" in card and "12.5% of the test requests were not" in card
    assert "### Quality\n\nLeft out: none.\n" in card and "### Licence" in card
    assert 'answer = pipeline("text-generation", "user/planner", revision="v1")' in card
    assert "platypus serve planner --catalogue planner/catalogue.json" in card
    assert "    base = " in card  # the recipe, as a code block


def test_no_row_is_published_with_a_model(run: Run) -> None:
    assert "a secret request" not in card_of(run)


def test_the_same_run_gives_the_same_card(run: Run) -> None:
    assert card_of(run) == card_of(Run.open(run.path))


def test_how_to_use_it_is_what_works(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path, recipe="[prompt]\nnotation = 'calls'\nmarkers = true\n")
    assert "request_with_markers" in card_of(run)
    adapter = card_of(run, what="adapter")
    assert "AutoPeftModelForCausalLM" in adapter and "pipeline(" not in adapter
    assert "adapter in adapter/" in card_of(run, what="both")


def test_a_blend_names_its_sources(run: Run) -> None:
    redone(run, "merge", {"base": "0123456789abcdef"}, {"of": ["runs/a", "/home/me/b", "c/d"], "method": "ties"})
    (run.path / "train" / "stage.json").unlink()
    evaluated(run)
    card = card_of(run)
    assert "Merged from runs/a, b, c/d by ties" in card and header_of(card)["base_model_relation"] == "merge"
    assert "LoRA of rank" not in card
    with pytest.raises(RunError, match="has no adapter of its own"):
        content_of(run, what="adapter", base="someone/base")


def test_what_is_not_known_is_said(run: Run) -> None:
    card = card_of(run, licence=None)
    assert "licence not known" in card and "The licence of its base is not known here" in card
    evaluated(run, {"rows": 0, "of": 0, "variants": {}, "reason": "There is nothing to score."})
    card = card_of(run)
    assert "None. There is nothing to score." in card and "It was not evaluated" in card
    assert "model-index" not in header_of(card)
