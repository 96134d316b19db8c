"""Evidence: the features of a plan, by hand."""

from math import log

import pytest

from platypus.decoding.results import DecodedPlan
from platypus.inference.evidence import FEATURES, evidence, unused_values
from platypus.plan.plan import Malformed, Plan, Reference, Step

REQUEST = 'Renew B-204 for U-17, then write "Done" to Ann Lee, 3 times'
PLAN = Plan((Step("renew", {"book": "B-204"}), Step("write", {"text": "Don", "of": Reference(0), "times": 4})))


def decoded(probability: float, *logs: float) -> DecodedPlan:
    return DecodedPlan("", 9, len(logs), "model", probability, tuple((0, each) for each in logs))


def test_features_by_hand() -> None:
    others = [(Plan((Step("write"), Step("renew"))), 0.2), (Plan(), 0.05), (Malformed("", ()), 0.0), (PLAN, 0.01)]
    found = evidence(REQUEST, PLAN, decoded(0.5, 0.0, log(0.8), log(0.95), log(0.6)), others)
    assert list(found) == list(FEATURES)
    assert found == pytest.approx(
        {
            **{"logit": 0.0, "uncertain": 2, "margin": log(0.5 / 0.24), "unfound": 0.24},
            **{"unused": 3, "unused_numbers": 1, "invented": 2, "words": log(13), "refusal": 0, "generated": 0},
        },
        abs=1e-3,
    )


def test_without_other_plans_the_rest_is_unknown() -> None:
    found = evidence("Order a pizza", Plan(), decoded(0.9, log(0.88)))
    assert (found["refusal"], found["uncertain"], found["unfound"]) == (1, 1, 0.1)
    assert found["margin"] == pytest.approx(found["logit"], abs=1e-3)
    sure = evidence("Order a pizza", Plan(), decoded(1.0))
    assert (sure["margin"], sure["uncertain"]) == (8, 0) and sure["logit"] > 20
    assert evidence("Order a pizza", Plan(), decoded(0.0))["margin"] == -8


def test_a_part_of_a_value_counts_as_its_use() -> None:
    clone = Plan((Step("clone", {"repository": "web-app", "owner": "ACME"}),))
    assert unused_values("Clone acme/web-app into /srv/x", clone) == 1
    assert unused_values("Clone acme/web-app", clone) == 0
