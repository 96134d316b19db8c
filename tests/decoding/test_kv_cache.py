"""Requests after a common prefix get the logits that they get alone, however they join, branch, leave and move."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)

from platypus.decoding.kv_cache import (
    ROOM,
    BatchCache,
    CachedPrefix,
    CacheSlots,
    check_keys_and_values,
    load_or_compute_prefix,
)
from platypus.decoding.transformers_cache import TransformersCache
from platypus.errors import ModelError
from platypus.model.loading import Loaded, load_base
from tests.support.tiny_bases import falcon, gemma3, gpt2, mixtral, phi3, pythia, qwen3_moe, tiny
from tests.support.tiny_models import byte_bpe_tokenizer, tiny_llama

VOCABULARY = 300


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_base(str(tiny_llama(tmp_path_factory.mktemp("base") / "base", seed=4)))


@torch.inference_mode()
def alone(loaded: Loaded, ids: list[int]) -> np.ndarray:
    return np.asarray(loaded.model(input_ids=torch.tensor([ids])).logits[0, -1])


@torch.inference_mode()
def read(
    loaded: Loaded, store: BatchCache, owns: list[CacheSlots], chunks: list[list[int]], *, window: int | None = None
) -> tuple[list[CacheSlots], np.ndarray]:
    """One pass over a chunk of each row; returns the rows' new slots and the logits after each chunk."""
    counts = [len(chunk) for chunk in chunks]
    positions = [own.read + i for own, count in zip(owns, counts, strict=True) for i in range(count)]
    reservation = store.take(owns, counts, window=window)
    config: Any = loaded.model.config
    output = loaded.model(
        input_ids=torch.tensor([[token for chunk in chunks for token in chunk]]),
        position_ids=torch.tensor([positions]),
        attention_mask=reservation.masks_for(config),
        past_key_values=TransformersCache(store),
        use_cache=True,
    )
    return reservation.owns, np.asarray(output.logits[0, np.cumsum(counts) - 1])


def test_rows_of_any_length_join_and_leave_and_see_only_themselves(loaded: Loaded) -> None:
    rng = Random(0)
    prefix = [rng.randrange(3, VOCABULARY) for _ in range(40)]
    store = BatchCache(CachedPrefix.compute(loaded, prefix))
    rows: list[tuple[CacheSlots, list[int]]] = []
    moved = 0
    for _ in range(30):
        if len(rows) < 4:  # some share only a part of the prefix
            begin = rng.choice((40, 40, 0, 17))
            rows.append((CacheSlots(begin), prefix[:begin]))
        chunks = [[rng.randrange(3, VOCABULARY) for _ in range(rng.choice((1, 1, 3, 20)))] for _ in rows]
        owns, logits = read(loaded, store, [own for own, _ in rows], chunks)
        rows = [(own, ids + chunk) for own, (_, ids), chunk in zip(owns, rows, chunks, strict=True)]
        for (own, ids), row_logits in zip(rows, logits, strict=True):
            assert own.read == len(ids)
            assert row_logits == pytest.approx(alone(loaded, ids), abs=1e-4)
        rng.shuffle(rows)
        rows = [row for row in rows if rng.random() < 0.8]
        if rows and store.waste([own for own, _ in rows]) > 0:
            moved += 1
            moved_owns = store.keep([own for own, _ in rows])
            rows = [(own, ids) for own, (_, ids) in zip(moved_owns, rows, strict=True)]
    assert moved > 2


def test_continuations_share_their_common_beginning(loaded: Loaded) -> None:
    prefix, common = list(range(10, 30)), [7, 8, 9]
    store = BatchCache(CachedPrefix.compute(loaded, prefix))
    (parent,), _ = read(loaded, store, [CacheSlots(20)], [common])
    children, logits = read(loaded, store, [parent, parent, parent], [[40], [41, 42], [43]])
    assert logits[1] == pytest.approx(alone(loaded, [*prefix, *common, 41, 42]), abs=1e-4)
    _, logits = read(loaded, store, [children[2], children[0]], [[44], [45]])
    assert logits[0] == pytest.approx(alone(loaded, [*prefix, *common, 43, 44]), abs=1e-4)
    assert logits[1] == pytest.approx(alone(loaded, [*prefix, *common, 40, 45]), abs=1e-4)


def test_the_prefix_stays_unchanged(loaded: Loaded) -> None:
    computed = CachedPrefix.compute(loaded, list(range(10, 30)))
    store = BatchCache(computed)
    for _ in range(3):
        store.clear()
        (own,), logits = read(loaded, store, [CacheSlots(20)], [[5] * (ROOM + 10)])
        assert logits[0] == pytest.approx(alone(loaded, [*range(10, 30), *[5] * (ROOM + 10)]), abs=1e-4)
        assert own.read == 20 + ROOM + 10
    for before, after in zip(computed.layers, store.prefix.layers, strict=True):
        assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    assert store.prefix.ids == tuple(range(10, 30))


def test_a_prefix_on_disk_is_read_instead_of_computed(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = list(range(10, 30))
    computed = load_or_compute_prefix(loaded, ids, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(CachedPrefix, "compute", None)
        again = load_or_compute_prefix(loaded, ids, tmp_path)
    assert again.ids == computed.ids == tuple(ids)
    for before, after in zip(computed.layers, again.layers, strict=True):
        assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1])
    shorter = load_or_compute_prefix(loaded, ids[:-1], tmp_path)  # another prefix is not mistaken for it
    assert shorter.layers[0][0].shape[2] == 19
    assert len(list(tmp_path.iterdir())) == 2


def test_a_prefix_that_cannot_be_kept_is_used_all_the_same(
    loaded: Loaded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    computed = load_or_compute_prefix(loaded, list(range(10, 30)), tmp_path / "file" / "folder")
    assert computed.ids == tuple(range(10, 30))
    assert "cannot be kept" in capsys.readouterr().err


# ---------------------------------------------------------------- other architectures


@pytest.mark.parametrize("make", [gpt2, pythia, falcon, phi3, mixtral, qwen3_moe], ids=lambda make: str(make.__name__))
def test_other_architectures_see_only_their_own_row_too(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    loaded = load_base(str(make(tmp_path / "base")), device="cpu", dtype="float32")
    check_keys_and_values(loaded)
    prefix = list(range(10, 30))
    store = BatchCache(CachedPrefix.compute(loaded, prefix))
    owns, _ = read(loaded, store, [CacheSlots(20), CacheSlots(7), CacheSlots(0)], [[40, 41, 42], [43], [44, 45]])
    _, logits = read(loaded, store, owns, [[50], [51, 52], [53]])
    expected = [[*prefix, 40, 41, 42, 50], [*prefix[:7], 43, 51, 52], [44, 45, 53]]
    for row_logits, ids in zip(logits, expected, strict=True):
        assert row_logits == pytest.approx(alone(loaded, ids), rel=1e-4, abs=1e-3)


def windowed_mistral(folder: Path) -> Path:
    return tiny(folder, MistralForCausalLM, MistralConfig, byte_bpe_tokenizer(), sliding_window=16)


def windowed_gemma2(folder: Path) -> Path:
    return tiny(folder, Gemma2ForCausalLM, Gemma2Config, byte_bpe_tokenizer(), head_dim=4, sliding_window=16)


@pytest.mark.parametrize("make", [windowed_mistral, windowed_gemma2, gemma3], ids=lambda make: str(make.__name__))
def test_layers_with_a_window_see_no_further(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A window of 16 tokens in all layers, or in every second one; rows that are longer, and one that is not."""
    loaded = load_base(str(make(tmp_path / "base")), device="cpu", dtype="float32")
    rng = Random(0)
    prefix, *chunks = ([rng.randrange(3, VOCABULARY) for _ in range(size)] for size in (20, 12, 3, 5))
    store = BatchCache(CachedPrefix.compute(loaded, prefix))
    owns, _ = read(loaded, store, [CacheSlots(20), CacheSlots(15), CacheSlots(0)], chunks, window=16)
    moved = store.keep(owns[::-1])
    _, logits = read(loaded, store, moved, [[50], [51, 52], [53, 54, 55]], window=16)
    expected = [[*chunks[2], 50], [*prefix[:15], *chunks[1], 51, 52], [*prefix, *chunks[0], 53, 54, 55]]
    for row_logits, ids in zip(logits, expected, strict=True):
        assert row_logits == pytest.approx(alone(loaded, ids), rel=1e-4, abs=1e-3)


@pytest.mark.parametrize(
    ("model", "config", "options", "why"),
    [
        (BloomForCausalLM, BloomConfig, {"n_layer": 1, "n_head": 2}, "ALiBi"),
        (FalconForCausalLM, FalconConfig, {"alibi": True}, "ALiBi"),
        (MambaForCausalLM, MambaConfig, {}, "keep a state"),
    ],
)
def test_a_model_that_cannot_compute_so_is_refused_by_name(
    tmp_path: Path, model: Any, config: Any, options: dict[str, Any], why: str
) -> None:
    loaded = load_base(str(tiny(tmp_path / "base", model, config, byte_bpe_tokenizer(), **options)), device="meta")
    with pytest.raises(ModelError, match=f"cannot plan under a grammar: .*{why}") as raised:
        check_keys_and_values(loaded)
    assert "free" in raised.value.remedy
