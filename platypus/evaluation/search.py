"""Which combinations of settings are tried next, where there are too many to try all: optuna's TPE (extra `search`).

The same settings and figures give the same combinations, so that an interrupted search goes on as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from platypus.errors import RecipeError
from platypus.evaluation.sweep import name_of, read_choices


class Search:
    """Asks for one combination after the other, and is told how good it is."""

    def __init__(self, settings: Sequence[str], *, seed: int) -> None:
        """Raises RecipeError for settings that cannot be read, or without optuna."""
        try:
            import optuna
        except ImportError as error:
            remedy = "pip install 'platypus-llm[search]'"
            raise RecipeError("needs the package `optuna`", where="--search", remedy=remedy) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        known = ({name_of(one): one for one in choice} for choice in read_choices(settings))
        self.choices = [[*choice.values()] for choice in known]
        self.study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self.distributions: dict[str, Any] = {
            f"{i}": optuna.distributions.CategoricalDistribution(range(len(choice)))
            for i, choice in enumerate(self.choices)
        }
        self.told: dict[str, float] = {}

    @property
    def size(self) -> int:
        """The number of all combinations."""
        return prod(map(len, self.choices))

    def samples(self) -> Iterator[dict[str, Any]]:
        """A few combinations, which together have every value."""
        for i in range(max(map(len, self.choices))):
            yield _joined([choice[min(i, len(choice) - 1)] for choice in self.choices])

    def ask(self) -> dict[str, Any]:
        """A combination that was not tried yet; what was is told again."""
        while True:
            self._trial = self.study.ask(self.distributions)
            settings = _joined([choice[self._trial.params[f"{i}"]] for i, choice in enumerate(self.choices)])
            if name_of(settings) not in self.told:
                return settings
            self.study.tell(self._trial, self.told[name_of(settings)])

    def tell(self, settings: Mapping[str, Any], value: float) -> None:
        """How good the combination is that was asked for last."""
        self.told[name_of(settings)] = value
        self.study.tell(self._trial, value)


def _joined(chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for part in chosen for key, value in part.items()}
