"""Requests that the tools of a catalogue cannot answer: their plan is empty.

Three kinds: `off-topic`; `near-miss`, about the catalogue's own things but in need of a tool that does not exist; and
`missing`, without a value that a tool needs.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from random import Random

from platypus.catalogue.tools import Tool
from platypus.catalogue.words import lemma, singular, with_article, words
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.lexicon import word_lists
from platypus.generation.plans.sampler import Sampler, Undrawable, Want
from platypus.generation.plans.values import made_up_value
from platypus.generation.requests.phrasing import Phraser
from platypus.generation.requests.slots import SLOT
from platypus.generation.requests.writer_style import ASKING, draw_style, finish, surround

KINDS = ("off-topic", "near-miss", "missing")
FOREIGN = 8  # random catalogues whose requests are used as near misses too


@dataclass(frozen=True)
class Refusals:
    """Draws requests that the phraser's catalogue cannot answer, some of them from other catalogues."""

    sampler: Sampler
    phraser: Phraser

    def request(self, rng: Random) -> tuple[str | None, str]:
        """Draw a request (None when this draw failed) and its kind."""
        kind = rng.choices(KINDS, (2, 5, 2))[0]
        if kind == "missing" and self._demanding:
            return self._missing(rng), kind
        if kind == "near-miss":
            return (self._from_other_catalogue(rng) if rng.random() < 0.6 else self._lacking(rng)), kind
        lists = word_lists()["refusals"]
        values = {"noun": rng.choice(lists["nouns"]), "person": made_up_value(rng, "person", {"type": "string"})}
        city, other = rng.sample(word_lists()["values"]["cities"], 2)
        text = rng.choice(self._foreign_forms).format(**values, city=city, other=other)
        return (text[:1].upper() + text[1:] if rng.random() < 0.6 else text), "off-topic"

    @cached_property
    def _known(self) -> frozenset[str]:
        """All words of the catalogue, with and without their endings."""
        texts = [f"{tool.name} {tool.description}" for tool in self.sampler.catalogue]
        texts += [f"{a.name} {a.description}" for tool in self.sampler.catalogue for a in tool.arguments]
        every = words(" ".join(texts))
        return frozenset({*every, *(lemma(word) for word in every), *(singular(word) for word in every)})

    @cached_property
    def _foreign_forms(self) -> tuple[str, ...]:
        """Requests on other topics, except those that share a longer word with the catalogue: it might answer them."""
        forms: list[str] = word_lists()["refusals"]["requests"]
        about = {word for word in self._known if len(word) > 3}
        return tuple(form for form in forms if not about & {singular(word) for word in words(form)}) or tuple(forms[:1])

    @cached_property
    def _lacking_forms(self) -> tuple[str, ...]:
        """Actions that people do with things and that no tool of the catalogue does."""
        forms: dict[str, list[str]] = word_lists()["lacking"]
        return tuple(form for verb, some in forms.items() if not set(verb.split("_")) & self._known for form in some)

    @cached_property
    def _things(self) -> tuple[Tool, ...]:
        """Tools whose output can be the object of an action; "the ID of the current sprint" only if nothing else is."""
        wordings = self.phraser.wordings
        getters = [t for t in self.sampler.goals if wordings[t.name].is_getter and not wordings[t.name].is_lookup]
        return tuple(t for t in getters if t.arguments or not wordings[t.name].by_id) or tuple(getters)

    def _lacking(self, rng: Random) -> str | None:
        """A near miss: `archive the tickets owned by DEVU-4`, where no tool archives."""
        if not self._things or not self._lacking_forms:
            return None
        tool = rng.choice(self._things)
        try:
            plan = self.sampler.plan(rng, want=Want(tool), length=1)
        except Undrawable:
            return None
        thing = self.phraser.thing(rng, plan)
        person = made_up_value(rng, "person", {"type": "string"})
        return thing and _finished(rng, rng.choice(self._lacking_forms).format(thing, person=person))

    @cached_property
    def _demanding(self) -> tuple[Tool, ...]:
        """Tools with a required argument that no other tool can fill, and a slot in their phrases."""
        return tuple(
            tool
            for tool in self.sampler.goals
            if any(a.required and not self.sampler.producers[tool.name, a.name] for a in tool.arguments)
            and not self.phraser.wordings[tool.name].is_lookup
            and SLOT.search(self.phraser.wordings[tool.name].rest.text)
        )

    def _missing(self, rng: Random) -> str:
        """A request without a needed value: `find work items similar to a certain one`."""
        wording = self.phraser.wordings[rng.choice(self._demanding).name]
        text = wording.noun.text if wording.is_getter else rng.choice(wording.clauses).text

        def vague(slot: re.Match[str]) -> str:
            noun = slot[2] if slot[2] not in ("one", "text") else "one" if slot[2] == "one" else "text"
            if noun == "one":
                return rng.choice(("another one", "a certain one", "that one", "something else"))
            return rng.choice(
                (
                    with_article(noun),
                    with_article(noun),
                    f"this {singular(noun)}",
                    f"that {singular(noun)}",
                    f"a certain {singular(noun)}",
                )
            )

        filled = SLOT.sub(vague, text)
        verb = f"{rng.choice(('find', 'get', 'show me', 'look up'))} " if wording.is_getter else ""
        return _finished(rng, verb + filled)

    @cached_property
    def _other_catalogues(self) -> tuple[tuple[Sampler, Phraser], ...]:
        """Random catalogues about real things that this one does not know; a word in only one of them may be coined."""
        rng = Random(self.sampler.catalogue.fingerprint)
        about = {word for word in self._known if len(word) > 3}
        catalogues = [random_catalogue(rng, tools=6) for _ in range(4 * FOREIGN)]
        tool_words = [{t.name: {singular(word) for word in words(t.name)} for t in other} for other in catalogues]
        spread = Counter(word for names in tool_words for word in set().union(*names.values()))
        subsets = [
            other.subset(name for name, own in names.items() if min(spread[w] for w in own) > 1 and not own & about)
            for other, names in zip(catalogues, tool_words, strict=True)
        ]
        pairs = [(Sampler(other, max_steps=2), Phraser(other)) for other in subsets if len(other)]
        return tuple(pair for pair in pairs if pair[0].goals)[:FOREIGN]

    def _from_other_catalogue(self, rng: Random) -> str | None:
        """A near miss: a request that the tools of another catalogue could answer."""
        if not self._other_catalogues:
            return None
        sampler, phraser = rng.choice(self._other_catalogues)
        try:
            return phraser.request(rng, sampler.plan(rng))
        except Undrawable:
            return None


def _finished(rng: Random, text: str) -> str:
    style = draw_style(rng, context=0.05)
    return surround(finish(rng, text, style, bare=bool(ASKING.match(text))), style)
