"""Clauses: a step as an imperative, as a gerund, as a question, or as a noun alone."""

import re
from dataclasses import dataclass

from platypus.catalogue.words import gerund, is_plural, pluralised, with_article
from platypus.generation.requests.argument_phrases import label
from platypus.generation.requests.discourse import Unsayable, argument_of
from platypus.generation.requests.noun_phrases import ABOUT, Nouns
from platypus.generation.requests.slots import SLOT, Form
from platypus.generation.requests.tool_phrases import SETTING

SEPARABLE = re.compile(  # "sum up them" → "sum them up"
    r"^(sum|set|pull|look|work|call|hand|bring|check|turn|switch|shut|roll|clean|tidy|take|give|put|throw|pass|send|sign)"
    r" (up|out|off|over|on|in|down|back|away|together) (it|them|these|those|this|that)"
    r"(?= (?:in|into|to|for|with)\b|$)"
)
MANAGING, DEEDS = {"manage", "handle", "control"}, {"action", "operation"}  # the argument says what is done
QUESTION_STARTS = ("what is", "what is", "what's", "can you tell me")
QUESTIONS = (
    *("what are {thing}", "which {some} do we have", "are there any {some}"),
    *("do we have any {some}", "what {some} are there"),
)
MOST_ASKED = 7  # words between "which" and "do we have"
LISTING = ("get", "give", "show", "return", "retrieve", "fetch")
ME = re.compile(r"^(?:show|give|tell|get) me (?:about |more about )?")


@dataclass
class Clauses(Nouns):
    """Writes the clauses of one request."""

    bare: bool = False  # a noun or a question instead of an imperative

    def clause(self, i: int, *, ing: bool = False) -> str:
        """Step i as an imperative, or with `ing` as a gerund: `listing the work items of …`."""
        wording = self.wordings[i]
        if wording.is_lookup:
            verb, thing = self.lookup(i)
        elif not wording.is_getter:
            verb, thing = self.action(i, ing=ing)
        elif ABOUT.match(wording.noun.text) and self.rng.random() < 0.3:
            verb = self.rng.choice(("tell me about", "tell me about", "tell me more about", "find out about"))
            thing = self.thing(i, ("the ", ""), noun=ABOUT.sub("", wording.noun.text))
        else:
            verb = self.rng.choice(wording.verbs)
            thing = self.output_phrase(i, listing=verb.split(" ")[0] in LISTING)
        self.own_clauses.append(i)
        self.mentions.append(i)
        text = f"{verb} {thing}".strip().replace(" up up to ", " up at most ")
        if not ing:
            return SEPARABLE.sub(r"\1 \3 \2", text)
        return ME.sub("getting ", text) if ME.match(text) else gerund(text)

    def action(self, i: int, *, ing: bool = False) -> tuple[str, str]:
        """The verb of a tool that does something, and the rest of the clause with every argument."""
        form = self.told(i, self.rng.choice(self.wordings[i].clauses))
        rest = self.unsaid(i, form)
        self.rng.shuffle(rest)
        if len(rest) == len(form.slots) == 1 and self.wordings[i].verb in SETTING and self.rng.random() < 0.7:
            return self.change(i, form, rest[0])
        verb, _, thing = self.filled(i, form).partition(" ")
        arguments = self.plan.steps[i].arguments
        deed = next((name for name in rest if name in DEEDS and str(arguments[name]).isalpha()), None)
        if deed and verb in MANAGING and not ing:  # `manage nodes with the action drain` → `drain nodes`
            rest.remove(deed)
            verb = str(arguments[deed])
        return verb, f"{thing} {self.joined([self.modifier(i, name) for name in rest])}".strip()

    def change(self, i: int, form: Form, name: str) -> tuple[str, str]:
        """`change` and `the title of publication PUB-4 to "Bees"`."""
        tool = self.wordings[i].tool
        argument, value = argument_of(tool, name), self.plan.steps[i].arguments[name]
        slot = SLOT.search(form.text)
        if slot is None or isinstance(value, bool | dict):
            raise Unsayable
        verb = form.text.split(" ", 1)[0]
        whose = self.filled(i, Form(slot[0]))
        if whose in ("it", "that"):
            return verb, f"its {label(tool, argument)} to {self.value(value, hint=argument)}"
        return verb, f"the {label(tool, argument)} of {whose} to {self.value(value, hint=argument)}"

    def output_phrase(self, i: int, *, listing: bool) -> str:
        """What a tool returns, by its own noun, as the object of a clause."""
        wording = self.wordings[i]
        if wording.by_id and not self.plan.steps[i].arguments and self.rng.random() < 0.5:
            noun = wording.noun.text
            return self.rng.choice(
                (f"the ID of the {noun}", f"the {noun} ID", f"the {noun}'s ID", f"the id of the {noun}")
            )
        if wording.is_me and self.rng.random() < 0.3:
            return self.rng.choice(("my user ID", "my ID", "my own user ID"))
        articles = (
            ("", "", "all ", "all ", "the ", "all the ", "a list of " if listing else "")
            if wording.plural
            else ("the ", "")
        )
        return self.thing(i, articles)

    def lookup(self, i: int) -> tuple[str, str]:
        """`search for` and `objects related to Nova`."""
        wording = self.wordings[i]
        kind = self.kind(i, self.consumer(i) if self.rng.random() < 0.6 else None)
        value = self.value(next(iter(self.plan.steps[i].arguments.values())))
        some = "objects" if not kind or len(wording.kinds) > 1 else pluralised(kind, many=True)
        plain = [
            value,
            f"{some} related to {value}",
            f"{some} named {value}",
            f"{some} called {value}",
            f"an object with the name {value}",
        ]
        if kind:
            plain += [
                f"the {kind} {value}",
                f"the {kind} named {value}",
                f"the {kind} called {value}",
                f"{with_article(kind)} called {value}",
            ] * 2
            if some != "objects":
                plain = plain[4:]
        verb = self.rng.choice(("find", "search for", "search for", "look up", "find", "look for", "locate"))
        thing = self.rng.choice(plain)
        if wording.by_id and self.rng.random() < 0.2:
            verb, thing = (
                self.rng.choice(("get", "find", "retrieve")),
                f"the ID of {f'the {kind} ' if kind else ''}{value}",
            )
        return verb, thing

    def question(self, i: int) -> str | None:
        """Step i as a question, if it returns something: `what are the work items owned by …`; otherwise None."""
        wording = self.wordings[i]
        self.asking = True
        if wording.is_lookup or (not wording.is_getter and (wording.nominal is None or wording.verb == "summarize")):
            return None
        if wording.is_getter and wording.noun.text.startswith("{"):
            return None  # nobody asks "what is page 4"
        noun = wording.noun.text if wording.is_getter else wording.nominal.text if wording.nominal else ""
        if re.match(r"(?:information|info|details|data)\b", noun):
            about = ABOUT.sub("", noun)
            ask = self.rng.choice(("what can you tell me about", "what do we know about", "what is known about"))
            return f"{ask} {self.thing(i, ('',), noun=about)}" if about != noun else None
        if wording.is_me:
            return self.rng.choice(("who am I", "what is my user ID", "who is the current user", "what's my user ID"))
        thing = self.thing(i, ("the ", "the ", "all the ", "all "), noun=noun)
        if not wording.plural and not is_plural(noun):
            return f"{self.rng.choice(QUESTION_STARTS)} {thing}"
        some = re.sub(r"^(the|all the|all) ", "", thing)
        if re.match(r"my |first |top |up to |at most |\d", some) or " and " in some or some.count(" ") > MOST_ASKED:
            return f"what are {thing}"
        return self.rng.choice(QUESTIONS).format(thing=thing, some=some)

    def terse(self, i: int) -> str | None:
        """Step i as a noun alone: `p1 tickets owned by DEVU-4`; None if that would not be a request."""
        wording = self.wordings[i]
        if not wording.is_getter or wording.is_lookup or wording.noun.text.startswith("{"):
            return None
        if not self.plan.steps[i].arguments and not wording.by_id:
            return None
        noun = self.thing(i, ("", "", "all "))
        return noun if wording.plural else noun.removeprefix("the ")
