"""Merging other runs, adapters and models: the command, what it says of them, and the planner that results."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from platypus.commands.evaluate import evaluate
from platypus.commands.merge import merge
from platypus.commands.train import train
from platypus.errors import ModelError
from platypus.inference.opening import open_planner
from platypus.merging.combining import Combined
from platypus.merging.shards import JOURNAL
from platypus.run.folder import Run
from tests.support.command import here
from tests.support.merges import peft_adapter
from tests.support.tiny_models import examples, tiny_llama, tiny_run
from tests.support.trainings import quick_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, two trained runs, of which the second is merged, and an adapter of PEFT's."""
    folder = tmp_path_factory.mktemp("others")
    base = tiny_llama(folder / "base", context=1024)
    for name, rows in (("one", examples(4)), ("two", examples(8)[4:])):
        quick_run(folder / name, base=base, rows=list(rows), recipe="[merge]\ndtype = 'float32'\n")
    merge(Run.open(folder / "two" / "run"))
    peft_adapter(base, folder / "adapter", target_modules=["o_proj"])
    return folder


def merged_run(runs: Path, folder: Path, table: str) -> Run:
    """A run that is not trained, with the prompts of the two and this table under [merge]."""
    recipe = f"[prompt]\nnotation = 'calls'\n[evaluate]\nlimit = 1\n[merge]\ndtype = 'float32'\n{table}"
    return tiny_run(folder, base=runs / "base", rows=examples(4), valid=examples(1), recipe=recipe)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_runs_adapters_and_models_in_one(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = [runs / "one" / "run", runs / "two" / "run" / "merge" / "model", runs / "adapter"]
    table = f"of = {[str(one) for one in of]}\nweights = [1.0, 0.5, 0.25]\n"
    run = merged_run(runs, tmp_path, table)
    results = merge(run).results
    bare, second = weights(runs / "base"), weights(of[1])
    merge(Run.open(runs / "one" / "run"))
    first = weights(runs / "one" / "run" / "merge" / "model")
    found = weights(run.folder("merge") / "model")
    for name, weight in bare.items():
        expected = first[name] + 0.5 * (second[name] - weight)
        if "o_proj" in name:
            assert not torch.equal(found[name], weight)
        else:
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)
    assert results["verified_prompts"] == 4 and results["effect"] > 0
    assert merge(run).skipped
    planner = open_planner(run)
    assert planner.loaded.source == str(run.folder("merge") / "model")
    assert planner.prompt.notation == "calls"
    assert {*evaluate(run).results["variants"]} == {"before", "after"}
    shown = here(capsys, "show", run.folder("merge") / "model")
    assert shown.code == 0 and "merged by task-arithmetic into" in shown.out and "weight 0.25" in shown.out
    told = json.loads(here(capsys, "show", run.folder("merge") / "model", "--json").out)
    assert [source["source"] for source in told["sources"]] == [str(one) for one in of]
    assert told["checks"]["changed_tensors"] == results["changed_tensors"] == 8 and told["changed_files"] == []


def test_the_command_names_sources_and_says_how_much_their_rows_overlap(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = merged_run(runs, tmp_path, "")
    of = f"{runs / 'one' / 'run'}, {runs / 'two' / 'run'}"
    ran = here(capsys, "merge", run.path, "--of", of, "--json")
    assert ran.code == 0, ran.err
    (overlap,) = json.loads(ran.out)["results"]["overlap"]
    assert 0 < overlap["nearness"] < 1 and overlap["advice"] in ran.err
    refused = here(capsys, "merge", run.path, "--of", str(tmp_path / "nowhere"))
    assert refused.code == 1 and "nowhere" in refused.err and "Traceback" not in refused.err
    for empty in ("", ",", f"{runs / 'adapter'},"):
        refused = here(capsys, "merge", run.path, "--of", empty)
        assert refused.code == 2 and "has an empty name" in refused.err


def test_the_best_weights_of_a_search_are_taken(runs: Path, tmp_path: Path) -> None:
    """As if they had been set; each choice answers the validation rows of the runs that have some."""
    of = f"of = ['{runs}/one/run', '{runs}/two/run']\n"
    run = merged_run(runs, tmp_path / "searched", f"{of}search = [1.0, 0.25]\nsearch_rows = 2\n")
    results = merge(run).results
    assert [one["mean"] for one in results["searched"]] == sorted(
        (one["mean"] for one in results["searched"]), reverse=True
    )
    assert len(results["searched"]) == 4 and results["searched"][0]["weights"] == results["weights"]
    assert {*results["searched"][0]["exact"]} == {"this run"}, "the others have no validation rows"
    assert json.loads((run.folder("merge") / "search.json").read_text())
    told = merged_run(runs, tmp_path / "told", f"{of}weights = {results['weights']}\n")
    merge(told)
    searched, given = (weights(one.folder("merge") / "model") for one in (run, told))
    assert all(torch.equal(searched[name], given[name]) for name in given)
    assert merge(run).skipped


def test_sources_of_other_bases_and_prompts_are_refused(runs: Path, tmp_path: Path) -> None:
    other = tiny_llama(tmp_path / "base", context=1024, seed=5)
    alien = quick_run(tmp_path / "alien", base=other)
    run = merged_run(runs, tmp_path / "one", f"of = ['{runs}/one/run', '{alien.path}']\n")
    with pytest.raises(ModelError, match="trained on another base"):
        merge(run)
    spoken = tiny_run(tmp_path / "json", base=runs / "base", rows=examples(4))
    train(spoken)
    run = merged_run(runs, tmp_path / "two", f"of = ['{runs}/one/run', '{spoken.path}']\n")
    with pytest.raises(ModelError, match="notation of its prompts is 'json', and that of"):
        merge(run)


def test_a_merge_that_was_killed_goes_on(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = merged_run(runs, tmp_path, f"of = ['{runs}/one/run']\n")
    small = run.recipe.merge.model_copy(update={"max_shard_size": "100KB"})  # smaller than a recipe allows
    run = replace(run, recipe=run.recipe.model_copy(update={"merge": small}))
    made, real = [], Combined.make

    def make(self: Combined, name: str) -> torch.Tensor:
        made.append(name)
        if len(made) == 15:
            raise KeyboardInterrupt
        return real(self, name)

    monkeypatch.setattr(Combined, "make", make)
    with pytest.raises(KeyboardInterrupt):
        merge(run)
    (partial,) = run.path.glob(".merge.*.partial/model")
    whole = {path.name: path.stat().st_mtime_ns for path in partial.glob("*.safetensors")}
    assert (partial / JOURNAL).is_file() and whole
    (partial / "additional_chat_templates").mkdir()  # as the tokenizers of some bases are saved
    (partial / "additional_chat_templates" / "rag.jinja").touch()
    monkeypatch.setattr(Combined, "make", real)
    results = merge(run).results
    model = run.folder("merge") / "model"
    assert {name: (model / name).stat().st_mtime_ns for name in whole} == whole
    assert results["shards"] > len(whole) and not (model / JOURNAL).exists()
