"""The generator's loop: distinct examples of one catalogue, and what they cover of it."""

from collections.abc import Iterator
from random import Random
from typing import Any

from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.errors import CatalogueError
from platypus.generation.plans.coverage import Ledger
from platypus.generation.plans.sampler import Sampler
from platypus.generation.requests.phrasing import PhrasedRequest, Phraser, literals_said
from platypus.generation.requests.refusals import Refusals
from platypus.plan.plan import Plan
from platypus.run.settings import GenerateSettings

TRIES = 50  # draws for each example that is wanted, before a catalogue counts as exhausted
SEEN = 0.4  # the share of plans that are drawn for what is seen too seldom, while there is any


def generate_examples(catalogue: Catalogue, settings: GenerateSettings, *, seed: int) -> Iterator[Example]:
    """`settings.examples` distinct examples, always the same for a seed."""
    rng = Random(f"generate/{seed}")
    sampler = Sampler(catalogue, settings.max_steps)
    phraser = Phraser(catalogue, typos=settings.typos, context=settings.context)
    if not sampler.goals:
        raise CatalogueError(
            "no tool can be called: each needs an argument that nothing can fill",
            remedy="Give required arguments a type, an enum or `examples`, or add a tool that returns what they need.",
        )
    refusals, ledger = Refusals(sampler, phraser), Ledger(sampler, settings.coverage)
    asked: set[str] = set()
    tries = 0
    while len(asked) < settings.examples:
        tries += 1
        if tries > TRIES * settings.examples:
            raise CatalogueError(
                f"only {len(asked)} distinct requests could be made from {len(catalogue)} tools",
                remedy=f"Set examples = {len(asked)} under [generate], or give more tools, arguments or examples.",
            )
        source: dict[str, Any] = {"source": "generate", "line": len(asked) + 1}
        if rng.random() < settings.refusals:
            request, source["refusal"] = refusals.request(rng)
            said = PhrasedRequest(request, Plan(), request) if request else None
        else:
            said = phraser.said(rng, _plan(rng, sampler, ledger, left=settings.examples - len(asked)))
        if said and said.core.lower() not in asked and literals_said(said.plan, said.request):
            asked.add(said.core.lower())
            ledger.count(said.plan)
            yield Example(said.request, said.plan, catalogue.fingerprint, source)


def _plan(rng: Random, sampler: Sampler, ledger: Ledger, *, left: int) -> Plan:
    """A plan for what is seen too seldom, the more often the less room is left for it; else any plan."""
    share = max(SEEN, 2 * ledger.missing / (3 * left))
    plan = ledger.draw(rng) if ledger.missing and rng.random() < share else None
    return sampler.mixed(rng) if plan is None else plan


def coverage_report(catalogue: Catalogue, settings: GenerateSettings, made: list[Example]) -> dict[str, Any]:
    """What the examples cover of the catalogue: see `platypus.generation.plans.coverage.Ledger.report`."""
    ledger = Ledger(Sampler(catalogue, settings.max_steps), settings.coverage)
    for example in made:
        if example.plan.steps:
            ledger.count(example.plan)
    ledger.give_up(Random(0))
    return ledger.report()
