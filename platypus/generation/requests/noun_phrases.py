"""Noun phrases: the output of a step, restricted by all of its arguments; and values as they are written.

`the tickets owned by DEVU-4 with high severity`, `my open orders`, `the location of the power plant PL-4`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from platypus.catalogue.dataflow import CODES, KIN, content, takes_ids
from platypus.catalogue.schema import allowed_values
from platypus.catalogue.tools import Argument
from platypus.catalogue.words import is_plural, listed, pluralised, singular, words
from platypus.generation.lexicon import name_words, spelled
from platypus.generation.requests.argument_phrases import PLACE, label
from platypus.generation.requests.discourse import Discourse, Unsayable, argument_of
from platypus.generation.requests.objects import NAMING_KEYS, has_name, is_large, pasted
from platypus.generation.requests.slots import SLOT, Form, filled_in
from platypus.generation.requests.usual_phrases import in_plural, owner_and_thing, routed, truth
from platypus.plan.plan import Reference, Value

LATE = ("(", "limited", "with a limit")
WHOLE = {"result", "results", "content", "output"}  # fields that hold all that a tool returns
HOLDING = {
    *("board", "project", "workspace", "folder", "database", "collection", "repository", "channel", "space", "list"),
}
ID = re.compile(r"[A-Za-z]+[-_ #]?\d+")  # tells by itself what has it
CLAUSAL = ("that ", "whose ")
RELATIVE = {"that", "whose"}
PREPOSED = ("with ", "without ", "including ", "excluding ", "leaving out ", "as ", "for ", "at ", "in ", "by ")
UNCOUNTED = re.compile(r"(?:information|data|details)\b")
ABOUT = re.compile(r"^(?:information|info|details|data|insights) (?:about|on|of|for|related to|regarding) ")
MINE = {"owned": ("that I own", "owned by me"), "created": ("that I created", "created by me")}


@dataclass
class _Phrase:
    """A noun phrase under construction."""

    article: str
    noun: str
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass
class Nouns(Discourse):
    """Writes the values and noun phrases of one request."""

    def value(self, value: Value, *, last: str = " and ", hint: Argument | None = None) -> str:
        """A value as text; `hint` is the argument that takes it."""
        if isinstance(value, list):
            if any(isinstance(element, dict) for element in value):
                return self.objects(value, hint)
            return listed([self.value(element, hint=hint) for element in value], last=last)
        if isinstance(value, Reference):
            return self.reference(value, hint)
        if isinstance(value, dict):
            return self.fields(value, named=hint is None or has_name(hint))
        if isinstance(value, bool):
            return "true" if value else "false"
        return self.quoted(value) if isinstance(value, str) else str(value)

    def objects(self, values: list[Value], hint: Argument | None) -> str:
        """A list with objects: one after another, or as JSON if one of them is said so."""
        if len(values) > 1 and any(isinstance(value, dict) and is_large(value) for value in values):
            return pasted(values)
        texts = [self.value(element, hint=hint) for element in values]
        return "; ".join(texts) if any("(" in text for text in texts) else listed(texts)

    def fields(self, value: dict[str, Value], *, named: bool = True) -> str:
        """An object: `"Nova" (size: 3)` if it is `named` by a key of its own, else `(size: 3)`; a large one as JSON."""
        if is_large(value):
            return pasted(value)
        name = next(
            (key for key in value if named and key.lower() in NAMING_KEYS and isinstance(value[key], str)), None
        )
        rest = ", ".join(self.field(key, element) for key, element in value.items() if key != name)
        if name is None:
            return f"({rest})"
        return f"{self.value(value[name])} ({rest})" if rest else self.value(value[name])

    def field(self, key: str, value: Value) -> str:
        """A part of an object: `size: 3`, `enabled: no`."""
        noun = spelled(" ".join(words(key)) or key)
        if isinstance(value, bool):
            return f"{noun}: {'yes' if value else 'no'}"
        return f"{noun}: {self.value(value)}"

    def choices(self, values: Sequence[Any], *, last: str = " or ", plain: bool = False) -> str:
        """Values of an enum: all quoted or none, sometimes with a capital."""
        texts = [str(value) for value in values]
        if not plain and self.style.quote and self.rng.random() < 0.6:
            return listed([self.quoted(text) for text in texts], last=last)
        if self.rng.random() < 0.15 and all(text.isalpha() and text.islower() for text in texts):
            texts = [text.upper() if len(text) < 3 else text.capitalize() for text in texts]
        return listed(texts, last=last)

    def quoted(self, value: str) -> str:
        """The value in the writer's quotes; in some quotes anyway if it is long or has punctuation."""
        quote = self.style.quote
        if not quote and (value.count(" ") > 2 or re.search(r"[.,:;]", value)):
            quote = '"'
        quote = '"' if quote == "'" and "'" in value else quote
        return f"{quote}{value}{quote}"

    def reference(self, reference: Reference, hint: Argument | None = None) -> str:
        """An earlier step: inside this clause, or as an expression that refers back to it."""
        i = reference.step
        if reference.path:
            return self.part(i, reference.path)
        return self.inner(i, hint) if i in self.inside else self.pointer(i)

    def part(self, i: int, path: tuple[str, ...]) -> str:
        """A field of an earlier output: `the location of the power plant PL-4`, `its location`."""
        wording = self.wordings[i]
        name = " ".join(words(path[-1]))
        if i in self.inside:
            if not wording.is_getter and not wording.nominal:
                raise Unsayable
            self.mentions.append(i)
            about = ABOUT.sub("", wording.noun.text)
            phrase = self.thing(i, ("the ",), noun=about) if wording.is_getter else self.nominal(i)
            return phrase if about.startswith(f"{name} ") or name in WHOLE else f"the {name} of {phrase}"
        head = wording.noun_head or "result"
        if self.heads().count(head) > 1:
            raise Unsayable
        if words(path[-1])[-1:] == ["id"]:
            owner = name.removesuffix("id").strip() or singular(head)
            return f"that {owner}" if owner != "result" else "it"
        if self.latest(many=wording.plural) == i and self.rng.random() < 0.5:
            return f"its {name}" if not is_plural(head) else f"their {name}"
        if head.startswith(name):
            return f"{'those' if is_plural(name) else 'that'} {name}"
        return self.rng.choice((f"the {name} of that {singular(head)}", f"the {name} of the {head}"))

    def inner(self, i: int, hint: Argument | None = None) -> str:
        """The output of step i inside another clause: `me`, `the work items owned by DEVU-1`."""
        wording = self.wordings[i]
        self.mentions.append(i)
        if wording.is_lookup:
            return self.looked_up(i, hint)
        if wording.is_me:
            return self.rng.choice(("me", "me", "me", "the current user", "myself"))
        if not wording.is_getter:
            return self.nominal(i)
        if not self.plan.steps[i].arguments and wording.by_id and self.rng.random() < 0.85:
            return self.rng.choice(
                (f"the {wording.noun.text}",) * 4 + (f"our {wording.noun.text}", f"my {wording.noun.text}")
            )
        about = ABOUT.sub("", wording.noun.text) if hint and takes_ids(hint) else None
        return self.thing(i, ("the ", "all ", "all ", "all the ", "", ""), noun=about)

    def nominal(self, i: int) -> str:
        """The action of step i as a noun phrase: `a summary of the work items owned by me`."""
        form = self.wordings[i].nominal
        if form is None:
            raise Unsayable
        article = "a " if form.text.startswith("summary") and self.rng.random() < 0.5 else "the "
        rest = self.unsaid(i, form)
        return f"{article}{self.filled(i, form)} {self.joined([self.modifier(i, name) for name in rest])}".strip()

    def looked_up(self, i: int, hint: Argument | None) -> str:
        """A thing looked up by its name: the name alone in place of an id, otherwise with its kind."""
        step = self.plan.steps[i]
        value = self.value(next(iter(step.arguments.values())))
        kind = self.kind(i, hint)
        if hint is not None and takes_ids(hint) and self.rng.random() < 0.5:
            return value
        if not kind:
            return (
                self.rng.choice((value, f"the object named {value}"))
                if hint and takes_ids(hint)
                else f"the object named {value}"
            )
        return self.rng.choice(
            (f"the {kind} {value}", f"{kind} {value}", f"the {kind} named {value}", f"the {kind} called {value}")
        )

    def kind(self, i: int, hint: Argument | None) -> str:
        """The kind of thing that step i looks up: its only kind, or the kind that the argument `hint` needs."""
        kinds = self.wordings[i].kinds
        if len(kinds) == 1 or hint is None:
            return kinds[0] if len(kinds) == 1 else ""
        needed = content(f"{hint.name} {hint.description}")
        own = [kind for kind in kinds if kind in needed]
        near = [kind for family in KIN if family & needed for kind in kinds if kind in family]
        return (own or near or [""])[0]

    def thing(self, i: int, articles: Sequence[str], *, noun: str | None = None) -> str:
        """The output of step i, with all arguments before or after the noun (default: the tool's own)."""
        wording = self.wordings[i]
        if not noun:
            noun = wording.short if wording.short and self.rng.random() < 0.3 else wording.noun.text
        noun = re.sub(r"^(?:the|an?) ", "", noun)
        if self.rng.random() < 0.3:  # `similar work items to X`
            noun = re.sub(r"^([\w ]+) (similar|related) to (?=\{)", r"\2 \1 to ", noun)
        many = wording.plural or is_plural(noun)
        noun = self.told(i, Form(noun)).text
        phrase = _Phrase(self.rng.choice(articles) if many else "the ", noun)
        if UNCOUNTED.match(noun):
            about = self.rng.choice(("information about", "information about", "info on", "details about"))
            phrase = _Phrase("", re.sub(r"^information (about|on)\b", about, noun))
        elif noun.startswith(("{", "my ", "more ")) or (
            wording.verb == "search" and noun.split(" ")[0] in name_words("uncountable")
        ):
            phrase.article = ""
        names = self.unsaid(i, Form(noun))
        self.rng.shuffle(names)
        for name in names:
            self.add(i, name, phrase, many=many)
        filled = self.filled(i, Form(" ".join((*phrase.before, phrase.noun))))
        return f"{phrase.article}{filled} {self.joined(phrase.after)}".strip()

    def add(self, i: int, name: str, phrase: _Phrase, *, many: bool) -> None:
        """Put one argument of step i into the phrase: as its noun, before it, or after it."""
        value, phrases = self.plan.steps[i].arguments[name], self.phrases(i, name)
        single = value[0] if isinstance(value, list) and len(value) == 1 else value
        mine = self.mine(name, value)
        if phrases.heads and not SLOT.search(phrase.noun) and isinstance(value, list) and self.rng.random() < 0.8:
            phrase.noun = self.types(phrase.noun, value, many=self.wordings[i].plural)
        elif mine and self.rng.random() < 0.75:
            if phrase.article != "my " and mine == MINE["owned"] and self.rng.random() < 0.5:
                phrase.article = "my "
            else:
                phrase.after.append(self.rng.choice(mine))
        elif phrases.counts and many and value != 1 and not self.asking and self.rng.random() < 0.55:
            form = self.rng.choice(phrases.before)
            if phrase.article != "my ":
                phrase.article = "the " if form.startswith("the ") else ""
            phrase.before.insert(0, form.removeprefix("the ").format(value))
        elif (
            phrases.before
            and not phrases.counts
            and isinstance(single, str)
            and not phrase.before
            and self.rng.random() < 0.4
        ):
            form = self.rng.choice(phrases.before)
            phrase.before.append(form.format(self.choices([single], plain="{}-" in form)))
        else:
            phrase.after.append(self.modifier(i, name))

    def types(self, noun: str, value: list[Any], *, many: bool) -> str:
        nouns = [pluralised(str(word), many=many) for word in value]
        if any(word in noun for word in nouns):
            raise Unsayable
        return listed(nouns, last=self.rng.choice((" and ", " or ") if many else (" or ",)))

    def mine(self, name: str, value: Value) -> tuple[str, ...]:
        """Phrases for an argument filled with the current user: `that I own`; none for other values."""
        element = value[0] if isinstance(value, list) and len(value) == 1 else value
        if (
            not isinstance(element, Reference)
            or element.step not in self.inside
            or not self.wordings[element.step].is_me
        ):
            return ()
        return MINE.get(words(name)[0], ("assigned to me",) if "assign" in name else ())

    def joined(self, modifiers: list[str]) -> str:
        """Modifiers in one phrase: `owned by A and in the review stage`, `that are owned by A, with high severity`."""
        modifiers = routed(modifiers)
        late = [text for text in modifiers if text.startswith(LATE)]
        aside = [text[1:-1] for text in late if text.startswith("(")]
        rest = [text for text in modifiers if text not in late]
        with_phrases = [text for text in rest if text.startswith("with ")]
        if len(with_phrases) > 1:
            together = "with " + listed([text.removeprefix("with ") for text in with_phrases])
            rest = [together if text == with_phrases[0] else text for text in rest if text not in with_phrases[1:]]
        rest.sort(key=lambda text: (text.startswith(CLAUSAL), text.startswith("with "), len(text) > 60))
        alike = len({text.split(" ")[0] in RELATIVE or text.split(" ")[0][-2:] for text in rest}) == 1
        if len(rest) > 1 and (alike or not rest[-1].startswith(PREPOSED)) and self.rng.random() > 0.4:
            rest = [" ".join(rest[:-1]), "and", rest[-1]]
        late = [text for text in late if not text.startswith("(")]
        return " ".join((*rest, *late, *([f"({', '.join(aside)})"] if aside else ())))

    def told(self, i: int, form: Form) -> Form:
        """The form with slots for all arguments of step i that it mentions: `a tag` becomes the tag that is meant."""
        names = [name for name, value in self.plan.steps[i].arguments.items() if isinstance(value, str)]
        return Form(filled_in(form.text, self.wordings[i].tool, (name for name in names if name not in form.slots)))

    def unsaid(self, i: int, form: Form) -> list[str]:
        """The arguments of step i without a slot; the owner in `acme/website` has no phrase of its own."""
        arguments = self.plan.steps[i].arguments
        owner, _ = owner_and_thing(arguments)
        return [name for name in arguments if name not in form.slots and name != owner]

    def owned(self, i: int, name: str) -> str:
        """The value of argument `name` with its owner before it: `acme/website`; "" if it has none."""
        arguments = self.plan.steps[i].arguments
        owner, thing = owner_and_thing(arguments)
        return f"{arguments[owner]}/{arguments[name]}" if owner and name == thing else ""

    def filled(self, i: int, form: Form) -> str:
        """The form with its slots filled from the arguments of step i."""
        arguments = self.plan.steps[i].arguments
        if any(name not in arguments for name in form.slots):
            raise Unsayable
        return SLOT.sub(lambda slot: self.slot(i, slot[1], slot[2]), form.text)

    def slot(self, i: int, name: str, noun: str) -> str:
        """A value in a slot: an id alone or after its noun (`issue ISS-4`), a type before its noun (`interior cabin`).

        Where the value alone would be unclear, the noun is added: "what do we know about power plant 84750".
        """
        wording, value = self.wordings[i], self.plan.steps[i].arguments[name]
        tool = wording.tool
        first = value[0] if isinstance(value, list) and value else value
        owned = self.owned(i, name)
        if owned:
            return self.rng.choice((owned, f"the {noun} {owned}", owned))
        text = self.value(value, hint=argument_of(tool, name))
        made = wording.verb.split(" ")[0] in name_words("making")
        if str(first) in noun.split(" or "):
            return str(first)
        if (re.match(r"https?://", str(first)) and not made) or " or " in noun:
            return text
        if noun == "text" and not isinstance(first, Reference):
            return self.rng.choice((text, f"the text {text}"))
        shared = wording.verb in wording.taken and not wording.is_getter and not ID.fullmatch(str(first))
        essential = made or shared or wording.noun.text.startswith("{")  # `create link https://…`, `read text file …`
        long = isinstance(first, str) and len(first) > 30 and not essential
        if isinstance(first, Reference) or noun in ("", "one", "objects", "items", *PLACE) or long:
            return text
        many = isinstance(value, list) and len(value) > 1
        general = is_plural(noun) and words(noun)[-1] not in words(name) and not isinstance(value, list)
        noun_form = pluralised(noun, many=many) if isinstance(value, list) or general or not is_plural(noun) else noun
        if words(name)[-1] in ("type", "kind", "style") and words(noun)[-1] not in words(name)[-1:]:
            article = "" if is_plural(noun_form) else "an " if text.strip("'\"")[:1].lower() in "aeio" else "a "
            return f"{article}{text} {noun_form}"
        is_unclear = re.search(r"\d", str(first)) and (
            ABOUT.match(self.wordings[i].noun.text) or str(first)[0].isdigit()
        )
        is_name = words(name)[-1] in ("name", "title")
        if isinstance(first, dict):
            return f"{noun_form} {text}"
        vague = is_name or not set(words(noun)[:-1]) <= set(words(name))  # `Spanish word`, `golf club`
        if noun.lower() != noun or essential or (is_name and not wording.is_getter):
            chance = 0.0  # `create the ad Nova`
        elif vague:
            chance = 0.35 if text.startswith(("'", '"')) else 0.15
        else:
            chance = 0.35 if wording.is_getter else 0.2
        if not is_unclear and not str(first).isdigit() and self.rng.random() < chance:
            return text
        return self.rng.choice((f"{noun_form} {text}", f"the {noun_form} {text}", f"{noun_form} {text}"))

    def modifier(self, i: int, name: str) -> str:
        """One argument of step i as a phrase after the noun."""
        wording = self.wordings[i]
        argument, value = argument_of(wording.tool, name), self.plan.steps[i].arguments[name]
        owned = self.owned(i, name)
        if owned:
            return self.rng.choice((f"in {owned}", f"in the {spelled(words(name)[0])} {owned}", f"in {owned}"))
        if isinstance(value, bool):
            many = wording.plural or is_plural(wording.noun.text)
            return self.rng.choice(truth(argument, value, many=many, acting=not wording.is_getter))
        last = self.rng.choice((" and ", " and ", " or ")) if wording.is_getter and not argument.required else " and "
        values = value if isinstance(value, list) else [value]
        forms = self.phrases(i, name).after
        noun = spelled(label(wording.tool, argument)) if len(values) > 1 else ""
        if not wording.is_getter:  # nothing *has* something behind a deed: `search the web with images`
            forms = tuple(form for form in forms if not form.startswith((*CLAUSAL, "matching {}"))) or forms
        if allowed_values(argument.schema.get("items", argument.schema)):
            form = self.rng.choice(forms)
            form = in_plural(form, noun) if noun and is_plural(words(name)[-1]) else form
            return form.format(self.choices(values, last=last))
        references = [element for element in values if isinstance(element, Reference)]
        if references:
            if len({element.step in self.inside for element in references}) > 1 or len(references) < len(values):
                raise Unsayable
            forms = self.referring(i, name, references)
        if any(str(element).lower().startswith("in ") for element in values):
            forms = tuple(form for form in forms if not re.search(r"\bin (?:the )?\{", form)) or forms
        form = self.rng.choice(forms)
        if noun:
            form = in_plural(form, noun)
        return form.format(self.value(value, last=last, hint=argument))

    def referring(self, i: int, name: str, references: list[Reference]) -> tuple[str, ...]:
        """Forms that suit an earlier result: `related to it`, never `whose part is it`."""
        phrases = self.phrases(i, name)
        noun = label(self.wordings[i].tool, argument_of(self.wordings[i].tool, name))
        if references[0].path and re.sub(r" ids?$", "", singular(" ".join(words(references[0].path[-1])))) == noun:
            return "for {}", "using {}"
        if not phrases.referring and self.tells(references[0].step, noun):
            return "for {}", "using {}"
        if not phrases.referring and noun.split(" ")[-1] in HOLDING:
            return ("in {}",)
        inside = all(reference.step in self.inside for reference in references)
        whose = (form for form in phrases.after if inside and form.startswith("whose "))
        return (*(phrases.referring or (f"using {{}} as the {noun}",)), *whose)

    def tells(self, i: int, noun: str) -> bool:
        """Whether what step i returns is what the noun says: `pull number` of a pull request."""
        wanted = {singular(word) for word in noun.split(" ")} - CODES
        given = (*self.head(i).split(" "), *words(self.wordings[i].tool.name))
        return bool(wanted) and wanted <= set(map(singular, given))
