"""The loss of examples against a plain reference, and what it does not depend on."""

from pathlib import Path

import pytest
import torch

from platypus.data.conversation import Conversation, read_messages
from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample, Prompt
from platypus.run.settings import TrainSettings
from platypus.training.shared_prefix.loss import accumulate, answer_length, summed_loss
from platypus.training.shared_prefix.prefix import common_prefix
from tests.support.chat_templates import MARKED, chat_tokenizer
from tests.support.tiny_models import adapted, gradients, some_examples, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def by_hand(loaded: Loaded, example: EncodedExample) -> torch.Tensor:
    """The slow reference: the answer tokens' losses of one example, one after another."""
    logits = loaded.model(input_ids=torch.tensor([example.ids])).logits[0]
    places = range(example.prompt_length, len(example.ids))
    return torch.stack([-logits[at - 1].log_softmax(-1)[example.ids[at]] for at in places])


@pytest.mark.parametrize("micro_batch_size", [1, 3, 7])
def test_loss_and_gradients_are_the_mean_over_all_answer_tokens(base: Path, micro_batch_size: int) -> None:
    """Against a plain mean; a mean of the micro-batches' means would be a different number."""
    rows = some_examples(7)
    loaded = adapted(base)
    losses = [by_hand(loaded, row) for row in rows]
    expected = torch.cat(losses).mean()
    expected.backward()
    expected_gradients = gradients(loaded)
    loaded.model.zero_grad()
    count = sum(answer_length(row) for row in rows)
    loss = accumulate(loaded, rows, answer_tokens=count, micro_batch_size=micro_batch_size)
    assert count == sum(len(loss) for loss in losses)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradients(loaded), expected_gradients, rtol=1e-4, atol=1e-6)
    assert summed_loss(loaded, rows, micro_batch_size=micro_batch_size) == pytest.approx(
        count * float(expected.detach()), rel=1e-5
    )
    mean_of_means = torch.stack([loss.mean() for loss in losses]).mean()
    assert abs(mean_of_means - expected) > 1e-3


def test_a_part_of_a_step_gives_its_part_of_the_loss(base: Path) -> None:
    """With the count of the whole step, the losses of several processes add up to the whole."""
    rows = some_examples(5)
    loaded = adapted(base)
    whole, first, rest = (
        accumulate(loaded, part, answer_tokens=100, micro_batch_size=2) for part in (rows, rows[:2], rows[2:])
    )
    torch.testing.assert_close(first + rest, whole)


def test_the_loss_of_validation_is_without_dropout_and_leaves_no_gradients(base: Path) -> None:
    rows = some_examples(3)
    noisy = adapted(base, TrainSettings(dropout=0.5, rank=4))
    losses = {summed_loss(noisy, rows, micro_batch_size=2) for _ in range(3)}
    assert len(losses) == 1
    assert not gradients(noisy)


@pytest.mark.parametrize("prefix", ["auto", "dense", "repeated"])
def test_the_loss_of_a_conversation_is_transformers_own_over_the_assistants_turns(tmp_path: Path, prefix: str) -> None:
    """With the labels of transformers' own mask, and plain cross entropy; all rows share a system turn."""
    tokenizer = chat_tokenizer(MARKED)
    base = tiny_llama(tmp_path, tokenizer=tokenizer)
    chats = [
        [{"role": "system", "content": "Be brief."}, *[turn for pair in zip(asked, said, strict=True) for turn in pair]]
        for asked, said in (
            ([user("Who?"), user("And you?")], [assistant("A platypus."), assistant("Me too")]),
            ([user("What?")], [assistant("Nothing at all")]),
            ([user("a"), user("b"), user("c")], [assistant("one"), assistant("two"), assistant("three")]),
        )
    ]
    own = Prompt(tokenizer, None, template="chat")
    rows = own.encode_all([Conversation(read_messages(chat), {}) for chat in chats])
    loaded = adapted(base, TrainSettings(rank=4, dropout=0.0, target_modules="all-linear", prefix=prefix))
    expected, count = torch.zeros(()), 0
    for row, chat in zip(rows, chats, strict=True):
        whole = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        mask = torch.tensor(whole["assistant_masks"], dtype=torch.bool)
        labels = torch.where(mask, torch.tensor(whole["input_ids"]), -100)
        assert labels.tolist() == list(row.labels)
        count += int(mask.sum())
        mean = loaded.model(input_ids=torch.tensor([row.ids]), labels=labels[None]).loss
        expected = expected + mean * mask.sum()
    (expected / count).backward()
    expected_gradients = gradients(loaded)
    loaded.model.zero_grad()
    assert count == sum(map(answer_length, rows))
    loss = accumulate(loaded, rows, answer_tokens=count, micro_batch_size=2)
    torch.testing.assert_close(loss, (expected / count).detach())
    torch.testing.assert_close(gradients(loaded), expected_gradients, rtol=1e-4, atol=1e-6)
    assert common_prefix(rows) > 10


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
