"""A saved folder means the same to transformers 5 and 4.57, or is said not to.

The tests that open folders with 4.57 need an interpreter that has it, named by PLATYPUS_TRANSFORMERS_4_57:

    python3 -m venv OLD && OLD/bin/pip install torch 'transformers==4.57.*' safetensors
    PLATYPUS_TRANSFORMERS_4_57=OLD/bin/python python -m pytest tests/merging/test_compatibility.py
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from platypus.commands.merge import merge
from platypus.merging import compatibility
from platypus.merging.compatibility import AWKWARD, earlier_rotary_settings, write_both_spellings
from platypus.model.loading import load_merged
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama
from tests.support.trainings import quick_run

OLD = os.environ.get("PLATYPUS_TRANSFORMERS_4_57", "")
needs_old = pytest.mark.skipif(
    not Path(OLD).is_file(), reason="no transformers 4.57: name its Python in PLATYPUS_TRANSFORMERS_4_57"
)

# What 4.57 makes of folders: logits of the ids, ids and texts of the texts, and a greedy answer to a chat.
READ = """
import json, sys, torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
assert transformers.__version__.startswith("4.57."), transformers.__version__
for job in json.load(sys.stdin):
    tokenizer = AutoTokenizer.from_pretrained(job["folder"])
    ids = [tokenizer(text)["input_ids"] for text in job["texts"]]
    model = AutoModelForCausalLM.from_pretrained(job["folder"], attn_implementation="eager").eval()
    with torch.no_grad():
        save_file({"logits": model(torch.tensor([job["ids"]])).logits.float()}, job["folder"] + "/logits")
    said = None
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "Say hello"}]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
        said = model.generate(prompt, max_new_tokens=8)[0].tolist()
    print(json.dumps([ids, [tokenizer.decode(some) for some in ids], str(model.dtype), said]))
"""
IDS = [(37 * number) % 500 + 3 for number in range(200)]
ROPE = {"rope_type": "default", "rope_theta": 5e5}
SHARE = ROPE | {"partial_rotary_factor": 0.5}
NEAR, FAR = {"rope_type": "default", "rope_theta": 2e4}, {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}
LLAMA_3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0 + n for n in range(8)],
    "long_factor": [2.0 + n for n in range(8)],
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
MODELS: dict[str, dict[str, Any]] = {  # model type and its own settings, by a name
    "llama": {"rope_parameters": ROPE},
    "llama, linear": {"rope_parameters": FAR},
    "llama, llama3": {"rope_parameters": ROPE | LLAMA_3 | {"original_max_position_embeddings": 64}},
    "qwen2, yarn": {"rope_parameters": ROPE | YARN},
    "qwen3": {"rope_parameters": ROPE, "head_dim": 16},
    "qwen3_moe": {"rope_parameters": ROPE, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2},
    "mistral": {"rope_parameters": ROPE},
    "gemma2": {"rope_parameters": ROPE, "head_dim": 16},
    "gemma3_text": {"rope_parameters": {"sliding_attention": NEAR, "full_attention": FAR}, "head_dim": 16},
    "olmo3": {"rope_parameters": {"sliding_attention": ROPE, "full_attention": ROPE | YARN}, "sliding_window": 16},
    "gpt_neox": {"rope_parameters": SHARE},
    "phi3, long": {"rope_parameters": ROPE | LONG, "original_max_position_embeddings": 64},
    "stablelm": {"rope_parameters": SHARE},
    "gpt2": {},
}
SMALL = {
    **{"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.2},
    **{"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "moe_intermediate_size": 32},
}


def read_by_old(folders: list[Path], texts: list[str], ids: list[int]) -> list[list[Any]]:
    jobs = [{"folder": str(folder), "texts": texts, "ids": ids} for folder in folders]
    ran = subprocess.run(
        [OLD, "-c", READ], input=json.dumps(jobs), capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


def saved_model(folder: Path, name: str) -> Path:
    kind = name.partition(",")[0]
    config = AutoConfig.for_model(kind, **{**SMALL, **MODELS[name]})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    byte_bpe_tokenizer().save_pretrained(folder)
    return folder


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([IDS])).logits
    return found


# ---------------------------------------------------------------- the installed release


@pytest.mark.parametrize("name", MODELS)
def test_the_installed_release_reads_the_same_model_as_before(tmp_path: Path, name: str) -> None:
    folder = saved_model(tmp_path, name)
    before, tokens = logits(folder), AutoTokenizer.from_pretrained(folder)(list(AWKWARD))["input_ids"]
    assert write_both_spellings(folder, texts=["hello"]) == ()
    assert torch.equal(logits(folder), before)
    assert AutoTokenizer.from_pretrained(folder)(list(AWKWARD))["input_ids"] == tokens
    config = json.loads((folder / "config.json").read_text())
    assert config["torch_dtype"] == config["dtype"]
    assert ("rope_parameters" in config) == bool(MODELS[name])
    assert write_both_spellings(folder, texts=["hello"]) == (), "and once more"


def test_earlier_keys_by_hand() -> None:
    assert earlier_rotary_settings({}, "gpt2") == {}
    assert earlier_rotary_settings(ROPE, "llama") == {"rope_theta": 5e5, "rope_scaling": None}
    assert earlier_rotary_settings(SHARE, "phi") == {
        "rope_theta": 5e5,
        "rope_scaling": None,
        "partial_rotary_factor": 0.5,
    }
    assert earlier_rotary_settings(SHARE, "gpt_neox") == {
        "rotary_emb_base": 5e5,
        "rope_scaling": None,
        "rotary_pct": 0.5,
    }
    assert earlier_rotary_settings(FAR, "llama") == {
        "rope_theta": 1e6,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
    }
    by_layer = {"sliding_attention": NEAR, "full_attention": FAR}
    assert earlier_rotary_settings(by_layer, "gemma3_text") == {
        "rope_theta": 1e6,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        "rope_local_base_freq": 2e4,
    }


def test_what_has_no_earlier_spelling_is_said_and_left_alone(tmp_path: Path) -> None:
    folder = saved_model(tmp_path, "gemma3_text")
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["sliding_attention"] = FAR
    (folder / "config.json").write_text(json.dumps(config))
    (problem,) = write_both_spellings(folder, texts=[])
    assert "rotary settings" in problem
    assert json.loads((folder / "config.json").read_text()) == config


def test_a_tokenizer_that_would_read_otherwise_keeps_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one would whose class does more than tokenizer.json says."""
    folder = saved_model(tmp_path, "llama")
    settings = folder / "tokenizer_config.json"
    before, real = settings.read_text(), compatibility._tokens_read

    def read(folder: Path, texts: Sequence[str]) -> list[Any]:
        return [*real(folder, texts), "PreTrainedTokenizerFast" in settings.read_text()]

    monkeypatch.setattr(compatibility, "_tokens_read", read)
    (problem,) = write_both_spellings(folder, texts=["hello"])
    assert "tokenizer" in problem
    assert settings.read_text() == before


def test_a_merged_folder_has_both_spellings(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    config["rope_parameters"] = ROPE
    (base / "config.json").write_text(json.dumps(config))
    results = merge(quick_run(tmp_path, base=base)).results
    assert "unreadable_before_transformers_5" not in results
    model = tmp_path / "run" / "merge" / "model"
    config = json.loads((model / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 5e5
    assert json.loads((model / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"


# ---------------------------------------------------------------- transformers 4.57


@needs_old
def test_4_57_computes_the_same_logits(tmp_path: Path) -> None:
    """Without the earlier spelling they are two to six standard deviations away, without a word."""
    folders = [saved_model(tmp_path / name, name) for name in MODELS]
    expected = [logits(folder) for folder in folders]
    for folder in folders:
        write_both_spellings(folder, texts=["hello"])
    answers = read_by_old(folders, [], IDS)
    for name, folder, before, (_, _, dtype, _) in zip(MODELS, folders, expected, answers, strict=True):
        found = load_file(folder / "logits")["logits"]
        torch.testing.assert_close(found, before, rtol=1e-5, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
        assert dtype == "torch.float32", name


def tokenizers_to_try(folder: Path) -> dict[str, PreTrainedTokenizerBase]:
    """One of each class that the bases in use have."""
    byte_level: Any = byte_bpe_tokenizer()
    parts = json.loads(byte_level.backend_tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in parts["merges"]]
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    found = {"byte": byte_level, "pieces": sentencepiece_tokenizer(folder / "source")}
    for kind in ("GPT2Tokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer"):
        found[kind] = getattr(transformers, kind)(vocab=parts["vocab"], merges=merges, **named)
    return found


@needs_old
def test_4_57_reads_the_same_ids(tmp_path: Path) -> None:
    texts = ["hello World  12", *AWKWARD]
    folders, expected = [], []
    tiny_llama(tmp_path / "model")
    for name, tokenizer in tokenizers_to_try(tmp_path).items():
        folder = Path(shutil.copytree(tmp_path / "model", tmp_path / name))
        tokenizer.save_pretrained(folder)
        opened: Any = AutoTokenizer.from_pretrained(folder)
        ids = [opened(text)["input_ids"] for text in texts]
        expected.append([ids, [opened.decode(some) for some in ids]])
        assert write_both_spellings(folder, texts=texts) == ()
        folders.append(folder)
    for folder, answer, known in zip(folders, read_by_old(folders, texts, [3]), expected, strict=True):
        assert answer[:2] == known, folder.name


@needs_old
def test_4_57_answers_as_a_merged_model_does(tmp_path: Path) -> None:
    folders, expected = [], []
    for name, tokenizer in (("byte", byte_bpe_tokenizer()), ("pieces", sentencepiece_tokenizer(tmp_path / "p"))):
        base = tiny_llama(tmp_path / name / "base", tokenizer=tokenizer)
        config = json.loads((base / "config.json").read_text()) | {"rope_parameters": ROPE}
        (base / "config.json").write_text(json.dumps(config))
        merge(quick_run(tmp_path / name, base=base, recipe="[merge]\ndtype = 'float32'\n"))
        folders.append(tmp_path / name / "run" / "merge" / "model")
        loaded: Any = load_merged(folders[-1])
        chat = [{"role": "user", "content": "Say hello"}]
        prompt = loaded.tokenizer.apply_chat_template(
            chat, add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        expected.append(loaded.model.generate(prompt, max_new_tokens=8)[0].tolist())
    for answer, known in zip(read_by_old(folders, ["hello"], list(range(3, 50))), expected, strict=True):
        assert answer[3] == known


# ---------------------------------------------------------------- what was there before


def test_a_second_merge_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    """As after a kill: the folder of the same work holds shards, an index and a template of something else."""
    base = tiny_llama(tmp_path / "base")
    run = quick_run(tmp_path, base=base)
    merge(run)
    names = {path.name for path in (run.folder("merge") / "model").iterdir()}
    partial = run.path / f".merge.{run.record('merge')['key']}.partial" / "model"
    partial.mkdir(parents=True)
    save_file({"old": torch.zeros(1)}, partial / "model-00001-of-00002.safetensors")
    (partial / "model.safetensors.index.json").write_text('{"weight_map": {"old": "model-00001-of-00002.safetensors"}}')
    (partial / "chat_template.jinja").write_text("old")
    assert not merge(run).skipped
    assert {path.name for path in (run.folder("merge") / "model").iterdir()} == names
