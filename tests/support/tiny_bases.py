"""Tiny random bases of many architectures, each with the tokenizer, files and quirks that its relatives have."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    FalconConfig,
    FalconForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from tests.support.tiny_models import TEXTS, byte_bpe_tokenizer, sentencepiece_tokenizer

END = "<|endoftext|>"


def end_only_tokenizer(*, pad: bool = False, begins: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE with one special token, which ends texts; with `pad`, also pads (Qwen's bases); with `begins`,
    also begins them and stands for the unknown (GPT-2, Pythia, SmolLM)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[END, "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    roles = {"eos_token": END} | ({"pad_token": END} if pad else {})
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **(roles | ({"bos_token": END, "unk_token": END} if begins else {})),
        clean_up_tokenization_spaces=False,
    )


def tiny(
    folder: Path,
    model: type[PreTrainedModel],
    config: type[Any],
    tokenizer: PreTrainedTokenizerBase,
    *,
    rows: int | None = None,
    **options: Any,
) -> Path:
    """A random model of this class, 16 wide with two layers, saved with its tokenizer; `rows` of the embedding."""
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
    }
    if config is GPT2Config:
        shape = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 1024}
    if config is GPTNeoXConfig:
        del shape["num_key_value_heads"]
    made = config(
        vocab_size=rows or len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,
        dtype="float32",
        **(shape | options),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random: Any = model(made)
        for parameter in random.parameters():
            if parameter.dim() > 1:
                parameter.data.mul_(5)  # so that an adapter has an effect, and some tokens are more likely
    random.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llama(folder: Path) -> Path:
    """With a padding token of its own."""
    return tiny(folder, LlamaForCausalLM, LlamaConfig, byte_bpe_tokenizer())


def smollm(folder: Path) -> Path:
    """A tied Llama whose tokenizer has one special token for all purposes."""
    tokenizer = end_only_tokenizer(pad=True, begins=True)
    return tiny(folder, LlamaForCausalLM, LlamaConfig, tokenizer, tie_word_embeddings=True)


def mistral(folder: Path) -> Path:
    """A sentencepiece tokenizer without padding, and a second set of the weights under other names."""
    tokenizer = sentencepiece_tokenizer(folder.with_name(f"{folder.name}-tokenizer"))
    tiny(folder, MistralForCausalLM, MistralConfig, tokenizer, sliding_window=None)
    weights = load_file(folder / "model.safetensors")
    renamed = {name.removeprefix("model.").replace("self_attn", "attention"): value for name, value in weights.items()}
    save_file(renamed, folder / "consolidated.safetensors")
    return folder


def qwen2(folder: Path) -> Path:
    """Tied, padded with the end token, no BOS, and more rows than tokens."""
    return tiny(folder, Qwen2ForCausalLM, Qwen2Config, end_only_tokenizer(pad=True), rows=512, tie_word_embeddings=True)


def qwen3(folder: Path) -> Path:
    """Untied, padded with the end token, no BOS."""
    return tiny(folder, Qwen3ForCausalLM, Qwen3Config, end_only_tokenizer(pad=True), head_dim=4)


def gemma(folder: Path) -> Path:
    """Tied, with scaled embeddings."""
    return tiny(folder, GemmaForCausalLM, GemmaConfig, byte_bpe_tokenizer(), head_dim=4)


def gemma3(folder: Path) -> Path:
    """With a vision part; a layer with a window of 16 tokens before one that sees all."""
    tokenizer = byte_bpe_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 4,
        "max_position_embeddings": 1024,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
        "pad_token_id": None,
    }
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma3Config(
        text_config=text, vision_config=vision | {"image_size": 28, "patch_size": 14}, eos_token_id=1, dtype="float32"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def phi3(folder: Path) -> Path:
    """Attention and feed-forward layers in one matrix each, and a padding token that the embedding has no row for."""
    tokenizer = byte_bpe_tokenizer()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[EXTRA_PAD]"})
    return tiny(folder, Phi3ForCausalLM, Phi3Config, tokenizer, rows=rows)


def gpt2(folder: Path) -> Path:
    """Transposed layers, one special token, and stored names without the model's prefix, as on the hub."""
    no_noise = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    tiny(folder, GPT2LMHeadModel, GPT2Config, end_only_tokenizer(begins=True), **no_noise)
    weights = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("transformer."): value for name, value in weights.items()}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def pythia(folder: Path) -> Path:
    """GPT-NeoX: other names of all layers, a head that is stored under another name, one special token."""
    return tiny(folder, GPTNeoXForCausalLM, GPTNeoXConfig, end_only_tokenizer(begins=True))


def falcon(folder: Path) -> Path:
    """Tied, other names of all layers, one head of keys and values, no padding token and no BOS."""
    return tiny(folder, FalconForCausalLM, FalconConfig, end_only_tokenizer(), tie_word_embeddings=True)


def mixtral(folder: Path) -> Path:
    """Experts that are stored one by one and loaded as one tensor."""
    return tiny(
        folder, MixtralForCausalLM, MixtralConfig, byte_bpe_tokenizer(), num_local_experts=4, num_experts_per_tok=2
    )


def qwen3_moe(folder: Path) -> Path:
    """A dense layer before one with experts; padded with the end token."""
    return tiny(folder, Qwen3MoeForCausalLM, Qwen3MoeConfig, end_only_tokenizer(pad=True), head_dim=4, **_EXPERTS)


def qwen2_moe(folder: Path) -> Path:
    """Experts beside one that is shared, in all layers, in two files with an index."""
    shared = {**_EXPERTS, "mlp_only_layers": [], "shared_expert_intermediate_size": 8}
    tiny(folder.with_name(f"{folder.name}-one"), Qwen2MoeForCausalLM, Qwen2MoeConfig, end_only_tokenizer(), **shared)
    whole = Qwen2MoeForCausalLM.from_pretrained(folder.with_name(f"{folder.name}-one"))
    whole.save_pretrained(folder, max_shard_size="40KB")
    end_only_tokenizer().save_pretrained(folder)
    shutil.copy(folder / next(path.name for path in folder.glob("*.safetensors")), folder / "old.safetensors")
    return folder


_EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 8,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [0],
}

BASES: dict[str, Callable[[Path], Path]] = {
    make.__name__: make
    for make in (
        llama,
        smollm,
        mistral,
        qwen2,
        qwen3,
        gemma,
        phi3,
        gpt2,
        pythia,
        falcon,
        mixtral,
        qwen3_moe,
        qwen2_moe,
    )
}
