"""A prior over tools: how likely a request is about each of them, before the model has read it.

Where a plan decides between tools, their probabilities are multiplied by the prior. Only the choice between tools
changes: the probability of all of them together stays as it is, and so does that of an end or a refusal.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from platypus.decoding.constraint import ConstraintState
from platypus.decoding.vocabulary import Vocabulary
from platypus.plan.notation import Notation, begun_tool_name, tool_beginning


class ToolPrior:
    """The prior of one request: tool names and their log-probabilities, which need not be normalised."""

    def __init__(self, log_probabilities: Mapping[str, float], notation: Notation) -> None:
        self.notation = notation
        names = {tool_beginning(name, notation).encode(): log for name, log in log_probabilities.items()}
        highest = max(names.values(), default=0.0)
        self._weights = {name: float(np.exp(log - highest)) for name, log in names.items()}

    def applied(self, state: ConstraintState, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits, changed if a tool's name is begun or can begin next."""
        begun = begun_tool_name(state.text, self.notation)
        if begun is None:
            return logits
        leads = _leads(state.vocabulary, tuple(self._weights), begun.encode(), state.candidates().tobytes())
        if len(leads) < 2:
            return logits
        tokens = list(leads)
        weights = [sum(self._weights[name] for name in names) for names in leads.values()]
        before = logits[tokens].astype(np.float64)
        after = before + np.log(weights)
        changed = logits.copy()
        changed[tokens] = after + np.logaddexp.reduce(before) - np.logaddexp.reduce(after)
        return changed


@lru_cache(maxsize=1 << 12)  # plans of one catalogue decide between the same tools all the time
def _leads(vocabulary: Vocabulary, names: tuple[bytes, ...], begun: bytes, candidates: bytes) -> dict[int, list[bytes]]:
    """For each candidate (the bytes of their ids) that continues a name, the names of the tools to which it leads.

    Of the tokens within a name the longest one leads to its tool, as it does in the canonical tokenisation.
    """
    texts = {token: vocabulary.token(token) for token in np.frombuffer(candidates, np.int64).tolist()}
    leads: dict[int, list[bytes]] = {}
    for name in names:
        if name.startswith(begun):
            rest = name[len(begun) :]
            within = [token for token, text in texts.items() if rest.startswith(text)]
            beyond = [token for token, text in texts.items() if text.startswith(rest) and text != rest]
            for token in [*beyond, *sorted(within, key=lambda token: len(texts[token]))[-1:]]:
                leads.setdefault(token, []).append(name)
    return leads
