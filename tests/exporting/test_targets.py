"""What each program is asked, and the options that it has no use for."""

from typing import Any, get_args

import pytest

from platypus.cli_export import Quantised, To, Type
from platypus.errors import RunError
from platypus.exporting.targets import (
    FREE,
    NO_SCHEMA,
    SCHEMA,
    TARGETS,
    BitsOf,
    ExportOptions,
    GgufType,
    TargetName,
    chat_request,
)


def test_the_command_line_has_the_same_names() -> None:
    for option, names in ((To, TargetName), (Type, GgufType), (Quantised, BitsOf)):
        assert set(get_args(get_args(get_args(option)[0])[0])) == set(get_args(names))
    assert set(TARGETS) == set(get_args(TargetName))


@pytest.mark.parametrize("to", get_args(TargetName))
def test_each_request_has_what_the_program_takes(to: TargetName) -> None:
    request = chat_request(to, lark="L", schema={"type": "array"}, tokens=9)
    field: dict[str, Any] = {
        "vllm": {"structured_outputs": {"grammar": "L"}},
        "sglang": {"ebnf": "L"},
        "gguf": {"grammar": "L"},
        "ollama": {"format": {"type": "array"}, "stream": False},
    }.get(to, {})
    assert field.items() <= request.items() and request["messages"][-1]["role"] == "user"
    assert to == "ollama" or (request["temperature"], request["max_tokens"]) == (0, 9)
    commands = TARGETS[to].commands(dtype="bfloat16", context=4096)
    assert "request.json" in commands and "{" not in commands.partition("jq")[0]
    assert ("bfloat16" in commands) == TARGETS[to].folder  # a server's "auto" makes float16 of float32
    losses = TARGETS[to].losses_of("calls")
    assert (FREE in losses) == (to in ("hf", "mlx")) and (NO_SCHEMA in losses) == (to == "ollama")
    assert (SCHEMA in TARGETS[to].losses_of("json")) == (to == "ollama")


def test_ollama_gets_no_format_without_a_schema() -> None:
    assert "format" not in chat_request("ollama", lark="L", schema=None, tokens=9)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (ExportOptions("hf", type="f16"), "--type with --to hf: is for the targets gguf and ollama"),
        (ExportOptions("gguf", shard_size="2GB"), "--shard-size with --to gguf"),
        (ExportOptions("ollama", quantise="nf4"), "or use --type"),
        (ExportOptions("mlx", quantise="nf4"), "mlx_lm.convert"),
        (ExportOptions("hf", shard_size="2 gigs"), "'2 gigs' is no size"),
    ],
)
def test_an_option_without_a_use_is_refused(options: ExportOptions, match: str) -> None:
    with pytest.raises(RunError) as refused:
        options.check()
    assert match in str(refused.value)
    for to in ("gguf", "ollama"):
        ExportOptions(to, type="q8_0").check()
    ExportOptions("vllm", shard_size="500MB", quantise="nf4").check()
