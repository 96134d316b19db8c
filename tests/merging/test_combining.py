"""Several adapters and models in one base, streamed, against the same formulas on whole float64 tensors."""

import json
import shutil
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from platypus.errors import ModelError
from platypus.merging.combining import ALONE, Combination, Combined, LayerWeights, facts_of, merge_sources
from platypus.merging.methods import METHODS, merge
from platypus.merging.sources import AdapterSource, ModelSource, Source
from platypus.model.bases import weight_files
from platypus.model.stored_weights import StoredWeights
from platypus.run.provenance import header_of
from tests.support.merges import peft_adapter
from tests.support.tiny_bases import llama, smollm

WEIGHTS = (0.8, 0.5)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("combining") / "base")


@pytest.fixture(scope="module")
def tuned(base: Path) -> tuple[Path, Path]:
    """An adapter of some layers, and a whole model that another adapter was merged into."""
    folder = base.parent
    peft_adapter(base, folder / "adapter", target_modules=["q_proj", "down_proj"], seed=1)
    whole: Any = peft_adapter(base, folder / "other", target_modules=["q_proj", "up_proj"], use_rslora=True, seed=2)
    whole.merge_and_unload().save_pretrained(folder / "model")
    return folder / "adapter", folder / "model"


def sources(base: Path, tuned: tuple[Path, Path]) -> list[Source]:
    stored = StoredWeights.of(base)
    return [AdapterSource.of(base, stored, tuned[0]), ModelSource(tuned[1], base, stored)]


def written(base: Path, of: list[Source], folder: Path, combination: Combination, *, dtype: str = "float32") -> Any:
    folder.mkdir()
    facts = facts_of("base", "f", of, combination=combination, dtype=dtype)
    merge_sources(base, of, folder, combination=combination, dtype=dtype, max_shard_size="20KB", facts=facts)
    return {name: value for file in weight_files(folder) for name, value in load_file(file).items()}


def changes_of(base: Path, tuned: tuple[Path, Path]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The base's tensors and what each source adds to them, in float64, computed from the files alone."""
    bare = {name: value.double() for name, value in load_file(base / "model.safetensors").items()}
    lora = load_file(tuned[0] / "adapter_model.safetensors")
    added = {name: torch.zeros_like(value) for name, value in bare.items()}
    for name in added:
        own = f"base_model.model.{name.removesuffix('.weight')}.lora_{{}}.weight"
        if own.format("A") in lora:
            added[name] = 2 * lora[own.format("B")].double() @ lora[own.format("A")].double()
    whole = load_file(tuned[1] / "model.safetensors")
    return bare, [added, {name: whole[name].double() - bare[name] for name in bare}]


@pytest.mark.parametrize("method", [name for name in METHODS if "dare" not in name])
def test_streamed_and_whole_are_the_same(tmp_path: Path, base: Path, tuned: tuple[Path, Path], method: str) -> None:
    combination = Combination(method, WEIGHTS, density=0.4)
    found = written(base, sources(base, tuned), tmp_path / "merged", combination)
    bare, changes = changes_of(base, tuned)
    for name, weight in bare.items():
        each = [change[name] for change in changes]
        expected = merge(weight, each, method=method, weights=WEIGHTS, density=0.4)
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_plain_transformers_gives_the_logits_of_the_reference(
    tmp_path: Path, base: Path, tuned: tuple[Path, Path], method: str
) -> None:
    """Reopened from its files, against the formula on the base in float64."""
    combination = Combination(method, WEIGHTS, density=0.4, seed=3)
    written(base, sources(base, tuned), tmp_path / "merged", combination)
    shutil.copy(base / "config.json", tmp_path / "merged")
    bare, changes = changes_of(base, tuned)
    reference: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    state = reference.state_dict()
    for name, weight in bare.items():
        draw = 3 + zlib.crc32(name.encode())
        each = [change[name] for change in changes]
        state[name].copy_(merge(weight, each, method=method, weights=WEIGHTS, density=0.4, seed=draw))
    reopened: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        found, expected = reopened(ids).logits.double(), reference(ids).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["dare", "dare-ties"])
def test_random_pruning_is_drawn_by_the_seed(tmp_path: Path, base: Path, tuned: tuple[Path, Path], method: str) -> None:
    how = Combination(method, WEIGHTS, density=0.5)
    name = "model.layers.0.self_attn.q_proj.weight"
    one, same, other = (
        written(base, sources(base, tuned), tmp_path / str(number), replace(how, seed=seed))[name]
        for number, seed in enumerate((3, 3, 4))
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_one_adapter_of_weight_1_is_the_plain_merge_and_layers_have_weights(
    tmp_path: Path, base: Path, tuned: tuple[Path, Path]
) -> None:
    adapter = sources(base, tuned)[:1]
    alone = written(base, adapter, tmp_path / "alone", ALONE)
    layers = (LayerWeights(1, 1, (0.0,)),)
    first = written(base, adapter, tmp_path / "first", Combination("task-arithmetic", (1.0,), layers=layers))
    bare = load_file(base / "model.safetensors")
    for name, value in first.items():
        in_first = ".layers.1." not in name
        torch.testing.assert_close(value, alone[name] if in_first else bare[name], rtol=1e-6, atol=1e-6)
    assert any(not torch.equal(alone[name], bare[name]) for name in bare if ".layers.1." in name)


def test_in_core_space(tmp_path: Path, base: Path, tuned: tuple[Path, Path]) -> None:
    """Of one adapter nothing is lost; a whole model has no factors, and is refused by name."""
    adapter = sources(base, tuned)[:1]
    how = Combination("ties", (1.0,), density=1.0, core_space=True)
    alone = written(base, adapter, tmp_path / "alone", ALONE)
    for name, value in written(base, adapter, tmp_path / "core", how).items():
        torch.testing.assert_close(value, alone[name], rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match="core_space is for changes of low rank") as raised:
        written(base, sources(base, tuned), tmp_path / "refused", replace(how, weights=(1.0, 1.0)))
    assert raised.value.where == str(tuned[1])
    assert not list((tmp_path / "refused").iterdir())


def test_one_rounding_to_the_dtype(tmp_path: Path, base: Path, tuned: tuple[Path, Path]) -> None:
    """The base in bfloat16: the sum is rounded, not the change, so it is that of float64 but for one rounding."""
    half = Path(shutil.copytree(base, tmp_path / "half"))
    rounded = {name: value.bfloat16() for name, value in load_file(base / "model.safetensors").items()}
    save_file(rounded, half / "model.safetensors", metadata={"format": "pt"})
    adapter: list[Source] = [AdapterSource.of(half, StoredWeights.of(half), tuned[0])]
    found = written(half, adapter, tmp_path / "merged", ALONE, dtype="bfloat16")
    _, (added, _) = changes_of(base, tuned)
    for name, value in found.items():
        exact = rounded[name].double() + added[name]
        assert value.dtype == torch.bfloat16
        assert ((value.double() - exact).abs() <= exact.abs() * 2**-8 + 1e-7).all(), name


def test_the_header_says_where_the_weights_come_from(tmp_path: Path, base: Path, tuned: tuple[Path, Path]) -> None:
    of = sources(base, tuned)
    written(base, of, tmp_path / "merged", Combination("ties", WEIGHTS, density=0.3))
    for file in weight_files(tmp_path / "merged"):
        facts = header_of(file)
        assert [source["weight"] for source in facts["sources"]] == [*WEIGHTS]
        assert (facts["method"], facts["settings"]["density"]) == ("ties", 0.3)
    (tmp_path / "merged" / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ModelError, match="this adapter is merged into it already"):
        AdapterSource.of(tmp_path / "merged", StoredWeights.of(tmp_path / "merged"), tuned[0])


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("task-arithmetic", {}),
        ("linear", {}),
        ("slerp", {}),
        ("magnitude", {"density": 0.5}),
        ("ties", {"density": 0.5}),
        ("dare", {"density": 0.5, "seed": 3}),
        ("dare-ties", {"density": 0.5, "seed": 3}),
    ],
)
def test_only_settings_with_an_effect_are_told(method: str, told: dict[str, Any]) -> None:
    assert Combination(method, WEIGHTS, 0.5, seed=3).to_json() == told
    assert Combination(method, WEIGHTS, 1.0, seed=3).to_json() == {}


def test_models_of_other_shapes_are_refused(tmp_path: Path, base: Path, tuned: tuple[Path, Path]) -> None:
    stored, other = StoredWeights.of(base), Path(shutil.copytree(tuned[1], tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(3)
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of its tensors .* model\.norm\.weight is \[3\], in the base \[16\]"):
        ModelSource(other, base, stored)
    config = json.loads((tuned[1] / "config.json").read_text()) | {"rms_norm_eps": 1e-3}
    (tuned[1] / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="another rms_norm_eps"):
        ModelSource(tuned[1], base, stored)


def test_what_is_combined_is_of_one_shape(tmp_path: Path, base: Path, tuned: tuple[Path, Path]) -> None:
    peft_adapter(base, tmp_path / "grown", rows=520, target_modules=["q_proj"])
    stored = StoredWeights.of(base)
    of: list[Source] = [AdapterSource.of(base, stored, folder) for folder in (tuned[0], tmp_path / "grown")]
    with pytest.raises(ModelError, match="tensors of two shapes are not combined"):
        Combined(stored, of, Combination("ties", WEIGHTS), dtype=torch.float32)


def test_new_tokens_are_merged_with_the_weight_1_only(tmp_path: Path, base: Path) -> None:
    peft_adapter(base, tmp_path / "grown", rows=520, target_modules=["q_proj"])
    stored = StoredWeights.of(base)
    of: list[Source] = [AdapterSource.of(base, stored, tmp_path / "grown")]
    for how in (Combination("task-arithmetic", (0.5,)), Combination("ties", (1.0,))):
        with pytest.raises(ModelError, match="tensors of two shapes are not combined"):
            Combined(stored, of, how, dtype=torch.float32)
    layers = (LayerWeights(0, 0, (0.5,)),)
    Combined(stored, of, Combination("task-arithmetic", (1.0,), layers=layers), dtype=torch.float32)


@pytest.mark.parametrize("adapted", ["embed_tokens", "lm_head"])
def test_a_head_that_an_adapter_unties_keeps_what_others_made_of_it(tmp_path: Path, adapted: str) -> None:
    """A fine-tune whose head is its embedding, and an adapter that changes one of the two."""
    base, tuned = smollm(tmp_path / "base"), tmp_path / "tuned"
    shutil.copytree(base, tuned)
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    bare = load_file(base / "model.safetensors")
    save_file(bare | {embedding: bare[embedding] + 1}, tuned / "model.safetensors", metadata={"format": "pt"})
    peft_adapter(base, tmp_path / "adapter", target_modules=[adapted])
    stored = StoredWeights.of(base)
    adapter = AdapterSource.of(base, stored, tmp_path / "adapter")
    combined = Combined(
        stored,
        [adapter, ModelSource(tuned, base, stored)],
        Combination("task-arithmetic", WEIGHTS),
        dtype=torch.float32,
    )
    own = {name: adapter.change(name, bare[embedding]) for name in adapter.changed}
    assert len(own) == 1 and combined.changed >= {embedding, head}
    for name in (embedding, head):
        expected = bare[embedding] + 0.5 + 0.8 * own.get(name, torch.zeros(1))
        torch.testing.assert_close(combined.make(name), expected, rtol=1e-5, atol=1e-5)


def test_layers_that_the_base_does_not_have(base: Path, tuned: tuple[Path, Path]) -> None:
    stored = StoredWeights.of(base)
    how = Combination("ties", (1.0,), layers=(LayerWeights(0, 2, (0.0,)),))
    with pytest.raises(ModelError, match="layers 0 to 2 get weights of their own, and the base's last layer is 1"):
        Combined(stored, [AdapterSource.of(base, stored, tuned[0])], how, dtype=torch.float32)
