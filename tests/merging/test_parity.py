"""Comparing logits: hand-worked agreements, and logits against one plain forward pass for each example."""

import math
from pathlib import Path

import pytest
import torch

from platypus.errors import ModelError
from platypus.merging.parity import Agreement, answer_logits, check_agreement, compare, shift
from platypus.model.loading import load_base
from platypus.prompt.prompt import Prompt
from tests.support.tiny_models import CATALOGUE, examples, tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"), context=1024)


def test_agreement_by_hand() -> None:
    adapted = torch.tensor([[3.0, -3.0], [1.0, -1.0]])
    bare = torch.tensor([[7.0, 1.0], [-1.0, 1.0]])  # the first row is only shifted, the second reversed
    agreement = compare(adapted * 1.5, adapted, bare)
    assert agreement.error == pytest.approx(0.5)
    assert agreement.effect == pytest.approx((8 / 20) ** 0.5)
    assert (agreement.same_token, compare(bare, adapted, bare).same_token) == (1.0, 0.5)


def test_answer_logits_are_those_before_each_answer_token(base: Path) -> None:
    loaded = load_base(str(base), dtype="float32")
    encoded = [Prompt(loaded.tokenizer, CATALOGUE).encode(row) for row in examples(2)]
    with torch.no_grad():
        rows = [loaded.model(torch.tensor([e.ids])).logits[0, e.prompt_length - 1 : -1] for e in encoded]
    torch.testing.assert_close(answer_logits(loaded, encoded), torch.cat(rows))


def test_shift_by_hand() -> None:
    """Trained odds are 3:1 and 1:3, merged ones 1:3 twice: 0.75 ln 3 - 0.25 ln 3 in one row of two."""
    trained = torch.tensor([[3.0, 1.0], [1.0, 3.0]]).log()
    moved = shift(torch.tensor([[1.0, 3.0], [2.0, 6.0]]).log(), trained)
    assert moved.quantised_kl == pytest.approx(0.25 * math.log(3))
    assert moved.quantised_same_token == 0.5


def test_an_error_above_the_tolerance_is_refused_and_both_are_named() -> None:
    agreement = Agreement(error=0.02, effect=0.5, same_token=1.0)
    check_agreement(agreement, tolerance=0.02, dtype="bfloat16", model=Path("merged"))
    with pytest.raises(ModelError, match=r"0\.02 .*bfloat16 allows 0\.01.* 0\.5") as raised:
        check_agreement(agreement, tolerance=0.01, dtype="bfloat16", model=Path("merged"))
    assert raised.value.where == "merged"
