"""A saved model that transformers before release 5 reads as the same model.

Release 5 writes rotary settings as `rope_parameters`, which 4.57 does not know: it takes its default, a theta of
10,000, without a word. It also writes tokenizer classes and lists that 4.57 refuses. So a folder gets both spellings.
The installed release reads it before and after, and must find the same settings, ids and texts.

Source of the earlier keys: the configuration classes of transformers 4.57.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

GENERIC_TOKENIZER = "PreTrainedTokenizerFast"  # known to every release: does what tokenizer.json says, and nothing else
ONLY_IN_5 = frozenset({"backend", "is_local", "local_files_only"})  # keys that tell a reader nothing
BY_KIND_OF_LAYER = ("gemma3", "olmo3")  # models whose layers differ, of which 4.57 knows how
AWKWARD = (" leading", "two  spaces\n\n\tand\r\nlines", "12345 6.7", "naïve 漢字 🙂", "<s>special</s><|im_end|>", "")


def write_both_spellings(folder: Path, *, texts: Sequence[str]) -> tuple[str, ...]:
    """Add the earlier spelling to config.json and tokenizer_config.json of a folder; returns what it cannot spell.

    `texts` are examples of what the tokenizer will read. A file that the installed release would then read otherwise
    stays as it was.
    """
    problems = []
    if not _rewrite(folder / "config.json", _with_earlier_keys, lambda: _settings_read(folder)):
        problems.append("the rotary settings in config.json have no spelling there")
    has_file = (folder / "tokenizer.json").is_file()
    if has_file and not _rewrite(
        folder / "tokenizer_config.json", _with_generic_class, lambda: _tokens_read(folder, [*texts, *AWKWARD])
    ):
        problems.append("the tokenizer needs a class that only release 5 has")
    return tuple(problems)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None], read: Callable[[], Any]) -> bool:
    """Change a JSON file, if `read` gives the same before and after. Returns whether it was changed."""
    written, before = path.read_text(encoding="utf-8"), read()
    changed = change(json.loads(written))
    if changed is None:
        return False
    path.write_text(json.dumps(changed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if read() == before:
        return True
    path.write_text(written, encoding="utf-8")
    return False


# ---------------------------------------------------------------- config.json


def _with_earlier_keys(config: dict[str, Any]) -> dict[str, Any] | None:
    """The config, and the configs of its parts, with the keys of transformers 4; None if there are none for them."""
    earlier = earlier_rotary_settings(config.get("rope_parameters") or {}, config["model_type"])
    if earlier is None:
        return None
    for name, part in config.items():
        if isinstance(part, dict) and "model_type" in part:
            earlier[name] = _with_earlier_keys(part)
            if earlier[name] is None:
                return None
    if "dtype" in config:
        earlier["torch_dtype"] = config["dtype"]  # its name before 4.56
    if config["model_type"].startswith("qwen") and "num_local_experts" in config:
        earlier["num_experts"] = config["num_local_experts"]
    return config | earlier


def earlier_rotary_settings(parameters: Mapping[str, Any], model_type: str) -> dict[str, Any] | None:
    """`rope_parameters` in the keys of transformers 4; None if it has none for them.

    `{"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}` becomes
    `{"rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}`.
    """
    if not parameters:
        return {}
    if not isinstance(next(iter(parameters.values())), Mapping | None):
        return _of_all_layers(parameters, model_type)
    if not model_type.startswith(BY_KIND_OF_LAYER) or not parameters.keys() <= {"full_attention", "sliding_attention"}:
        return None
    sliding = parameters.get("sliding_attention") or {}
    if sliding.get("rope_type", "default") != "default":
        return None
    local = {"rope_local_base_freq": sliding["rope_theta"]} if "rope_theta" in sliding else {}
    return _of_all_layers(parameters.get("full_attention") or {}, model_type) | local


def _of_all_layers(parameters: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    theta, share = "rope_theta", "partial_rotary_factor"
    scaling: dict[str, Any] | None = {key: value for key, value in parameters.items() if key not in (theta, share)}
    if scaling is None or scaling.get("rope_type", "default") == "default":
        scaling = None
    elif model_type == "phi3":  # which takes these three keys and no others
        scaling = {"type": scaling["rope_type"], **{key: scaling[key] for key in ("short_factor", "long_factor")}}
    names = {theta: theta, share: share}
    if model_type.startswith("gpt_neox"):
        names = {theta: "rotary_emb_base", share: "rotary_pct"}
    return {"rope_scaling": scaling} | {own: parameters[key] for key, own in names.items() if key in parameters}


def _settings_read(folder: Path) -> dict[str, Any]:
    """What the installed release reads from config.json, apart from the keys that only add a spelling."""
    settings: dict[str, Any] = AutoConfig.from_pretrained(folder).to_dict()
    (settings.get("rope_parameters") or {}).pop("type", None)
    added = ("rope_scaling", "rope_theta", "rope_local_base_freq", "partial_rotary_factor", "num_experts")
    return {key: value for key, value in settings.items() if key not in added}


# ---------------------------------------------------------------- tokenizer_config.json


def _with_generic_class(settings: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if key not in ONLY_IN_5}
    if isinstance(kept.get("extra_special_tokens"), list):  # 4.57 reads names of tokens there
        kept["additional_special_tokens"] = kept.pop("extra_special_tokens")
    return kept | {"tokenizer_class": GENERIC_TOKENIZER}


def _tokens_read(folder: Path, texts: Sequence[str]) -> list[Any]:
    """What the installed release makes of texts and their ids, and its special tokens."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer(text)["input_ids"] for text in texts]
    special = {key: value for key, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    return [ids, [tokenizer.decode(some) for some in ids], special, sorted(tokenizer.all_special_tokens)]
