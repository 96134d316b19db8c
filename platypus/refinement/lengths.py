"""Rows that are longer, in tokens, than the training allows: found before it, where the base's tokenizer is there.

So are rows that the recipe's prompt template cannot hold. A token stands for at least one byte, so most rows are known
to be short enough without a tokenizer. It is opened, which takes seconds, only for the others, and for rows that go
through the base's own chat template. The count is that of `train`: prompt, answer and special tokens.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Rejected, Row, parse_rows
from platypus.data.sources import RawRow
from platypus.errors import DatasetError
from platypus.prompt.base_files import cached_config, context_of, local_folder
from platypus.prompt.markers import request_with_markers
from platypus.prompt.prompt import EncodedExample, Prompt, Tokenizer
from platypus.prompt.templates import WITH_INPUT, frame, shared_frame
from platypus.refinement.candidates import Candidate
from platypus.run.settings import PromptSettings

TOO_LONG = "too-long"
UNLIMITED = 2**31
OF_BASE = "the context of the base"
SPECIAL = 16  # tokens: begin, end, word markers, and words that part otherwise where texts are joined


@dataclass(frozen=True)
class Limits:
    """What the length of a row depends on: the prompt, its tools, and the base with its tokenizer."""

    prompt: PromptSettings
    catalogue: Catalogue | None
    base: str


class ShortRows(NamedTuple):
    """The rows that are short enough, the rejections of the others, and how many rows were not measured.

    `of_base` says whether the limit is the context of the base, which is then shorter than the cutoff.
    """

    kept: list[Candidate]
    rejected: list[Rejected]
    unknown: int
    of_base: bool


def short_rows(candidates: Sequence[Candidate], limits: Limits, *, prompts: bool = False, fetch: bool) -> ShortRows:
    """Return the rows that are no longer than the cutoff and the context of the base.

    With `prompts` the answer does not count, if there is room for one. `fetch` downloads the tokenizer of a base on the
    hub. Raises DatasetError when it cannot be had although it is needed; without `fetch`, rows that may be too long are
    kept and counted.
    """
    found = _long_rows(candidates, limits, prompts=prompts, fetch=fetch)
    rejected = [
        Rejected(
            candidates[i].file,
            candidates[i].line,
            f"{'its prompt has ' * prompts}{tokens:,} tokens, {found.of} is {found.limit:,}",
            candidates[i].row,
            TOO_LONG,
            (str(tokens),),
        )
        for i, tokens in found.tokens.items()
    ]
    kept = [one for i, one in enumerate(candidates) if i not in found.tokens]
    return ShortRows(kept, rejected, found.unknown, found.of == OF_BASE)


class _LongRows(NamedTuple):
    """The rows that are too long, by index, with their tokens; and how many more may be, as there is no tokenizer."""

    tokens: dict[int, int]
    limit: int
    of: str
    unknown: int


def _long_rows(candidates: Sequence[Candidate], limits: Limits, *, prompts: bool, fetch: bool) -> _LongRows:
    context = context_of(limits.base)
    limit, of = limits.prompt.cutoff, "the cutoff"
    if context is not None and context < limit:
        limit, of = context, OF_BASE
    bounds = _bounds(candidates, limits)
    chats = _chats(candidates, limits)
    framed = [0 if one.catalogue else 1 for one in candidates]  # rows that bring their own tools have theirs with them
    size = len(_frame(limits).encode())
    possible = [i for i, bytes_ in enumerate(bounds) if i not in chats and framed[i] * size + bytes_ > limit]
    lengths = _lengths([candidates[i] for i in possible], limits, _Bytes())
    possible = [i for i, found in zip(possible, lengths, strict=True) if found.all > limit]
    tokenizer = _tokenizer(limits.base, fetch=fetch) if possible or chats else None
    if tokenizer is None:
        return _LongRows({}, limit, of, len(possible) + len(chats))
    limits, spare = _as_trained(limits, tokenizer, context)
    around = len(tokenizer.encode(_frame(limits), add_special_tokens=False, split_special_tokens=True))
    around -= spare
    possible = sorted([*(i for i in possible if framed[i] * around + bounds[i] > limit), *chats])
    lengths = _lengths([candidates[i] for i in possible], limits, tokenizer)
    lengths = [
        _Length(*(tokens - framed[i] * spare for tokens in found)) for i, found in zip(possible, lengths, strict=True)
    ]
    tokens = {
        i: found.prompt if prompts else found.all
        for i, found in zip(possible, lengths, strict=True)
        if (found.prompt >= limit if prompts else found.all > limit)
    }
    return _LongRows(tokens, limit, of, 0)


# ---------------------------------------------------------------- without a tokenizer


def _frame(limits: Limits) -> str:
    """The text around a row in its prompt."""
    if limits.catalogue is None:
        return WITH_INPUT
    return "".join(
        frame(
            limits.catalogue, limits.prompt.notation, markers=limits.prompt.markers, rendering=limits.prompt.rendering
        )
    )


def _as_trained(limits: Limits, tokenizer: Tokenizer, context: int | None) -> tuple[Limits, int]:
    """The limits with tools as training will show them, and the tokens of tools that it will leave out.

    Where tools leave no room, it chooses for each row the tools that fit, so that they make no row too long.
    """
    if limits.catalogue is None:
        return limits, 0
    prompt = Prompt.of(tokenizer, limits.catalogue, limits.prompt).fitted(context)
    spare = 0 if prompt.has_room(context) else sum(prompt.tool_tokens.values())
    return replace(limits, prompt=limits.prompt.model_copy(update={"rendering": prompt.rendering})), spare


def _bounds(candidates: Sequence[Candidate], limits: Limits) -> list[int]:
    """More tokens than each row has besides its frame: the bytes of the row as JSON.

    A row that brings its own tools has them in its JSON, which is longer than their text in the prompt.
    """
    bounds = []
    rules = len("".join(shared_frame(limits.prompt.notation, markers=limits.prompt.markers)).encode())
    for one in candidates:
        row = one.row if one.row.isascii() else _decomposed(one.row.decode())
        marked = len(request_with_markers(one.question)) - len(one.question) if limits.prompt.markers else 0
        bounds.append(len(row) + marked + SPECIAL + (rules + len(row) // 2 if one.catalogue else 0))
    return bounds


def _decomposed(text: str) -> bytes:
    """The bytes of the text in the longest form that a tokenizer may bring it to."""
    return unicodedata.normalize("NFKD", text).encode("utf-8", "backslashreplace")


class _Bytes:
    """A tokenizer with a token for each byte: no other one gives more."""

    bos_token_id = 0
    eos_token_id = 0

    def encode(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> list[int]:
        """The bytes of the text, and one for a word marker that may stand in front."""
        return [0, *_decomposed(text)]


# ---------------------------------------------------------------- with the tokenizer of the base


class _Length(NamedTuple):
    prompt: int
    all: int


def _lengths(candidates: Sequence[Candidate], limits: Limits, tokenizer: Tokenizer) -> list[_Length]:
    """The tokens of each row as it is trained on. Raises PromptError for rows that the template cannot hold."""
    prompt = Prompt.of(tokenizer, limits.catalogue, limits.prompt, cutoff=UNLIMITED)
    encoded = prompt.encode_all([_row(one, limits.catalogue) for one in candidates])
    return [_Length(_asked(example), len(example.ids)) for example in encoded]


def _asked(example: EncodedExample) -> int:
    """The tokens before the (last) answer."""
    return max([example.prompt_length, *(gap.stop for gap in example.gaps if gap.stop < len(example.ids))])


def _chats(candidates: Sequence[Candidate], limits: Limits) -> set[int]:
    """The rows that go through the base's chat template."""
    return {i for i, one in enumerate(candidates) if not one.is_example} if limits.prompt.template == "chat" else set()


def _row(candidate: Candidate, catalogue: Catalogue | None) -> Row:
    data = candidate.to_json()
    raw = RawRow(candidate.line, data, data)
    return parse_rows([raw], candidate.file, catalogue, alpaca=not candidate.is_example).rows[0]


def _tokenizer(base: str, *, fetch: bool) -> Tokenizer | None:
    """The tokenizer of the base as `train` opens it; None if it is not on this machine and need not be fetched."""
    folder = local_folder(base)
    if folder is None and not fetch and cached_config(base) is None:
        return None
    from transformers import AutoConfig, AutoTokenizer

    source: Any = folder or base
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=not fetch)
        options: Any = {"local_files_only": not fetch, "model_max_length": UNLIMITED}  # else it warns of long texts
        opened: Tokenizer = AutoTokenizer.from_pretrained(source, config=config, **options)
    except Exception as error:  # whatever a tokenizer's files, the network and the hub bring up
        if not fetch:
            return None
        reason = str(error).strip().split("\n")[0]
        raise DatasetError(
            f"the tokenizer of the base cannot be opened: {reason}",
            where=base,
            remedy='Check `base` and the connection, or set long_rows = "refuse" under [refine]: `train` then checks.',
        ) from error
    return opened
