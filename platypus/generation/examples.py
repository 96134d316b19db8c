"""The generator's loop: distinct examples for one catalogue, and how much of the catalogue they cover."""

from collections.abc import Iterator
from random import Random
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import CatalogueError
from platypus.generation.plans.conventions import NO_HABITS, Conventions
from platypus.generation.plans.coverage import Ledger
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import PhrasedRequest, Phraser, literals_said
from platypus.generation.requests.refusals import Refusals
from platypus.plan.plan import Plan
from platypus.run.settings import GenerateSettings

DRAWS_PER_EXAMPLE = 50  # average number of draws after which a catalogue counts as exhausted
COVERAGE_SHARE = 0.4  # least share of plans drawn for things that occur too rarely, while there are any


def generate_examples(
    catalogue: Catalogue, settings: GenerateSettings, *, seed: int, conventions: Conventions = NO_HABITS
) -> Iterator[Example]:
    """Yield `settings.examples` distinct examples, the same ones for the same seed, by these conventions.

    Raises CatalogueError when no tool can be called, or when the catalogue allows too few distinct requests.
    """
    rng = Random(f"generate/{seed}")
    sampler = Sampler(catalogue, settings.max_steps, conventions)
    phraser = Phraser(catalogue, typos=settings.typos, context=settings.context)
    if not sampler.goals:
        raise CatalogueError(
            "no tool can be called: each needs an argument that nothing can fill",
            remedy="Give required arguments a type, an enum or `examples`, or add a tool that returns what they need.",
        )
    refusals, ledger = Refusals(sampler, phraser), Ledger(sampler, settings.coverage)
    requests: set[str] = set()
    draws = 0
    while len(requests) < settings.examples:
        draws += 1
        if draws > DRAWS_PER_EXAMPLE * settings.examples:
            raise CatalogueError(
                f"only {len(requests)} distinct requests could be made from {len(catalogue)} tools",
                remedy=f"Set examples = {len(requests)} under [generate], or give more tools, arguments or examples.",
            )
        source: dict[str, Any] = {"source": "generate", "line": len(requests) + 1}
        if rng.random() < settings.refusals:
            request, source["refusal"] = refusals.request(rng)
            phrased = PhrasedRequest(request, Plan(), request) if request else None
        else:
            phrased = phraser.phrase(rng, _plan(rng, sampler, ledger, remaining=settings.examples - len(requests)))
        if phrased and phrased.core.lower() not in requests and literals_said(phrased.plan, phrased.request):
            requests.add(phrased.core.lower())
            row = Example(phrased.request, phrased.plan, catalogue.fingerprint, source)
            row = conventions.said_only(rng, row, catalogue)
            ledger.count(row.plan)
            yield row


def _plan(rng: Random, sampler: Sampler, ledger: Ledger, *, remaining: int) -> Plan:
    """A plan for something that occurs too rarely, more often as `remaining` shrinks; otherwise any plan."""
    share = max(COVERAGE_SHARE, ledger.need(remaining))
    plan = ledger.draw(rng, remaining=remaining) if ledger.missing and rng.random() < share else None
    return sampler.mixed(rng) if plan is None else plan


def coverage_report(
    catalogue: Catalogue, settings: GenerateSettings, examples: list[Example], conventions: Conventions = NO_HABITS
) -> dict[str, Any]:
    """Return how much of the catalogue the examples cover, as `platypus.generation.plans.coverage.Ledger.report`."""
    ledger = Ledger(Sampler(catalogue, settings.max_steps, conventions), settings.coverage)
    for example in examples:
        if example.plan.steps:
            ledger.count(example.plan)
    ledger.give_up(Random(0))
    return ledger.report()
