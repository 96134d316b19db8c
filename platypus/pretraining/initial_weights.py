"""The weights that a new base begins with: it can copy from the context before any training."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from platypus.model.pretrained import greedy_generation
from platypus.run.pretrain_settings import PretrainSettings


def new_model(table: PretrainSettings, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
    """A new Llama of the recipe's shape, in float32."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=table.hidden_size,
        intermediate_size=table.intermediate_size,
        num_hidden_layers=table.layers,
        num_attention_heads=table.heads,
        num_key_value_heads=table.heads,
        max_position_embeddings=table.context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        initializer_range=table.hidden_size**-0.5,  # the default, 0.02, keeps a narrow model's attention flat for long
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    model.generation_config = greedy_generation(config, model.generation_config, tokenizer)
    _align_spellings(model, tokenizer)
    _start_induction(model)
    return model


@torch.no_grad()
def _align_spellings(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give the spellings of a word piece similar embeddings: "work_items" and "Work items" share no token."""
    embedding: Any = model.get_input_embeddings().weight
    spellings: dict[str, list[int]] = {}
    for token, i in sorted(tokenizer.get_vocab().items()):  # their own order is random, and a mean depends on it
        spellings.setdefault(token.lstrip("Ġ").lower() or token, []).append(i)
    for ids in spellings.values():
        common = embedding[ids].mean(0) * len(ids) ** 0.5
        embedding[ids] = 0.9 * common + 0.19**0.5 * embedding[ids]


@torch.no_grad()
def _start_induction(model: LlamaForCausalLM) -> None:
    """Give the first two layers an induction circuit, which plans need to copy names and values.

    A head of layer 0 attends to the previous token and records which token it is. Heads of layer 1 look for the
    positions that recorded the current token, and predict the token that stands there (Olsson et al. 2022,
    arXiv:2209.11895). A small model needs most of its training to find this by itself. The circuit's weights are
    trained further like all others.
    """
    for layer in model.model.layers:  # every layer begins as the identity, which leaves the circuit's signals clear
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    width, head = model.config.hidden_size, model.config.hidden_size // model.config.num_attention_heads
    half = head // 2
    basis = torch.linalg.qr(torch.randn(width, width))[0]
    content, record = basis[:head], basis[head : 2 * head]  # rows: which token it is, and which one came before
    embedding = model.get_input_embeddings().weight
    constant = basis[-1]  # the same component in all tokens, so that a head can attend by position alone
    embedding += 0.5 * constant - (embedding @ constant)[:, None] * constant
    frequency = 1e6 ** (-torch.arange(half) / half)
    near, far = frequency > 0.05, frequency < 0.004

    first = model.model.layers[0].self_attn
    query, key = torch.zeros(head, width), torch.zeros(head, width)
    for pair in near.nonzero()[:, 0].tolist():
        key[pair] = 1.6 * constant
        query[pair] = 1.6 * torch.cos(frequency[pair]) * constant
        query[pair + half] = -1.6 * torch.sin(frequency[pair]) * constant
    first.q_proj.weight[:head], first.k_proj.weight[:head] = query, key
    first.v_proj.weight[:head], first.o_proj.weight[:, :head] = 0.2 * content, record.T

    second = model.model.layers[1].self_attn
    stable = torch.cat((far, far)).nonzero()[:, 0]  # pairs that rotate so slowly that distance hardly matters
    for number in (0, 1):
        rows = slice(number * head, (number + 1) * head)
        query, key = torch.zeros(head, width), torch.zeros(head, width)
        query[stable], key[stable] = 3.0 * content[: len(stable)], 3.0 * record[: len(stable)]
        second.q_proj.weight[rows], second.k_proj.weight[rows] = query, key
        output = basis[number * width // 2 : (number + 1) * width // 2 : width // (2 * head)][:head]
        second.v_proj.weight[rows], second.o_proj.weight[:, rows] = output, 1.0 * output.T
