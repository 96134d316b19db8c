"""Conversations from rows to a merged model that plain transformers opens: in the base's own chat template."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from platypus.chat.conversation import Conversation as Chat
from platypus.chat.slash_commands import hear
from platypus.commands.evaluate import evaluate
from platypus.commands.export import export
from platypus.commands.merge import merge
from platypus.commands.refine import refine
from platypus.commands.train import train
from platypus.data.conversation import Conversation, Message
from platypus.data.dataset import Instruction, Row, read_dataset
from platypus.errors import DatasetError, PromptError, RunError
from platypus.inference.opening import open_planner
from platypus.run.corrections import Corrections
from platypus.run.folder import Run
from tests.support.chat_templates import CHATML, NO_SYSTEM, THINKING, chat_tokenizer
from tests.support.tiny_models import examples, tiny_llama, tiny_run

OVERFIT = """
[train]
epochs = 60
learning_rate = 1e-2
warmup_ratio = 0.1
alpha = 32
dropout = 0.0
target_modules = "all-linear"
batch_size = 4
[merge]
dtype = "float32"
[evaluate]
max_new_tokens = 24
before = false
"""
CHAT = '[prompt]\ntemplate = "chat"\n'
PIRATE = Message("system", "You are a pirate.")


def turns(*texts: str, system: Message | None = None) -> Conversation:
    roles = ("user", "assistant") * len(texts)
    said = [Message(role, text) for role, text in zip(roles, texts, strict=False)]  # type: ignore[arg-type]
    return Conversation((*([system] if system else []), *said), {})


ROWS: list[Row] = [
    turns("Who?", "A platypus.", "And you?", "Me too"),
    turns("Who?", "A pirate!", "And you?", "Aye", system=PIRATE),
    turns("Count", "one"),
    Instruction("Repeat", "abc", "abc", {}),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has memorised these rows, merged."""
    folder = tmp_path_factory.mktemp("chat")
    base = tiny_llama(folder / "base", tokenizer=chat_tokenizer(CHATML))
    run = tiny_run(folder, base=base, rows=ROWS, recipe=CHAT + OVERFIT)
    train(run)
    merge(run)
    return run


def test_the_merged_model_keeps_the_template_and_answers_and_stops_in_plain_transformers(run: Run) -> None:
    folder = run.folder("merge") / "model"
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert tokenizer.chat_template == CHATML
    for row in ROWS:
        messages = row.messages if isinstance(row, Conversation) else turns("Repeat\nabc", "abc").messages
        asked = [message.to_json() for message in messages[:-1]]
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        answer = model.generate(ids, max_new_tokens=24)[0, ids.shape[1] :]
        assert tokenizer.decode(answer) == f"{messages[-1].content}<|im_end|>"
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert set(ends) == {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}


def test_the_card_remembers_the_template(run: Run) -> None:
    card = json.loads((run.folder("train") / "adapter" / "platypus.json").read_text())
    assert card["template"] == "chat" and "turns" not in card
    forgetful = run.recipe.model_copy(update={"prompt": run.recipe.prompt.model_copy(update={"template": "alpaca"})})
    assert open_planner(Run(run.path, forgetful, None)).prompt.template == "chat"


def test_evaluation_answers_the_last_turn(run: Run) -> None:
    evaluate(run)
    scores = [json.loads(line) for line in (run.folder("evaluate") / "scores.jsonl").read_text().splitlines()]
    assert [score["answer"] for score in scores] == ["Me too", "Aye", "one", "abc"]
    assert [score["cut"] for score in scores] == [False] * 4
    assert scores[1]["messages"][0] == PIRATE.to_json() and scores[1]["gold"] == "Aye"
    assert len(scores[0]["messages"]) == 3 and "instruction" in scores[3]


def test_a_chat_has_turns_and_a_system_message(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat(open_planner(run), 24, Corrections.of(run))
    for line in ("Who?", "And you?"):
        hear(chat, line)
    assert capsys.readouterr().out == "A platypus.\nMe too\n"
    pirate = Chat(open_planner(run), 24, Corrections.of(run))
    for line in ("/system You are a pirate.", "Who?", "And you?", "/system"):
        hear(pirate, line)
    captured = capsys.readouterr()
    assert captured.out == "A pirate!\nAye\n"
    assert "there is no system message now" in captured.err


def test_the_oldest_turns_give_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = open_planner(run)
    chat = Chat(planner, 10, Corrections.of(run))
    room = len(planner.prompt.ids("Who?")) + 60
    object.__setattr__(planner.prompt, "cutoff", room)
    hear(chat, "/system Be brief.")
    for text in ("x" * 20, "y" * 20, "z" * 20):
        hear(chat, text)
    text = planner.loaded.tokenizer.decode(chat.prompt_ids("Who?"))
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n")
    assert "xxx" not in text and text.endswith("<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n")
    assert len(chat.prompt_ids("Who?")) < room - 10


def refining(folder: Path, rows: list[Row], recipe: str, *, template: str | None = CHATML, **refining: Any) -> Run:
    base = tiny_llama(folder / "base", tokenizer=chat_tokenizer(template))
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row.to_json()) for row in rows))
    table = {"data": [str(folder / "rows.jsonl")], "valid_fraction": 0, "test_fraction": 0} | refining
    keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    (folder / "recipe.toml").write_text(f'base = "{base}"\n{recipe}[generate]\nexamples = 0\n[refine]\n{keys}')
    return Run.open(folder / "run", recipe=folder / "recipe.toml")


@pytest.mark.parametrize(
    ("template", "recipe", "what"),
    [
        (CHATML, "", r"2 bad rows .*\n.*is a conversation, which needs template = \"chat\""),
        (None, CHAT, "the base has no chat template"),
        (THINKING, CHAT, r"2 of 4 rows .*\n.*message 2: its chat template rewrites"),
    ],
)
def test_refine_already_says_what_the_template_cannot_hold(
    tmp_path: Path, template: str | None, recipe: str, what: str
) -> None:
    rows = [ROWS[0], ROWS[1], *ROWS[3:], Instruction("Name a river.", "", "The Nile", {})]
    with pytest.raises((PromptError, DatasetError), match=what):
        refine(refining(tmp_path, rows, recipe, template=template))


def test_conversations_that_are_too_long_are_known_to_refine(tmp_path: Path) -> None:
    rows = [turns("Count", "one"), turns("Say it often", "Platypus, " * 200)]
    recipe = CHAT + "cutoff = 300\n"
    with pytest.raises(DatasetError, match="1 of 2 rows are too long"):
        refine(refining(tmp_path, rows, recipe))
    assert refine(refining(tmp_path, rows, recipe, long_rows="drop", min_kept=0.1)).results["train"] == 1
    tests = [turns("Count " * 200, "one", "Go on", "two"), turns("Go", "Platypus, " * 200)]
    (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(row.to_json()) for row in tests))
    options = {"long_rows": "drop", "test": [str(tmp_path / "test.jsonl")], "min_kept": 0.1}
    results = refine(refining(tmp_path, rows, recipe, **options)).results
    assert (results["train"], results["test"]) == (1, 1)  # of a test row the prompt alone counts


def test_rows_are_refined_with_their_turns(tmp_path: Path) -> None:
    words = ("river", "cloud", "engine", "paper", "lantern", "orchard", "violin", "harbour", "comet", "saddle")
    rows: list[Row] = [turns(f"Tell me of a {word}.", f"The {word}!", "More?", f"No more {word}s.") for word in words]
    secret = turns("Who are you, please?", "Write to ann.lee@example.org.")
    run = refining(tmp_path, [*rows, rows[0], secret], CHAT, bad_rows="skip", valid_fraction=0.2, test_fraction=0.2)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('\n{"messages": [{"role": "user", "content": "Hm"}]}')
    results = refine(run).results
    assert results["rejected"] == {"duplicate": 1, "row": 1}
    assert results["doubts"] == {"personal-data": 1}
    kept = [row for name in ("train", "valid", "test") for row in read_dataset(str(part(run, name)), None).rows]
    assert {row.messages for row in kept if isinstance(row, Conversation)} == {
        row.messages for row in (*rows, secret) if isinstance(row, Conversation)
    }


def part(run: Run, name: str) -> Path:
    return run.folder("refine") / f"{name}.jsonl"


@pytest.mark.parametrize("mixed", [False, True])
def test_a_hub_loader_reads_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixed: bool) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    rows: list[Row] = [turns(f"Tell me of {number} {'x' * number}s.", "No.") for number in range(10)]
    rows += [Instruction(f"Sing of the {'la' * number}", "", "La", {}) for number in range(10)] if mixed else []
    run = refining(tmp_path, rows, CHAT, near_duplicate=1, test_fraction=0.1)
    train_rows = refine(run).results["train"]
    loaded = datasets.load_dataset(str(run.folder("refine")), cache_dir=str(tmp_path))["train"]
    assert len(loaded) == train_rows
    assert {row["messages"][-1]["content"] for row in loaded if row["messages"]} == {"No."}


# ---------------------------------------------------------------- refused before training


@pytest.mark.parametrize(
    ("template", "recipe", "what", "remedy"),
    [
        (CHATML, "", r"4 of 4 rows .*\n.*is a conversation, for which Alpaca's", 'Set template = "chat"'),
        (None, CHAT, "the base has no chat template", 'set template = "alpaca"'),
        (THINKING, CHAT, r"2 of 4 rows .*\n.*message 2: its chat template rewrites", 'turns = "last"'),
        (NO_SYSTEM, CHAT, r"1 of 4 rows .*\n.*System role not supported", "Leave such rows out"),
    ],
)
def test_what_cannot_be_learned_is_said_before_the_base_is_read(
    tmp_path: Path, template: str | None, recipe: str, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tiny_llama(tmp_path / "base", tokenizer=chat_tokenizer(template))
    rows = [*ROWS[:3], turns("Repeat", "abc")]
    run = tiny_run(tmp_path, base=base, rows=rows, recipe=recipe)
    monkeypatch.setattr("platypus.commands.train.load_adapted_for_training", None)
    with pytest.raises(PromptError, match=what) as raised:
        train(run)
    assert remedy in raised.value.remedy


def test_the_last_answers_are_learned_where_a_template_rewrites(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base", tokenizer=chat_tokenizer(THINKING))
    recipe = '[prompt]\ntemplate = "chat"\nturns = "last"\n[train]\nbatch_size = 4\n'
    run = tiny_run(tmp_path, base=base, rows=ROWS, recipe=recipe)
    assert train(run).results["examples"] == 4
    assert merge(run).results["verified_prompts"] == 4
    planner = open_planner(run)
    thought = planner.loaded.tokenizer.encode("<think>\n\n</think>\n\nNo", add_special_tokens=False)
    said = iter([torch.tensor([[*[0] * 400, *thought, planner.prompt.chat.end]])])
    planner.loaded.model.generate = lambda input_ids, **_: torch.cat((input_ids, next(said)[:, 400:]), 1)  # type: ignore
    assert [completion.text for completion in planner.respond(ROWS[2:3])] == ["No"]


def test_planners_and_conversations_train_together_but_are_not_exported(tmp_path: Path) -> None:
    """Plans keep their own prompt; the merged model's template is the base's, which servers cannot ask for plans by."""
    base = tiny_llama(tmp_path / "base", tokenizer=chat_tokenizer(CHATML))
    run = tiny_run(tmp_path, base=base, rows=examples(4), recipe=CHAT + "[train]\nbatch_size = 4\n")
    train(run)
    merge(run)
    assert AutoTokenizer.from_pretrained(run.folder("merge") / "model").chat_template == CHATML
    with pytest.raises(RunError, match="keeps the chat template of its base"):
        export(run)
