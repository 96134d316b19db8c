"""GGUF files of several architectures give llama.cpp the prompts and answers of their folders; others are refused."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from platypus.errors import ModelError
from platypus.exporting.gguf import check_gguf, write_gguf
from platypus.exporting.llama_server import LlamaServer
from platypus.exporting.pretokenizers import KNOWN
from platypus.exporting.read_back import ODD_TEXTS, ReadBack, read_back
from platypus.exporting.targets import GgufType
from platypus.prompt.chat_template import write_tokenizer
from platypus.prompt.prompt import Prompt
from platypus.run.settings import PromptSettings
from tests.support.tiny_models import CATALOGUE, byte_bpe_tokenizer, sentencepiece_tokenizer

NEEDS = "pip install 'platypus-llm[export]'"
pytest.importorskip("conversion", reason=NEEDS)
pytest.importorskip("xllamacpp", reason=NEEDS)
QWEN2 = next(splits[0] for (splits, _), name in KNOWN.items() if name == "qwen2")
REQUESTS = ["Sum up my DON-1", "Show 12 red roses", "naïve ½"]
SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 16},
}


def saved(folder: Path, kind: str, tokenizer: Any = None) -> tuple[Path, Prompt]:
    """A random model of this type with a planner's chat template."""
    tokenizer = tokenizer or byte_bpe_tokenizer()
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer) + 8 * (kind == "qwen2"),  # transformers adds tokens to those of Qwen
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **SHAPES[kind],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.data *= 4  # so that the answers depend on everything
    model.save_pretrained(folder)
    prompt = Prompt.of(tokenizer, CATALOGUE, PromptSettings(notation="calls"))
    write_tokenizer(prompt, tokenizer, folder, requests=REQUESTS)
    return folder, replace(prompt, tokenizer=AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prompt]:
    return saved(tmp_path_factory.mktemp("llama"), "llama")


@pytest.mark.parametrize("kind", SHAPES)
def test_llama_cpp_answers_as_the_folder_does(tmp_path: Path, kind: str) -> None:
    gemma, words = kind == "gemma", pre_tokenizers.Split(Regex(QWEN2), "isolated")
    tokenizer = sentencepiece_tokenizer(tmp_path / "pieces") if gemma else None
    if kind == "qwen2":  # transformers opens it with the splits of Qwen
        bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer = byte_bpe_tokenizer(words=pre_tokenizers.Sequence([words, bytes_]))
    model, prompt = saved(tmp_path / "model", kind, tokenizer)
    if gemma:
        shutil.copy(tmp_path / "pieces" / "tokenizer.model", model)
    check_gguf(model, "f16")
    written = write_gguf(model, tmp_path / "model.gguf", "f16")
    assert written.pretokenizer == {"gemma": "", "qwen2": "qwen2"}.get(kind, "gpt-2") and set(written.tensors) == {
        "F16"
    }
    compared = read_back(
        tmp_path / "model.gguf", model, prompt, REQUESTS, kind="f16", answers=3, tokens=8, context=1024
    )
    assert (compared.prompts, compared.answers, compared.other_answers) == (3, 3, 0)
    not_nfc = ODD_TEXTS[6:7]  # Qwen's tokenizer composes accents first, and llama.cpp does not
    short = read_back(
        tmp_path / "model.gguf", model, prompt, REQUESTS[:1], kind="f16", answers=0, tokens=4, context=1024
    )
    assert short == ReadBack(1, compared.other_texts, 0, 0)  # of a model that does not fit into the memory
    assert gemma or compared.other_texts == (not_nfc if kind == "qwen2" else ())


def test_a_sentencepiece_tokenizer_is_read_as_one(tmp_path: Path) -> None:
    model, prompt = saved(tmp_path / "model", "llama", sentencepiece_tokenizer(tmp_path / "pieces"))
    assert write_gguf(model, tmp_path / "model.gguf", "f16").pretokenizer == ""
    compared = read_back(
        tmp_path / "model.gguf", model, prompt, REQUESTS, kind="f16", answers=3, tokens=4, context=1024
    )
    assert (compared.prompts, compared.other_answers) == (3, 0)


def test_a_file_that_the_converter_misses_is_named(tmp_path: Path) -> None:
    model, _ = saved(tmp_path / "model", "gemma")
    with pytest.raises(ModelError, match=r"needs a file that is not there: .*tokenizer.model"):
        write_gguf(model, tmp_path / "model.gguf", "f16")


@pytest.mark.parametrize("kind", ["q8_0", "q4_k_m"])
def test_a_quantised_file_is_smaller_and_says_what_it_holds(
    llama: tuple[Path, Prompt], tmp_path: Path, kind: GgufType
) -> None:
    if kind == "q4_k_m":
        pytest.importorskip("llama_cpp", reason="pip install 'platypus-llm[export-q4]'")
    whole = write_gguf(llama[0], tmp_path / "whole.gguf", "f16")
    written = write_gguf(llama[0], tmp_path / "small.gguf", kind)
    assert sum(written.tensors.values()) == whole.tensors["F16"] and written.tensors.keys() != whole.tensors.keys()
    assert (tmp_path / "small.gguf").stat().st_size < (tmp_path / "whole.gguf").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"whole.gguf", "small.gguf"}


def test_a_grammar_holds_an_answer(llama: tuple[Path, Prompt], tmp_path: Path) -> None:
    write_gguf(llama[0], tmp_path / "model.gguf", "f16")
    server = LlamaServer.open(tmp_path / "model.gguf", context=1024)
    lark = '%llguidance {}\nstart: "[]" | "list()"'
    assert server.answer([{"role": "user", "content": "Hi"}], tokens=8, grammar=lark) in ("[]", "list()")


def harmed(model: Path, copy: Path, file: str, /, **values: Any) -> Path:
    shutil.copytree(model, copy)
    data = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**data, **values}))
    return copy


def test_what_cannot_be_converted_is_refused_by_name(llama: tuple[Path, Prompt], tmp_path: Path) -> None:
    model, _ = llama
    unknown = harmed(model, tmp_path / "unknown", "config.json", architectures=["PlatypusForCausalLM"])
    with pytest.raises(ModelError, match="does not know PlatypusForCausalLM"):
        check_gguf(unknown, "f16")
    other = {"type": "Split", "pattern": {"Regex": r"\w{1,5}"}, "behavior": "Isolated", "invert": False}
    with pytest.raises(ModelError, match="splits no text as this tokenizer does"):
        check_gguf(harmed(model, tmp_path / "split", "tokenizer.json", pre_tokenizer=other), "f16")
    unigram = {"type": "Unigram", "vocab": [["a", -1.0]]}
    with pytest.raises(ModelError, match=r"of the type Unigram, .* needs a tokenizer\.model"):
        check_gguf(harmed(model, tmp_path / "unigram", "tokenizer.json", model=unigram), "f16")
    odd = harmed(model, tmp_path / "odd", "config.json", model_type="odd", num_hidden_layers=None)
    with pytest.raises(ModelError, match="converter failed: TypeError"):
        write_gguf(odd, tmp_path / "odd.gguf", "f16")
    tokenizer = AutoTokenizer.from_pretrained(model)
    prompt = Prompt.of(tokenizer, CATALOGUE, PromptSettings(notation="calls", markers=True))  # not the template's
    write_gguf(model, tmp_path / "model.gguf", "f16")
    with pytest.raises(ModelError, match="other tokens of the prompt for 'Show 12 red roses', from token"):
        read_back(tmp_path / "model.gguf", model, prompt, REQUESTS[1:], kind="f16", answers=1, tokens=4, context=1024)


def test_values_beyond_float16_are_refused_and_masks_have_none(tmp_path: Path) -> None:
    model, _ = saved(tmp_path / "model", "llama")
    opened: Any = AutoModelForCausalLM.from_pretrained(model)
    opened.model.layers[0].mlp.up_proj.weight.data[0, 0] = 1e5
    opened.save_pretrained(model)
    weights = load_file(model / "model.safetensors") | {"mask": torch.ones(1, 1, 4, 4, dtype=torch.bool)}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"up_proj.weight has the value 100000, and float16"):
        check_gguf(model, "f16")


@pytest.mark.parametrize(("package", "extra"), [("conversion", "export"), ("llama_cpp", "export-q4")])
def test_a_missing_package_is_named(
    llama: tuple[Path, Prompt], monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError) as refused:
        check_gguf(llama[0], "q4_k_m")
    assert f"pip install 'platypus-llm[{extra}]'" in str(refused.value)
