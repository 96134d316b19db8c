"""Random catalogues: valid, varied, repeatable."""

from collections import Counter
from random import Random

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.words import words
from platypus.generation.catalogues.random_catalogue import random_catalogue


def test_a_random_catalogue_reads_back_as_itself() -> None:
    """It is built without the reader's checks, and must pass them."""
    for seed in range(40):
        catalogue = random_catalogue(Random(seed), tools=12)
        assert catalogue_from_json(catalogue.to_json()).fingerprint == catalogue.fingerprint


def test_equal_seeds_give_equal_catalogues() -> None:
    assert random_catalogue(Random(3), tools=9).fingerprint == random_catalogue(Random(3), tools=9).fingerprint


def test_catalogues_vary() -> None:
    made = [random_catalogue(Random(seed), tools=8) for seed in range(60)]
    assert len({catalogue.fingerprint for catalogue in made}) == 60
    names = [tool.name for catalogue in made for tool in catalogue]
    assert len(set(names)) > 250
    assert any("_" in name for name in names) and any(name != name.lower() for name in names)
    described = [bool(tool.description) for catalogue in made for tool in catalogue]
    assert 0.5 < sum(described) / len(described) < 0.98
    assert any(not tool.output for catalogue in made for tool in catalogue)


def test_a_catalogue_has_the_requested_size() -> None:
    for size in (1, 2, 8, 90, 333, 1000):
        assert {len(random_catalogue(Random(seed), tools=size)) for seed in range(5)} == {size}


def test_no_two_tools_differ_only_by_synonymous_verbs() -> None:
    meanings = ({"get", "show", "fetch", "list", "search", "find", "query", "lookup"}, {"set", "update", "change"})
    for seed in range(200):
        told = Counter(
            (n, *words(tool.name)[1:], *(argument.name for argument in tool.arguments))
            for tool in random_catalogue(Random(seed), tools=16)
            for n, verbs in enumerate((*meanings, {"sort", "rank", "prioritize"}))
            if words(tool.name)[0] in verbs
        )
        assert max(told.values(), default=1) == 1, told.most_common(1)
