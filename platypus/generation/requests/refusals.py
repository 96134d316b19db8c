"""Requests that the tools of a catalogue cannot answer: their plan is empty.

Three kinds: `off-topic`; `near-miss`, in need of a tool that does not exist, for the catalogue's own things or those of
another domain; and `missing`, without a value that a tool needs.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from random import Random

from platypus.catalogue.subjects import is_look_up, subject
from platypus.catalogue.tools import Tool
from platypus.catalogue.words import lemma, singular, with_article, words
from platypus.generation.lexicon import word_lists
from platypus.generation.plans.sampler import Sampler, Undrawable, Want
from platypus.generation.plans.values import made_up_value
from platypus.generation.requests.phrasing import Phraser
from platypus.generation.requests.slots import SLOT
from platypus.generation.requests.writer_style import ASKING, draw_style, finish, surround
from platypus.plan.plan import Plan

KINDS = ("off-topic", "near-miss", "missing")
ELSEWHERE = 0.6  # share of the near misses that are about other domains
DRAWS = 8  # until a thing is found that is told with one value at most


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
            return (self._elsewhere(rng) if rng.random() < ELSEWHERE else self._lacking(rng)), kind
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

    def _lacking_forms(self, kind: str) -> tuple[str, ...]:
        """Actions that no tool of the catalogue does: with `any` things, or with those that are `kept`."""
        forms: dict[str, list[str]] = word_lists()["lacking"][kind]
        return tuple(form for verb, some in forms.items() if not set(verb.split("_")) & self._known for form in some)

    @cached_property
    def _kept(self) -> frozenset[str]:
        """What the tools that do not only read are about: what can be archived, renamed and the like."""
        return frozenset(singular(word) for t in self.sampler.goals if not is_look_up(t) for word in subject(t)[-1:])

    @cached_property
    def _things(self) -> tuple[Tool, ...]:
        """Tools whose output can be the object of an action; "the ID of the current sprint" only if nothing else is."""
        wordings = self.phraser.wordings
        getters = [t for t in self.sampler.goals if wordings[t.name].is_getter and not wordings[t.name].is_lookup]
        return tuple(t for t in getters if t.arguments or not wordings[t.name].by_id) or tuple(getters)

    def _lacking(self, rng: Random) -> str | None:
        """A near miss: `archive the tickets owned by DEVU-4`, where no tool archives."""
        if not self._things:
            return None
        tool = rng.choice(self._things)
        kept = bool(self._kept & {singular(word) for word in subject(tool)[-1:]})
        forms = self._lacking_forms("any") + (self._lacking_forms("kept") if kept else ())
        plan = self._plain_plan(rng, tool) if forms else None
        thing = self.phraser.thing(rng, plan) if plan else None
        person = made_up_value(rng, "person", {"type": "string"})
        return thing and _finished(rng, rng.choice(forms).format(thing, person=person))

    def _plain_plan(self, rng: Random, tool: Tool) -> Plan | None:
        """A call of the tool with one argument at most; None if none was drawn."""
        for _ in range(DRAWS):
            try:
                plan = self.sampler.plan(rng, want=Want(tool), length=1)
            except Undrawable:
                return None
            if len(plan.steps[0].arguments) < 2:
                return plan
        return None

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
            if not slot.start() and " or " in slot[2]:  # a verb: `archive or unarchive`
                return str(rng.choice(slot[2].split(" or ")))
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
    def _other_domains(self) -> tuple[dict[str, list[str]], ...]:
        """The domains of which the catalogue knows no word of a thing, or the first if it knows one of each."""
        about = {word for word in self._known if len(word) > 3}
        domains: dict[str, dict[str, list[str]]] = word_lists()["elsewhere"]
        unknown = [
            rows
            for domain, rows in domains.items()
            if not about & {domain, *(singular(word) for thing in rows["things"] for word in _own_words(thing))}
        ]
        return tuple(unknown or [rows for domain, rows in domains.items() if domain not in about] or domains.values())

    def _elsewhere(self, rng: Random) -> str:
        """A near miss: a plain deed of another domain, such as `approve the invoice from Acme`."""
        rows, lists = rng.choice(self._other_domains), word_lists()["values"]
        text = rng.choice(rows["deeds"]).replace("{}", rng.choice(rows["things"]))
        filled = text.format(
            person=made_up_value(rng, "person", {"type": "string"}),
            last=rng.choice(lists["last"]),
            firm=rng.choice(lists["firms"]),
            city=rng.choice(lists["cities"]),
            month=rng.choice(lists["months"]),
            day=rng.choice(lists["weekdays"]),
            number=rng.randint(100, 9999),
            floor=rng.randint(2, 30),
        )
        return _finished(rng, filled)


def _own_words(form: str) -> list[str]:
    """The words of a form without what is filled in."""
    return words(re.sub(r"\{\w+\}", " ", form))


def _finished(rng: Random, text: str) -> str:
    style = draw_style(rng, context=0.05)
    return surround(finish(rng, text, style, bare=bool(ASKING.match(text))), style)
