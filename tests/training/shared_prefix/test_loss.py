"""The loss of examples against a plain reference, and what it does not depend on."""

from pathlib import Path

import pytest
import torch

from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.run.settings import TrainSettings
from platypus.training.shared_prefix.loss import accumulate, answer_length, summed_loss
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
