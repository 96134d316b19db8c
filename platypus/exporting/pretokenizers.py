r"""Which of llama.cpp's ways to split a text, before byte-level BPE, is that of a tokenizer.

llama.cpp has them compiled in, by name, and its converter knows published tokenizers by the ids of one text. A
tokenizer of someone's own training is not among them, and with a wrong name it gets other ids, without an error. So the
splits in `tokenizer.json` are compared with those of llama.cpp. A split that no merge of the vocabulary crosses makes
no difference, such as one between `a` and `B` where no token holds both; it is left out of the comparison.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import regex

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_BEFORE_CAPITAL = "(?<=[a-z])(?=[A-Z])"
DIGITS = r"\p{N}"
_LLAMA3 = rf"{_CONTRACTIONS}|\p{{N}}{{1,3}}|{_TAIL}"
KNOWN: Mapping[tuple[tuple[str, ...], bool], str] = {  # the splits in order, `ignore_merges` → the name in llama.cpp
    ((_GPT2,), False): "gpt-2",
    ((DIGITS, _GPT2), False): "smollm",
    ((_LLAMA3,), True): "llama-bpe",
    ((_LLAMA3,), False): "dbrx",
    ((rf"{_CONTRACTIONS}|\p{{N}}|{_TAIL}",), False): "qwen2",
}
EQUAL = {r"\d": DIGITS, "[0-9]": DIGITS}  # but for number characters such as ½: a known loss


def pretokenizer_of(model: Path) -> str | None:
    """llama.cpp's name for the splits of a model's byte-level BPE; None if they are not in the table above.

    Not looked at: NFC, which many tokenizers make of a text and llama.cpp does not.
    """
    data = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    normalised = None if data["normalizer"] is None else data["normalizer"]["type"]
    splits = tuple(_splits(data["pre_tokenizer"] or {}, data["model"]["vocab"]))
    known = KNOWN.get((splits, bool(data["model"].get("ignore_merges"))))
    return known if normalised in (None, "NFC") else None


def _splits(part: Mapping[str, Any], vocabulary: Mapping[str, int]) -> Iterator[str]:
    match part:
        case {"type": "Sequence", "pretokenizers": parts}:
            for inner in parts:
                yield from _splits(inner, vocabulary)
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use}:
            if use:
                yield _GPT2
        case {"type": "Digits", "individual_digits": True}:
            yield DIGITS
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            kept = [choice for choice in _choices(pattern) if not _makes_no_difference(choice, vocabulary)]
            if kept:
                yield "|".join(kept)
        case _:
            yield json.dumps(part)


def _choices(pattern: str) -> list[str]:
    """The alternatives of a pattern of two plain ones, else the pattern; digits are always spelled alike."""
    plain = pattern.split("|") if _BEFORE_CAPITAL in pattern.split("|") else [pattern]
    return [EQUAL.get(choice, choice) for choice in plain]


def _makes_no_difference(choice: str, vocabulary: Mapping[str, int]) -> bool:
    return choice == _BEFORE_CAPITAL and not any(regex.search("[a-z][A-Z]", token) for token in vocabulary)
