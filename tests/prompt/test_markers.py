"""Markers depend on the request alone, stand for exactly its text, and lead to valid plans only."""

import re
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platypus.catalogue.reading import catalogue_from_json
from platypus.catalogue.tools import Catalogue
from platypus.data.dataset import Example
from platypus.decoding.constraint import FEW, Constraint
from platypus.decoding.vocabulary import Vocabulary
from platypus.generation.catalogues.random_catalogue import random_catalogue
from platypus.generation.examples import generate_examples
from platypus.plan.notation import print_plan, read_plan
from platypus.plan.plan import Malformed, Plan, Step
from platypus.prompt.markers import MOST, marked_texts, named_values, plan_with_markers, request_with_markers
from platypus.prompt.prompt import Prompt
from platypus.run.settings import GenerateSettings
from tests.support.tiny_models import byte_bpe_tokenizer, sentencepiece_tokenizer

SHARED = catalogue_from_json(
    [
        {
            "name": "share",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "with": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
                    "on": {"type": "string", "format": "date"},
                    "as": {"type": "string", "enum": ["Owner", "Reader"]},
                    "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
                    "note": {"type": "object", "properties": {"by": {"type": ["string", "null"]}}},
                    "any": {},
                },
                "required": ["with"],
            },
        }
    ]
)


@pytest.mark.parametrize(
    "request_, marked",
    [
        ("Show Anna Schmidt what blocks ISS-12.", "Show Anna Schmidt<1> what blocks ISS-12<2>."),
        ("call it „the new plan“ or „old”", "call it „the new plan<1>“ or „old<2>”"),
        ("it is \u201aa plan\u2018, ”old”, \u2039x\u203a", "it is \u201aa plan<1>\u2018, ”old<2>”, \u2039x<3>\u203a"),
        ("call it «the new plan», « old », »mine«", "call it «the new plan<1>», « old<2> », »mine<3>«"),
        ("Anna's tickets, and Bob's and anna@acme.org's", "Anna's tickets, and Bob<1>'s and anna@acme.org<2>'s"),
        ('Find "the red one," it\'s \'done\'. Go.', 'Find "the red one<1>," it\'s \'done<2>\'. Go.'),
        ("5 items of Sprint 12 due 2024-05-01 at 10:30", "5 items of Sprint 12<1> due 2024-05-01<2> at 10:30<3>"),
        ("I want TKT-1, TKT-2 and TKT-1 again", "I want TKT-1<1>, TKT-2<2> and TKT-1<1> again"),
        ("customerABC pays 3.50 to order 48213", "customerABC<1> pays 3.50 to order 48213<2>"),
        ("see https://a.org/x?y=1. Thanks", "see https://a.org/x?y=1<1>. Thanks"),
        ("ship to 123 Mill Lane in 2024 Ann Roe's", "ship to 123 Mill Lane<1> in 2024<2> Ann Roe<3>'s"),
        ("read /srv/app/main.py, ~/code/ and ./src", "read /srv/app/main.py<1>, ~/code/<2> and ./src<3>"),
        ("add .gitignore (see ../docs/a.md)? In /tmp.", "add .gitignore<1> (see ../docs/a.md<2>)? In /tmp<3>."),
        ("and/or .5 of it; wait... go", "and/or<1> .5 of it; wait... go"),
        ("star acme/web-app, a/b and x/y/z", "star acme<1>/web-app<2><3>, a/b<4> and x/y/z<5>"),
        ("nothing to name here", "nothing to name here"),
    ],
)  # fmt: skip
def test_values_of_a_request_get_markers(request_: str, marked: str) -> None:
    assert request_with_markers(request_) == marked


def test_a_house_number_is_part_of_its_street_but_a_quantity_is_not_part_of_a_name() -> None:
    assert marked_texts("Send 3 Laptops to 9 Hill Street") == ("Laptops", "9 Hill Street")


def test_a_value_is_used_by_itself_or_by_a_part() -> None:
    values = named_values("close #12 of acme/web-app for Ann Lee")
    assert values[::-1] == ({"acme/web-app", "acme", "web-app"}, {"Ann Lee"})


@given(
    st.one_of(
        st.text(),
        st.lists(st.sampled_from(["Anna", "a", "'", '"', "12", "X-1", ".", " ", "\n", "$$PREV[0]"])).map("".join),
    )
)
@example("Ann " * 50 + "X-" + " X-".join(map(str, range(50))))
def test_markers_only_add_to_a_request(request: str) -> None:
    texts = marked_texts(request)
    assert len(texts) == len(set(texts)) <= MOST and all(text in request and text.strip() for text in texts)
    if not re.search(r"<\d", request):
        assert re.sub(r"<[1-9][0-9]?>", "", request_with_markers(request)) == request


def test_a_plan_uses_markers_only_where_any_text_is_allowed() -> None:
    request = "Share it with Ann and CD-2 on 2024-05-01 as Owner, code CD-2, by Ann."
    values = {"with": ["Ann", "CD-2", "else"], "on": "2024-05-01", "as": "Owner", "code": "CD-2", "note": {"by": "Ann"}}
    plan = Plan((Step("share", {**values, "any": "Ann"}),))  # type: ignore[dict-item]
    printed = print_plan(plan_with_markers(plan, SHARED, request), "calls")
    assert printed == (
        'share(with=[<1>, <2>, "else"], on="2024-05-01", as="Owner", code="CD-2", note={"by": <1>}, any="Ann")'
    )
    assert read_plan(printed, "calls", SHARED, marked_texts(request)) == plan
    assert print_plan(plan, "json") == print_plan(plan_with_markers(plan, SHARED, request), "json")


@pytest.mark.parametrize("text", ["share(with=[<4>])", "share(with=[<0>])", "share(with=[<])", "share(<1>)", "<1>"])
def test_an_unknown_marker_is_malformed(text: str) -> None:
    assert isinstance(read_plan(text, "calls", SHARED, ("a", "b", "c")), Malformed)
    assert isinstance(read_plan("share(with=[<1>])", "calls", SHARED), Malformed)


@pytest.fixture(scope="module", params=["byte-level BPE", "sentencepiece"])
def prompt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    folder = tmp_path_factory.mktemp("sentencepiece")
    tokenizer = sentencepiece_tokenizer(folder) if request.param == "sentencepiece" else byte_bpe_tokenizer()
    return Prompt(tokenizer, SHARED, "calls", markers=True)


def decide(prompt: Prompt, catalogue: Catalogue, request: str, seed: int) -> str:
    """A random plan in which markers are likely."""
    vocabulary = Vocabulary(prompt.tokenizer, size=len(prompt.tokenizer))  # type: ignore[arg-type]
    state = Constraint.compile(vocabulary, catalogue, "calls", max_steps=4, markers=True).start(
        prompt.marked_texts(request)
    )
    rng, size = np.random.default_rng(seed), vocabulary.tokens.vocab_size
    has_marker = np.array([b"<" in vocabulary.token(token) for token in range(size)])
    while not state.ended:
        if not state.forced():
            state.append(
                state.best(rng.normal(size=size) + 4 * has_marker) if len(state.ids) < 150 else state.shortest()
            )
    assert not state.noncanonical_tokens
    return state.text


@pytest.mark.parametrize("seed", range(30))
def test_under_the_grammar_only_markers_of_the_request_are_generated(prompt: Prompt, seed: int) -> None:
    for request in ("Share it with Ann, CD-2 and Eve", "Share it with Ann", "Share it"):
        text = decide(prompt, SHARED, request, seed)
        plan = prompt.read(text, request)
        assert isinstance(plan, Plan), text
        assert all(int(number) <= len(marked_texts(request)) for number in re.findall(r"[=\[ ]<(\d+)>", text))


@pytest.mark.parametrize("seed", range(4))
def test_generated_examples_are_legal_under_the_grammar_and_read_back(prompt: Prompt, seed: int) -> None:
    catalogue = random_catalogue(Random(seed), tools=6)
    prompt = Prompt(prompt.tokenizer, catalogue, "calls", markers=True)
    vocabulary = Vocabulary(prompt.tokenizer, size=len(prompt.tokenizer))  # type: ignore[arg-type]
    constraint = Constraint.compile(vocabulary, catalogue, "calls", max_steps=6, markers=True)
    with_marker = 0
    for row in generate_examples(catalogue, GenerateSettings(examples=30), seed=seed):
        answer = prompt.answer(row)
        assert isinstance(row, Example) and prompt.read(answer, row.query) == row.plan.ordered(catalogue)
        with_marker += "<1>" in answer
        state = constraint.start(prompt.marked_texts(row.query))
        for token in (*vocabulary.encode(answer), vocabulary.end):
            assert (
                state.legal(np.array([token]))
                if len(state.candidates()) > FEW
                else token in state.legal(state.candidates())
            )
            state.append(token)
    assert with_marker > 5
