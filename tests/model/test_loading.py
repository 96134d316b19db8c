"""Opening models and saying what they say: padding and batches change nothing, and what is wrong is named."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig, PreTrainedTokenizerBase

from platypus.errors import ModelError, PromptError
from platypus.model.adapters import AdapterCard, check_adapter, load_adapted, read_card, save_adapter
from platypus.model.bases import base_fingerprint
from platypus.model.completion import complete, stream
from platypus.model.loading import Loaded, greedy_generation, load_base, set_padding
from platypus.run.settings import TrainSettings
from platypus.training.adapter import adapt
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=128)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    return load_base(str(base))


def prompts(loaded: Loaded) -> list[list[int]]:
    texts = ["list", "a much longer prompt than the others, to be padded to", "Sum up 3 items", "ä", "zebras"]
    return [loaded.tokenizer.encode(text) for text in texts]


def greedy(loaded: Loaded, prompt: list[int], *, most: int) -> list[int]:
    """The slow reference: one whole forward pass for each token, no cache, no batch."""
    ids = list(prompt)
    while len(ids) < len(prompt) + most and (len(ids) == len(prompt) or ids[-1] not in loaded.end_tokens):
        with torch.no_grad():
            ids.append(int(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def ending_after(loaded: Loaded, prompt: list[int], *, tokens: int) -> Loaded:
    """The same model, for which the token that it says at that place is the end."""
    model = loaded.model
    end = greedy(loaded, prompt, most=tokens)[-1]
    changed = load_base(loaded.source)
    changed.model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[end, 1], pad_token_id=model.generation_config.pad_token_id
    )
    return changed


# ---------------------------------------------------------------- saying


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_completions_are_the_greedy_ones_in_order_however_they_are_batched(loaded: Loaded, batch_size: int) -> None:
    said = list(complete(loaded, prompts(loaded), max_new_tokens=6, batch_size=batch_size))
    for prompt, completion in zip(prompts(loaded), said, strict=True):
        expected = greedy(loaded, prompt, most=6)
        assert completion.text == loaded.tokenizer.decode([i for i in expected if i not in loaded.end_tokens])
        assert completion.tokens == len(expected)


def test_a_completion_ends_at_the_first_end_token_of_several(loaded: Loaded) -> None:
    prompt = prompts(loaded)[0]
    model = ending_after(loaded, prompt, tokens=4)
    expected = greedy(model, prompt, most=9)
    (said,) = complete(model, [prompt], max_new_tokens=9, batch_size=1)
    assert (said.tokens, said.finished) == (len(expected), True)
    assert said.text == loaded.tokenizer.decode(expected[:-1])


def test_a_completion_without_an_end_is_not_finished(loaded: Loaded) -> None:
    prompt = prompts(loaded)[0]
    (said,) = complete(loaded, [prompt], max_new_tokens=3, batch_size=1)
    assert not loaded.end_tokens & set(greedy(loaded, prompt, most=3))
    assert (said.tokens, said.finished) == (3, False)


def test_stream_gives_the_same_text_piece_by_piece(loaded: Loaded) -> None:
    for prompt in prompts(loaded):
        model = ending_after(loaded, prompt, tokens=5)
        (said,) = complete(model, [prompt], max_new_tokens=8, batch_size=1)
        assert "".join(stream(model, prompt, max_new_tokens=8)) == said.text


def test_stream_never_shows_half_a_character(loaded: Loaded) -> None:
    said = loaded.tokenizer.encode("aä€b", add_special_tokens=False)
    assert len(said) == 1 + 2 + 3 + 1  # a token for each byte

    class Parrot:
        """Says these tokens, then the end."""

        device, config, generation_config = loaded.device, loaded.model.config, loaded.model.generation_config
        script = iter([*said, loaded.tokenizer.eos_token_id])

        def __call__(self, **inputs: object) -> SimpleNamespace:
            logits = torch.nn.functional.one_hot(torch.tensor([[next(self.script)]]), len(loaded.tokenizer))
            return SimpleNamespace(logits=logits, past_key_values=None)

    pieces = list(stream(replace(loaded, model=Parrot()), [0], max_new_tokens=20))
    assert [piece for piece in pieces if piece] == ["a", "ä", "€", "b"]


def test_an_answer_ends_at_the_end_of_the_context(loaded: Loaded) -> None:
    prompt = [5] * (loaded.context - 2)
    (said,) = complete(loaded, [prompt], max_new_tokens=50, batch_size=1)
    assert said.tokens <= 2


def test_a_prompt_that_fills_the_context_is_refused(loaded: Loaded) -> None:
    with pytest.raises(PromptError, match="128 tokens, but the model's context is 128"):
        list(complete(loaded, [[5] * 128], max_new_tokens=1, batch_size=1))
    with pytest.raises(PromptError, match="context is 128"):
        list(stream(loaded, [5] * 200, max_new_tokens=1))


# ---------------------------------------------------------------- opening


def test_a_base_opens_without_dropout_in_the_asked_number_type(base: Path) -> None:
    assert load_base(str(base)).model.dtype == (torch.bfloat16 if torch.cuda.is_available() else torch.float32)
    loaded = load_base(str(base), dtype="bfloat16", device="cpu")
    assert loaded.model.dtype == torch.bfloat16
    assert not loaded.model.training


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("no/such/folder", "there is no such folder"),
        ("./nowhere", "there is no such folder"),
        ("/nowhere", "there is no such folder"),
        ("plainname", "there is no such folder"),
        ("owner/no-such-model", "the hub did not give it"),
        ("owner/not a name", "the hub did not give it"),
    ],
)
def test_a_base_that_does_not_exist_is_an_error_with_a_remedy(source: str, named: str) -> None:
    with pytest.raises(ModelError) as raised:
        load_base(source)
    assert raised.value.where == source
    assert named in raised.value.what
    assert raised.value.remedy


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path, base: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ModelError, match=r"no \.safetensors weights"):
        load_base(str(tmp_path))
    save_file(load_file(base / "model.safetensors"), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "abacus"}))
    with pytest.raises(ModelError, match="abacus"):
        load_base(str(tmp_path))


def test_generation_has_the_ends_of_tokenizer_config_and_base_once(loaded: Loaded) -> None:
    config = loaded.model.config
    sampling = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, eos_token_id=[1, 7])
    generation = greedy_generation(config, sampling, loaded.tokenizer)
    assert generation.eos_token_id == [1, 7]
    assert (generation.do_sample, generation.temperature, generation.top_p) == (False, None, None)
    assert generation.pad_token_id == loaded.tokenizer.convert_tokens_to_ids("<pad>")


# ---------------------------------------------------------------- padding


def test_padding_is_never_the_end_and_never_a_new_token(tmp_path: Path) -> None:
    tokenizer = sentencepiece_tokenizer(tmp_path)
    size = len(tokenizer)
    tokenizer.pad_token = tokenizer.eos_token
    set_padding(tokenizer)
    assert (tokenizer.pad_token, tokenizer.pad_token_id, len(tokenizer)) == ("<unk>", 0, size)


def test_a_tokenizer_keeps_the_padding_that_it_has() -> None:
    tokenizer = byte_bpe_tokenizer()
    set_padding(tokenizer)
    assert tokenizer.pad_token == "<pad>"


def without(tokenizer: PreTrainedTokenizerBase, *tokens: str) -> PreTrainedTokenizerBase:
    for token in tokens:
        setattr(tokenizer, token, None)
    return tokenizer


def test_a_tokenizer_without_an_end_or_anything_for_padding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no EOS token"):
        set_padding(without(byte_bpe_tokenizer(), "eos_token"))
    monkeypatch.setattr("platypus.model.loading.SPARE_TOKENS", ())
    with pytest.raises(ModelError, match="no token for padding but EOS"):
        set_padding(without(byte_bpe_tokenizer(bos=False), "pad_token"))


# ---------------------------------------------------------------- fingerprints and adapters


def test_a_fingerprint_does_not_depend_on_how_the_same_weights_are_saved(base: Path, tmp_path: Path) -> None:
    model = load_base(str(base), dtype="float32").model
    model.generation_config = GenerationConfig()
    model.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    assert base_fingerprint(str(tmp_path / "sharded")) == base_fingerprint(str(base))


def test_a_fingerprint_tells_other_weights_and_another_config_apart(base: Path, tmp_path: Path) -> None:
    same = tiny_llama(tmp_path / "same", context=128)
    assert base_fingerprint(str(same)) == base_fingerprint(str(base))
    others = [tiny_llama(tmp_path / "seed", context=128, seed=1), tiny_llama(tmp_path / "context", context=256)]
    weights = load_file(same / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, same / "model.safetensors", metadata={"format": "pt"})
    prints = {base_fingerprint(str(folder)) for folder in [base, same, *others]}
    assert len(prints) == 4


@pytest.fixture
def adapter(loaded: Loaded, base: Path, tmp_path: Path) -> Path:
    """An adapter that changes something, with dropout."""
    adapted = adapt(load_base(str(base)), TrainSettings(dropout=0.5, rank=4), seed=1)
    for name, parameter in adapted.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    save_adapter(adapted, tmp_path / "adapter", card=AdapterCard(str(base), loaded.fingerprint, "c" * 16, "calls", 99))
    return tmp_path / "adapter"


def test_an_adapter_opens_on_its_base_wherever_that_lies(adapter: Path, loaded: Loaded, tmp_path: Path) -> None:
    moved = tiny_llama(tmp_path / "moved", context=128)
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        here, there = (load_adapted(adapter, base=base).model(ids).logits for base in (None, str(moved)))
        bare = loaded.model(ids).logits
    assert torch.equal(here, there)  # dropout would make them differ
    assert (here - bare).abs().max() > 0.1
    assert read_card(adapter) == AdapterCard(loaded.source, loaded.fingerprint, "c" * 16, "calls", 99)


def test_adapter_weights_stay_float32_on_a_bfloat16_base(adapter: Path) -> None:
    dtypes = {"lora_" in name: p.dtype for name, p in load_adapted(adapter, dtype="bfloat16").model.named_parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}


def test_an_adapter_for_another_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = tiny_llama(tmp_path / "other", context=128, seed=1)
    with pytest.raises(ModelError, match="trained on another base") as raised:
        load_adapted(adapter, base=str(other))
    assert str(other) in raised.value.what
    assert raised.value.where == str(adapter)


def test_an_adapter_without_its_card_is_refused(adapter: Path) -> None:
    (adapter / "platypus.json").unlink()
    with pytest.raises(ModelError, match=r"no platypus\.json"):
        load_adapted(adapter)


def test_a_saved_adapter_with_empty_infinite_or_no_weights_is_refused(adapter: Path) -> None:
    check_adapter(adapter)
    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    name = next(iter(weights))
    for spoilt in ({**weights, name: torch.empty(0)}, {**weights, name: weights[name] * float("nan")}):
        save_file(spoilt, file)
        with pytest.raises(ModelError, match=f"1 of the {len(weights)} saved weights are empty or not finite: {name}"):
            check_adapter(adapter)
    save_file({}, file)
    with pytest.raises(ModelError, match="saved weights"):
        check_adapter(adapter)


def test_loading_a_folder_never_asks_the_network(base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a local model asked the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert load_base(str(base)).fingerprint == load_adapted(adapter).fingerprint
    assert replace(load_base(str(base)), source="").context == 128
