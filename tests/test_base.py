"""The base stage: packing changes nothing, lessons repeat, a short run gives a model that opens anywhere."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from platypus.errors import ModelError
from platypus.model import load_base
from platypus.prefix import pack, summed_loss
from platypus.prompt import Prompt
from platypus.recipe import Recipe
from platypus.stages.base import Lessons, base, lesson, new_model, train_tokenizer

SMALL = Recipe.model_validate(
    {
        "prompt": {"notation": "calls"},
        "pretrain": {
            **{"hidden_size": 32, "layers": 2, "heads": 2, "intermediate_size": 64, "vocabulary": 400, "steps": 3},
            **{"requests_per_catalogue": 3, "catalogues_per_step": 1, "max_tools": 4, "evaluate_every": 3},
        },
    }
)


def test_a_packed_batch_has_the_loss_and_gradients_of_its_rows() -> None:
    tokenizer = train_tokenizer(SMALL, lessons=8)
    model = new_model(SMALL.pretrain, tokenizer, seed=0).double()
    drawn = lesson("packing", tools=5, requests=4)
    rows = Prompt(tokenizer, drawn.catalogue, "calls").encode_all(drawn.examples)
    packed = pack(rows)
    assert packed.ids.numel() < sum(len(row.ids) for row in rows) / 2
    loss = summed_loss(model, packed)
    loss.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    separate = torch.zeros((), dtype=torch.float64)
    for row in rows:
        logits = model(input_ids=torch.tensor([row.ids])).logits[0, :-1]
        one = F.cross_entropy(logits, torch.tensor(row.labels[1:]), ignore_index=-100, reduction="sum")
        one.backward()
        separate += one.detach()
    assert loss.item() == pytest.approx(separate.item(), rel=1e-6)
    for packed_gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(packed_gradient, parameter.grad, rtol=1e-4, atol=1e-5)


def test_lessons_are_drawn_from_their_key_alone() -> None:
    assert lesson("7/3", tools=6, requests=5) == lesson("7/3", tools=6, requests=5)
    assert lesson("7/3", tools=6, requests=5).catalogue != lesson("7/4", tools=6, requests=5).catalogue


def test_catalogues_grow_over_the_first_third() -> None:
    tokenizer = train_tokenizer(SMALL, lessons=8)
    long = SMALL.model_copy(update={"pretrain": SMALL.pretrain.model_copy(update={"steps": 300, "max_tools": 20})})
    lessons = Lessons(long, tokenizer)
    early = sum(batch.ids.numel() for step in range(5) for batch in lessons[step])
    late = sum(batch.ids.numel() for step in range(200, 205) for batch in lessons[step])
    assert late > 1.5 * early


def test_digits_are_tokens_of_their_own() -> None:
    tokenizer = train_tokenizer(SMALL, lessons=8)
    pieces = tokenizer.tokenize("DEVU-1234")
    assert pieces[-4:] == ["1", "2", "3", "4"]


def test_a_run_gives_the_same_base_twice_and_it_opens(tmp_path: Path) -> None:
    results = base(SMALL, tmp_path / "a")
    again = base(SMALL, tmp_path / "b")
    assert results["fingerprint"] == again["fingerprint"]
    card = json.loads((tmp_path / "a" / "base.json").read_text())
    assert [point["step"] for point in card["history"]] == [3]
    loaded = load_base(str(tmp_path / "a"))
    assert loaded.context == SMALL.pretrain.context
    assert loaded.tokenizer.pad_token != loaded.tokenizer.eos_token


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ModelError, match="not replaced"):
        base(SMALL, tmp_path / "photos")
