"""`platypus base`: train the small base that a planner starts from, on plans over random catalogues.

Every optimizer step sees catalogues that no other step sees, so the model cannot memorise tools and must read them. The
requests of one catalogue share a single computation of it. Everything is drawn from (seed, step): a run can be
repeated, and one that was broken off goes on from its last checkpoint. A GPU is used where there is one; it was never
run on any so far.
"""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import torch
from rich.console import Console
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from platypus.checkpoint import TrainingState, load_latest, save_checkpoint
from platypus.cores import cores, in_order
from platypus.curriculum import Lesson, lesson, read_real, real_lesson
from platypus.errors import ModelError, PromptError, TrainingError
from platypus.loss import accumulate, answer_length
from platypus.model import Loaded, base_fingerprint, best_device, complete, greedy_generation, load_base
from platypus.planner import BASE_CARD
from platypus.prefix import sharing
from platypus.prompt import Encoded, Prompt
from platypus.recipe import Recipe
from platypus.scoring import score
from platypus.tables import BaseTable

ATOMS = r"\d| (?=\S)|(?<=[a-z])(?=[A-Z])"  # a digit, a space, a word in camelCase: "work items" has work_items' tokens
MANY = 4  # cores with which processes that draw lessons are worth their start
REPORTED = 50  # steps after which progress is told and kept
UNSEEN = "unseen"  # the part of the random stream that evaluation draws from, which training never reaches


class Lessons:
    """The lessons, as tokens, of each optimizer step. In a new base's first half catalogues and plans grow.

    Some are of real rows, if there are any.
    """

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, real: Sequence[Lesson] = ()) -> None:
        self.recipe, self.tokenizer, self.real = recipe, tokenizer, real

    def __len__(self) -> int:
        return self.recipe.pretrain.steps

    def __getitem__(self, step: int) -> list[list[Encoded]]:
        table = self.recipe.pretrain
        grown = 1.0 if table.start else min(1.0, 2 * step / table.steps)
        tools, steps = round(2 + grown * (table.max_tools - 2)), round(1 + 4 * grown)
        asked: dict[str, int] = {"steps": steps, "requests": table.requests_per_catalogue}
        drawn = []
        for key in (f"{self.recipe.seed}/{step}/{i}" for i in range(table.catalogues_per_step)):
            of_real = self.real and Random(f"{key}/real").random() < table.rows_share
            drawn.append(real_lesson(key, self.real, **asked) if of_real else lesson(key, tools=tools, **asked))
        return [_prompt(self.recipe, self.tokenizer, one).encode_all(one.examples) for one in drawn]


def _real_lessons(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, console: Console) -> list[Lesson]:
    """The real rows that the recipe names, as far as they are valid and short; the others are told."""
    real = read_real(recipe.pretrain.rows)
    faults = [str(row) for row in real.rejected]
    kept, most = [], recipe.pretrain.context * 3 // 4
    for one in real.lessons:
        (row,) = one.examples
        try:
            _prompt(recipe, tokenizer, one, context=most).encode_all(one.examples)
            kept.append(one)
        except PromptError:
            faults.append(f"{row.origin['source']}:{row.origin['line']}: longer than {most} tokens with all its tools")
    for fault in faults:
        console.print(fault, markup=False)
    if recipe.pretrain.rows:
        console.print(f"{len(kept)} real requests to learn from, {len(faults)} rows left out")
    return kept


def _prompt(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, drawn: Lesson, *, context: int | None = None) -> Prompt:
    settings = recipe.prompt
    cutoff = context or recipe.pretrain.context
    return Prompt(tokenizer, drawn.catalogue, settings.notation, cutoff, settings.markers)


def _ahead(lessons: Lessons, begun: int) -> Iterator[list[list[Encoded]]]:
    """The lessons after those begun with, in order, some of them drawn while the model learns.

    They are drawn in another thread, or, where there are many cores, in processes of their own.
    """
    number = cores()
    with ThreadPoolExecutor(1) if number < MANY else ProcessPoolExecutor(number - 1, get_context("spawn")) as pool:
        yield from in_order(pool, lessons.__getitem__, range(begun, len(lessons)), ahead=3 * number)


# ---------------------------------------------------------------- model and tokenizer


def train_tokenizer(recipe: Recipe, *, lessons: int = 400) -> PreTrainedTokenizerFast:
    """A byte-level BPE of prompts and answers, in which a word is the same token wherever it stands."""

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(ATOMS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bare.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = recipe.pretrain.vocabulary
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bare.train_from_iterator(list(_texts(recipe, lessons)), trainer)
    bare.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bare,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=recipe.pretrain.context,
        clean_up_tokenization_spaces=False,
    )


def _texts(recipe: Recipe, lessons: int) -> Iterator[str]:
    # A prompt's text needs no tokens, so any tokenizer will do.
    untrained = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))  # type: ignore[no-untyped-call]
    for i in range(lessons):
        drawn = lesson(f"{recipe.seed}/words/{i}", tools=12, requests=8)
        prompt = _prompt(recipe, untrained, drawn)
        yield prompt.text("")
        for example in drawn.examples:
            yield example.query
            yield prompt.answer(example)


def new_model(table: BaseTable, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> LlamaForCausalLM:
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
    _start_induction(model)
    return model


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
        shown = basis[number * width // 2 : (number + 1) * width // 2 : width // (2 * head)]
        again.v_proj.weight[rows], again.o_proj.weight[:, rows] = shown, 1.0 * shown.T


# ---------------------------------------------------------------- training


def _start(recipe: Recipe) -> Loaded:
    """The base to go on from, or a new one, on a GPU where there is one."""
    if recipe.pretrain.start is None:
        tokenizer = train_tokenizer(recipe)
        model: Any = new_model(recipe.pretrain, tokenizer, seed=recipe.seed)
        model.to(best_device())
        loaded = Loaded(model=model, tokenizer=tokenizer, source="a new base", fingerprint="")
    else:
        loaded = load_base(recipe.pretrain.start, dtype="float32")
        loaded.model.config.max_position_embeddings = recipe.pretrain.context
        loaded.tokenizer.model_max_length = recipe.pretrain.context
    attention = sharing(loaded.model, device=loaded.device).attention
    assert attention is not None  # Llamas share prefixes
    loaded.model.set_attn_implementation(attention)
    return loaded


@dataclass
class _Course:
    """A base in training, as far as it has come; what it takes to go on is kept in a folder beside the base."""

    recipe: Recipe
    student: Loaded
    folder: Path
    step: int = 0
    tokens: int = 0
    loss: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        table = self.recipe.pretrain
        parameters = self.student.model.train().parameters()
        self.optimizer = torch.optim.AdamW(parameters, lr=table.learning_rate, betas=(0.9, 0.98), weight_decay=0.1)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: _rate(step, table.steps))

    @property
    def told(self) -> dict[str, Any]:
        """What the training was told, as its card says it; one that goes on must have been told the same."""
        recipe = self.recipe
        return {"recipe": recipe.pretrain.model_dump(), "prompt": recipe.prompt.model_dump(), "seed": recipe.seed}

    def resume(self) -> int:
        """Go on from where a training by the same recipe was broken off; returns the steps that are done.

        What another recipe left goes.
        """
        state = load_latest(self.folder).state
        if state is not None and state.progress["told"] == self.told:
            state.restore(self.student.model, optimizer=self.optimizer, schedule=self.schedule)
            self.step, past = state.step, state.progress
            self.tokens, self.loss, self.history = past["tokens"], past["loss"], past["history"]
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.step

    def keep(self) -> None:
        """Save what it takes to go on from here."""
        progress = {"told": self.told, "tokens": self.tokens, "loss": self.loss, "history": self.history}
        state = TrainingState.capture(
            self.student.model,
            optimizer=self.optimizer,
            schedule=self.schedule,
            epoch=1,
            batches=self.step,
            step=self.step,
            progress=progress,
        )
        save_checkpoint(self.folder, state=state)

    def learn(self, drawn: list[list[Encoded]]) -> None:
        """Take a step."""
        answers = sum(answer_length(row) for rows in drawn for row in rows)
        total = sum(
            float(accumulate(self.student, rows, answer_tokens=answers, micro_batch_size=len(rows))) for rows in drawn
        )
        self.step += 1
        if not math.isfinite(total):
            raise TrainingError(f"the loss is {total} at step {self.step}", remedy="Lower pretrain.learning_rate.")
        torch.nn.utils.clip_grad_norm_(self.student.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.tokens += sum(len(row.ids) for rows in drawn for row in rows)
        self.loss = total if self.step == 1 else 0.98 * self.loss + 0.02 * total

    def examine(self) -> float:
        """The share of exact plans on unseen catalogues, which goes into the history."""
        exact = unseen_accuracy(self.student, self.recipe)
        now = {"step": self.step, "tokens": self.tokens, "loss": round(self.loss, 4), "exact_unseen": exact}
        self.history.append(now)
        return exact


def base(recipe: Recipe, out: Path, *, console: Console | None = None) -> dict[str, Any]:
    """Train a base into the folder `out` (Hugging Face format); returns what `base.json` there says.

    The same call goes on with a training that was broken off.
    """
    if out.exists() and not (out / BASE_CARD).is_file():
        raise ModelError(
            "the folder exists and holds no base that Platypus made, so it is not replaced",
            where=str(out),
            remedy="Name another folder with --out.",
        )
    console = console or Console(stderr=True)
    table = recipe.pretrain
    course = _Course(recipe, _start(recipe), out.with_name(f".{out.name}.checkpoints"))
    begun, seen = course.resume(), course.tokens
    if begun:
        console.print(f"going on after step {begun}")
    started = time.monotonic()
    tokenizer = course.student.tokenizer
    lessons = Lessons(recipe, tokenizer, _real_lessons(recipe, tokenizer, console))
    for drawn in _ahead(lessons, begun):
        course.learn(drawn)
        step, ends = course.step, course.step == table.steps
        if step % REPORTED == 0 or ends:
            seconds = time.monotonic() - started
            left = seconds / (step - begun) * (table.steps - step)
            speed = f"{(course.tokens - seen) / seconds:,.0f} tokens/s  {left / 60:.1f} min left"
            console.print(f"step {step}/{table.steps}  loss {course.loss:.3f}  {speed}")
        if step % table.evaluate_every == 0 or ends:
            console.print(f"step {step}: {course.examine():.1%} exact on unseen catalogues")
            _save(course.student, out, {**course.told, "history": course.history})
        if step % REPORTED == 0:
            course.keep()
    shutil.rmtree(course.folder, ignore_errors=True)
    fingerprint = base_fingerprint(str(out))
    return {"out": str(out), "fingerprint": fingerprint, "tokens": course.tokens, "history": course.history}


def _rate(step: int, steps: int) -> float:
    """A linear warm-up over 2% of the run, then a cosine to 2% of the peak."""
    warm = max(1, steps // 50)
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.no_grad()
def unseen_accuracy(student: Loaded, recipe: Recipe, *, catalogues: int = 24) -> float:
    """The share of exact plans on catalogues that training never draws, 4 requests each."""
    student.model.eval()
    right = asked = 0
    for i in range(catalogues):
        drawn = lesson(f"{recipe.seed}/{UNSEEN}/{i}", tools=16, requests=4)
        prompt = _prompt(recipe, student.tokenizer, drawn)
        ids = [prompt.ids(example.query) for example in drawn.examples]
        answers = complete(student, ids, max_new_tokens=160, batch_size=len(ids))
        for example, answer in zip(drawn.examples, answers, strict=True):
            right += score(prompt.read(answer.text, example.query), example.plan, drawn.catalogue).exact
            asked += 1
    student.model.train()
    return right / asked


def _save(student: Loaded, out: Path, card: dict[str, Any]) -> None:
    """The model in bfloat16 beside its tokenizer and `base.json`, swapped into place."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in student.model.state_dict().items()}
    student.model.save_pretrained(str(partial), state_dict=weights)
    student.tokenizer.save_pretrained(partial)
    (partial / BASE_CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
