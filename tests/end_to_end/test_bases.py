"""Small random bases of many architectures and tokenizers: train, merge, and generate with transformers alone.

docs/bases.md has a row for each of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from platypus.commands.merge import merge
from platypus.commands.train import train
from platypus.inference.opening import open_planner
from platypus.model.adapters import load_adapted
from platypus.model.bases import weight_files
from platypus.model.completion import complete
from platypus.prompt.prompt import Prompt
from platypus.run.folder import Run
from tests.support.command import ROOT, here
from tests.support.tiny_bases import BASES, gemma, llama, mixtral, phi3, qwen2
from tests.support.tiny_models import CATALOGUE, examples, tiny_run

# A user's program that needs only transformers. It answers a batch, padded by the tokenizer, for each folder.
PLAIN = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
for folder, requests in json.load(sys.stdin):
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    chats = [[{"role": "user", "content": request}] for request in requests]
    rows = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**{key: rows[key] for key in ("input_ids", "attention_mask")}, max_new_tokens=12)
    texts = tokenizer.batch_decode(said[:, rows["input_ids"].shape[1] :], skip_special_tokens=True)
    problems = {key: sorted(map(str, names)) for key, names in report.items() if names}
    print(json.dumps([folder, texts, problems]))
assert not [name for name in sys.modules if name.startswith(("platypus", "peft"))]
"""

TABLES = """
[prompt]
notation = "calls"
[train]
epochs = 4
batch_size = 4
learning_rate = 2e-2
rank = 4
dropout = 0.0
target_modules = "{targets}"
[merge]
dtype = "float32"
"""
# Every second base is adapted in all layers, the others in the part that the default names.
TARGETS = {name: "all-linear" if number % 2 else "mlp" for number, name in enumerate(BASES)} | {"mixtral": "all-linear"}
ROWS = examples(6)


@dataclass(frozen=True)
class Made:
    """Each base's run, and what transformers alone says with its merged model."""

    runs: dict[str, Run]
    said: dict[str, list[str]]
    problems: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, runs = tmp_path_factory.mktemp("bases"), {}
    for name, make in BASES.items():
        recipe = TABLES.format(targets=TARGETS[name])
        runs[name] = tiny_run(folder / f"{name}-run", base=make(folder / name), rows=ROWS, recipe=recipe)
        train(runs[name])
        merge(runs[name])
    asked = [(str(run.folder("merge") / "model"), [row.query for row in ROWS]) for run in runs.values()]
    ran = subprocess.run(
        [sys.executable, "-c", PLAIN],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[")]
    return Made(
        runs,
        {name: texts for name, (_, texts, _) in zip(runs, answers, strict=True)},
        {name: problems for name, (_, _, problems) in zip(runs, answers, strict=True)},
    )


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_trained_merged_and_answers_in_plain_transformers(made: Made, name: str) -> None:
    run = made.runs[name]
    learned, merged = run.record("train")["results"], run.record("merge")["results"]
    assert learned["train_losses"][-1] < learned["train_losses"][0]
    assert merged["error"] < merged["tolerance"] < merged["adapter_effect"] / 100
    tuned = load_adapted(run.folder("train") / "adapter", device="cpu", dtype="float32")
    prompt = Prompt(tuned.tokenizer, CATALOGUE, notation="calls")
    prompts = [prompt.ids(row.query) for row in ROWS]
    expected = [done.text for done in complete(tuned, prompts, max_new_tokens=12, batch_size=6)]
    alone = [done.text for one in prompts for done in complete(tuned, [one], max_new_tokens=12, batch_size=1)]
    assert made.said[name] == expected == alone  # padding is not seen
    assert made.problems[name] == {}  # no tensor is missing, unknown, or of another shape


@pytest.mark.parametrize("name", BASES)
def test_a_merged_base_plans_under_a_grammar(made: Made, name: str) -> None:
    planner = open_planner(made.runs[name])
    assert planner.loaded.source == str(made.runs[name].folder("merge") / "model")
    assert all(answer.plan for answer in planner.plan(["Show 3 zebras", "Sum up 1"], max_new_tokens=30))


@pytest.mark.parametrize("name", BASES)
def test_a_merged_model_has_the_tensors_of_its_base(made: Made, name: str) -> None:
    run = made.runs[name]
    stored = [
        {key: value.shape for file in weight_files(folder) for key, value in load_file(file).items()}
        for folder in (Path(run.recipe.base), run.folder("merge") / "model")
    ]
    assert stored[0] == stored[1]


def test_the_page_has_a_row_for_each_base() -> None:
    page = (ROOT / "docs" / "bases.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert rows == list(BASES)


# ---------------------------------------------------------------- refused before the first step


@pytest.mark.parametrize(
    ("make", "table", "named"),
    [
        (mixtral, "", ["lora.ParamWrapper does not work with lora_dropout != 0", "dropout = 0.0"]),
        (mixtral, "quantise = 'nf4'", ["experts", "bitsandbytes"]),
        (mixtral, "target_modules = ['w1']", ["w1 and w3 are one tensor"]),
        (qwen2, "target_modules = ['lm_head', 'q_proj']", ["lm_head", "model.embed_tokens", "tied"]),
        (gemma, "target_modules = ['embed_tokens']", ["model.embed_tokens", "lm_head", "tied"]),
        (phi3, "target_modules = ['gate_proj', 'up_proj']", ["'gate_proj'", "gate_up_proj"]),
    ],
)
def test_what_cannot_be_adapted_or_merged_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, table: str, named: list[str]
) -> None:
    run = tiny_run(tmp_path, base=make(tmp_path / "base"), rows=examples(2), recipe=f"[train]\n{table}\n")
    for words in (["--dry-run"], []):
        ran = here(capsys, "train", run.path, *words)
        assert (ran.code, ran.out) == (1, "")
        assert "Traceback" not in ran.err and "unexpected" not in ran.err
        assert [name for name in [str(tmp_path / "base"), *named] if name not in ran.err.replace("\n", " ")] == []
    assert not run.is_done("train")


def test_layers_that_the_base_stores_otherwise_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = llama(tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    query, key = (weights.pop(f"model.layers.0.self_attn.{part}_proj.weight") for part in "qk")
    weights["model.layers.0.self_attn.qk_proj.weight"] = torch.cat([query, key])
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    table = "[train]\ntarget_modules = 'attention'\n"
    run = tiny_run(tmp_path, base=base, rows=examples(2), recipe=table)
    ran = here(capsys, "train", run.path, "--dry-run")
    assert ran.code == 1
    assert "2 of the layers" in ran.err and "model.layers.0.self_attn.q_proj.weight [16, 16]" in ran.err


def test_a_row_with_a_word_that_the_base_has_no_embedding_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = shutil.copytree(llama(tmp_path / "llama"), tmp_path / "base")
    state = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    word = {"id": 512, "content": "roses", "special": False}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    state["added_tokens"].append({**word, **flags})
    (base / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    run = tiny_run(tmp_path, base=base, rows=examples(2), recipe="")
    ran = here(capsys, "train", run.path)
    assert ran.code == 1
    assert "tiny:1 has the token 'roses'" in ran.err and "its id is 512, and there are 512 rows" in ran.err
    only_test = tiny_run(tmp_path / "test", base=base, rows=examples(4)[1:], test=examples(1))
    assert "tiny:1 has the token 'roses'" in here(capsys, "train", only_test.path).err
    kept = tiny_run(tmp_path / "kept", base=base, rows=examples(4)[1:], recipe=TABLES.format(targets="mlp"))
    train(kept)
    (answer,) = open_planner(kept).plan(["Show 1 unpaid bills"], max_new_tokens=20)
    assert answer.plan
