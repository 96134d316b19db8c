"""What a new base begins with: a tokenizer that learned from tasks, and weights that can copy from the start."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from platypus.model.loading import greedy_generation
from platypus.run.settings import PretrainSettings


def new_model(table: PretrainSettings, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
    """A fresh Llama of the recipe's shape."""
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
        initializer_range=table.hidden_size**-0.5,  # 0.02, the default, keeps a narrow model's attention flat for long
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    model.generation_config = greedy_generation(config, model.generation_config, tokenizer)
    _liken_spellings(model, tokenizer)
    _start_induction(model)
    return model


@torch.no_grad()
def _liken_spellings(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Let all spellings of a piece of a word begin alike: "work_items" and "Work items" share no token."""
    embedding: Any = model.get_input_embeddings().weight
    spellings: dict[str, list[int]] = {}
    for token, i in tokenizer.get_vocab().items():
        spellings.setdefault(token.lstrip("Ġ").lower() or token, []).append(i)
    for alike in spellings.values():
        common = embedding[alike].mean(0) * len(alike) ** 0.5
        embedding[alike] = 0.9 * common + 0.19**0.5 * embedding[alike]


@torch.no_grad()
def _start_induction(model: LlamaForCausalLM) -> None:
    """Give the first two layers an induction circuit, which plans need for every copied name and value.

    A head of layer 0 looks at the token before and writes down what it is; heads of layer 1 look for where the present
    token was written down so and predict what stands there (Olsson et al. 2022, arXiv:2209.11895). Left to chance, this
    takes a small model most of its training. All of it is learned on from there.
    """
    for layer in model.model.layers:  # every layer begins as the identity, so the circuit's signals are not drowned
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    width, head = model.config.hidden_size, model.config.hidden_size // model.config.num_attention_heads
    half = head // 2
    basis = torch.linalg.qr(torch.randn(width, width))[0]
    content, written = basis[:head], basis[head : 2 * head]  # rows: what a token is, and what the one before was
    embedding = model.get_input_embeddings().weight
    constant = basis[-1]  # a direction in which all tokens are alike: what a head that looks by position needs
    embedding += 0.5 * constant - (embedding @ constant)[:, None] * constant
    frequency = 1e6 ** (-torch.arange(half) / half)
    near, far = frequency > 0.05, frequency < 0.004

    before = model.model.layers[0].self_attn
    query, key = torch.zeros(head, width), torch.zeros(head, width)
    for pair in near.nonzero()[:, 0].tolist():
        key[pair] = 1.6 * constant
        query[pair] = 1.6 * torch.cos(frequency[pair]) * constant
        query[pair + half] = -1.6 * torch.sin(frequency[pair]) * constant
    before.q_proj.weight[:head], before.k_proj.weight[:head] = query, key
    before.v_proj.weight[:head], before.o_proj.weight[:, :head] = 0.2 * content, written.T

    again = model.model.layers[1].self_attn
    stable = torch.cat((far, far)).nonzero()[:, 0]  # pairs that turn too slowly to blur what is far away
    for number in (0, 1):
        rows = slice(number * head, (number + 1) * head)
        query, key = torch.zeros(head, width), torch.zeros(head, width)
        query[stable], key[stable] = 3.0 * content[: len(stable)], 3.0 * written[: len(stable)]
        again.q_proj.weight[rows], again.k_proj.weight[rows] = query, key
        shown = basis[number * width // 2 : (number + 1) * width // 2 : width // (2 * head)][:head]
        again.v_proj.weight[rows], again.o_proj.weight[:, rows] = shown, 1.0 * shown.T
