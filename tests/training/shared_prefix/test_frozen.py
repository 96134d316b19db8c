"""Frozen prefixes: the gradients and logits of PEFT's own activated LoRA, from a prefix that is computed once."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from platypus.model.loading import Loaded
from platypus.prompt.prompt import EncodedExample
from platypus.training.shared_prefix import frozen, loss
from platypus.training.shared_prefix.frozen import FrozenPrefixes, LatestPrefixes, behind_one_prefix, compute, size
from platypus.training.shared_prefix.loss import accumulate, answer_length, summed_loss
from platypus.training.shared_prefix.prefix import DENSE, FLASH, VERIFIED, SharedPrefix, Suffixes, suffix_pass
from tests.support.tiny_models import byte_bpe_tokenizer
from tests.training.shared_prefix.test_prefix import CONFIGS, Precise, assert_close, gradients, rows

INVOCATION = [197, 198, 199]
PREFIX = 40
DROPPED = 0.4


def requests(count: int = 16) -> list[EncodedExample]:
    """Rows behind one prefix, then the invocation, then request and answer; each has a name of its own."""
    made = []
    for number, row in enumerate(rows(count=count)):
        ids = [token % 190 for token in row.ids]
        ids = [*ids[:PREFIX], *INVOCATION, *ids[PREFIX:]]
        made.append(EncodedExample(tuple(ids), row.prompt_length + 3, f"row {number}", frozen=PREFIX))
    return made


class SameNoise(torch.nn.Module):
    """Dropout whose noise depends on the layer, the row and the place in it, however rows are put together."""

    places: ClassVar[dict[int, list[tuple[str, int]]]] = {}  # of the tokens that a call may have, by their number
    drawn: ClassVar[dict[tuple[str, str, int], torch.Tensor]] = {}

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * torch.stack(
            [self.noise(place, values.shape[-1]) for place in self.places[values.shape[-2]]]
        ).to(values.dtype)

    def noise(self, place: tuple[str, int], width: int) -> torch.Tensor:
        key = (self.layer, *place)
        if key not in self.drawn:
            draw = torch.Generator().manual_seed(hash(key) % 2**31)
            self.drawn[key] = (torch.rand(width, generator=draw) >= DROPPED) / (1 - DROPPED)
        return self.drawn[key]


def adapted(kind: str, *, dtype: torch.dtype, noisy: bool, activated: bool, attention: str) -> Loaded:
    """A random model with a moved adapter; PEFT's own activated LoRA, or plain LoRA as it is trained here."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(CONFIGS[kind], dtype=dtype, attn_implementation="eager")
    tokens = INVOCATION if activated else None
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", alora_invocation_tokens=tokens)
    model = get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter, dtype=dtype) / 5
    if noisy:
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer):
                module.lora_dropout["default"] = SameNoise(name)
    base.set_attn_implementation(attention)
    return Loaded(model=model.train(), tokenizer=byte_bpe_tokenizer(), source="random", fingerprint="")


def by_peft(kind: str, examples: Sequence[EncodedExample], **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients, and the logits at all places that predict an answer, of the ordinary, padded batch."""
    loaded = adapted(kind, activated=True, attention="eager", **options)
    longest = max(len(row.ids) for row in examples)
    ids = torch.tensor([[*row.ids, *[2] * (longest - len(row.ids))] for row in examples])
    SameNoise.places = {
        len(examples) * (longest - PREFIX): [(row.name, at) for row in examples for at in range(PREFIX, longest)]
    }
    with Precise() if options["dtype"] == torch.float64 else contextlib.nullcontext():
        logits = loaded.model(input_ids=ids).logits
    kept = torch.cat([logits[number, row.prompt_length - 1 : len(row.ids) - 1] for number, row in enumerate(examples)])
    targets = torch.tensor([token for row in examples for token in row.ids[row.prompt_length :]])
    torch.nn.functional.cross_entropy(kept, targets).backward()
    return gradients(loaded), kept.detach()


def by_frozen(loaded: Loaded, examples: Sequence[EncodedExample], *, group: int) -> torch.Tensor:
    """The gradients here, which are not left in the model."""
    accumulate(loaded, examples, answer_tokens=sum(map(answer_length, examples)), micro_batch_size=group)
    found = gradients(loaded)
    loaded.model.zero_grad()
    return found


@pytest.fixture(autouse=True)
def known_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """The noise of a pass is that of the tokens in it; behind the last layer's attention, of those that predict."""

    def watched(part: Sequence[EncodedExample], prefix: Any) -> Suffixes:
        suffixes = suffix_pass(part, prefix)
        every = [(row.name, at) for row in part for at in range(row.frozen, len(row.ids))]
        predicting = [every[at] for at in suffixes.forward.predicting]
        SameNoise.places = {len(every): every, len(predicting): predicting}
        return suffixes

    monkeypatch.setattr(loss, "suffix_pass", watched)


@pytest.mark.parametrize(
    ("kind", "noisy"), [*((kind, False) for kind in CONFIGS), *((kind, True) for kind in CONFIGS if kind in VERIFIED)]
)
def test_gradients_and_logits_equal_those_of_activated_lora_on_the_ordinary_batch(kind: str, noisy: bool) -> None:
    examples = requests()
    for dtype, tolerance in ((torch.float64, 1e-7), (torch.float32, 2e-5)):  # 1e-5 each, as threads add up
        expected, logits = by_peft(kind, examples, dtype=dtype, noisy=noisy)
        loaded = adapted(kind, activated=False, attention=FLASH, dtype=dtype, noisy=noisy)
        with Precise() if dtype == torch.float64 else contextlib.nullcontext():
            for group in (1, 3, 16) if dtype == torch.float32 else (3,):
                assert_close(by_frozen(loaded, examples, group=group), expected, tolerance)
            with torch.no_grad():
                prefix = compute(loaded, examples[0].ids[:PREFIX])
                assert_close(loss.suffix_pass(examples, prefix).forward.logits(loaded.model), logits, tolerance)


def test_gradients_are_the_same_with_a_dense_mask_and_with_checkpointing() -> None:
    examples, options = requests(5), {"dtype": torch.float32, "noisy": False}
    expected, _ = by_peft("llama", examples, **options)
    assert_close(
        by_frozen(adapted("llama", activated=False, attention=DENSE, **options), examples, group=2), expected, 1e-5
    )
    loaded = adapted("llama", activated=False, attention=FLASH, **options)
    loaded.model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    assert_close(by_frozen(loaded, examples, group=2), expected, 1e-5)


def test_rows_behind_other_tools_have_a_prefix_of_their_own_and_each_is_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With room for both, once in all steps; with room for one, again when it is needed; the gradients are the same."""
    computed: list[int] = []

    def counted(loaded: Loaded, ids: Sequence[int]) -> SharedPrefix:
        computed.append(len(ids))
        return compute(loaded, ids)

    monkeypatch.setattr(frozen, "compute", counted)
    one, other = requests(4), [replace(row, ids=row.ids[10:], frozen=30, prompt_length=9) for row in requests(3)]
    mixed = [row for pair in zip(one, other, strict=False) for row in pair]
    assert [len(group) for group in behind_one_prefix(mixed).values()] == [3, 3]
    options: dict[str, Any] = {"activated": False, "attention": FLASH, "dtype": torch.float64, "noisy": False}
    apart = adapted("llama", **options)
    for part in (one[:3], other) * 2:
        accumulate(apart, part, answer_tokens=9, micro_batch_size=2)
    for room, times in ((1e9, [40, 30]), (0, [40, 30, 40, 30])):
        computed.clear()
        kept, together = FrozenPrefixes(room), adapted("llama", **options)
        for _ in range(2):
            accumulate(together, mixed, answer_tokens=9, micro_batch_size=2, kept=kept)
        assert computed == times
        assert_close(gradients(together), gradients(apart), 1e-7)
        assert summed_loss(together, mixed, micro_batch_size=4, kept=kept) > 0
    leaves = compute(apart, one[0].ids[:40]).leaves.values()
    assert len(leaves) == 3 and not any(part.requires_grad for pair in leaves for part in pair)
    assert size(compute(apart, one[0].ids[:40])) == 3 * 2 * 2 * 40 * 8 * 8


def test_what_was_needed_last_is_kept() -> None:
    latest = LatestPrefixes(room=10)
    assert latest.need((1,), 4) == latest.need((2,), 4) == latest.need((1,), 4) == []
    assert latest.need((3,), 5) == [(2,)] and (1,) in latest and (2,) not in latest
    assert latest.need((4,), 50) == [(1,), (3,)] and (latest.used, latest.most) == (50, 50)
    assert latest.need((5,), 1) == [(4,)]
