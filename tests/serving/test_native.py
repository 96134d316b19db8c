"""Our own endpoints: plans with graphs, checks, scores, the catalogue, corrections."""

import json
from typing import Any

from fastapi.testclient import TestClient

from platypus.plan.plan import Plan, Reference, Step
from platypus.serving.native import graph

ASK = "List the work items that are owned by DEVU-7, then prioritize them"


def post(client: TestClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def test_models(client: TestClient) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert [(one["id"], one["platypus"]["default"]) for one in listed] == [("embedded", True), ("bare", False)]
    assert listed[0]["platypus"]["tools"] == 9 and listed[0]["platypus"]["notation"] == "calls"
    assert client.get("/v1/models/bare").json()["id"] == "bare"
    assert client.get("/v1/models/none").status_code == 404


def test_the_catalogue_has_what_a_form_needs(client: TestClient) -> None:
    answer = client.get("/v1/catalogue", params={"model": "embedded"}).json()
    tools = {tool["name"]: tool for tool in answer["tools"]}
    works = {argument["name"]: argument for argument in tools["works_list"]["arguments"]}
    assert not works["owned_by"]["required"] and works["owned_by"]["schema"]["type"] == "array"
    assert works["owned_by"]["description"] and answer["model"] == "embedded" and answer["examples"] == []


def test_plans_come_best_first_with_their_graphs(client: TestClient) -> None:
    answer = post(client, "/v1/plan", request=ASK, k=3)
    chances = [plan["probability"] for plan in answer["plans"]]
    assert len(chances) == 3 and chances == sorted(chances, reverse=True)
    best = answer["plans"][0]
    assert [step["tool_name"] for step in best["plan"]] == ["works_list", "prioritize_objects"]
    assert best["graph"]["edges"] == [{"from": 0, "to": 1, "argument": "objects", "reference": "$$PREV[0]"}]
    assert [node["id"] for node in best["graph"]["nodes"]] == [0, 1]
    assert 0 < best["confidence"] < 1  # the embedded base's own
    one = post(client, "/v1/plan", request=ASK)
    assert [plan["plan"] for plan in one["plans"]] == [best["plan"]]


def test_a_graph_has_an_edge_for_each_reference() -> None:
    plan = Plan((Step("a"), Step("b", {"x": [Reference(0), "c", Reference(0, ("d",))], "y": Reference(0)})))
    edges = graph(plan)["edges"]
    assert [edge["reference"] for edge in edges] == ["$$PREV[0]", "$$PREV[0].d", "$$PREV[0]"]


def test_a_check_says_where_a_plan_is_wrong(client: TestClient) -> None:
    step = {"tool_name": "works_list", "arguments": [{"argument_name": "limit", "argument_value": "many"}]}
    answer = post(client, "/v1/check", plan=[{"tool_name": "who_am_i", "arguments": []}, step])
    assert not answer["valid"]
    assert [(problem["step"], problem["argument"]) for problem in answer["problems"]] == [(1, "limit")]
    assert post(client, "/v1/check", plan=[]) == {"valid": True, "problems": []}
    assert post(client, "/v1/check", plan=7)["problems"][0]["step"] is None
    own = [{"name": "f"}]
    assert post(client, "/v1/check", plan=[{"tool_name": "f", "arguments": []}], tools=own)["valid"]


def test_a_score_is_the_probability_of_the_plan(client: TestClient) -> None:
    best = post(client, "/v1/plan", request=ASK, k=2)["plans"]
    for plan in best:
        scored = post(client, "/v1/score", request=ASK, plan=plan["plan"])
        assert scored["valid"] and abs(scored["probability"] - plan["probability"]) < 0.01
    unlikely = post(client, "/v1/score", request=ASK, plan=[{"tool_name": "who_am_i", "arguments": []}])
    assert unlikely["probability"] < best[1]["probability"]
    assert post(client, "/v1/score", request=ASK, plan=[{"tool_name": "f", "arguments": []}])["probability"] == 0


def test_a_correction_is_kept_and_counted(client: TestClient) -> None:
    right = [{"tool_name": "who_am_i", "arguments": []}]
    before = client.get("/v1/corrections").json()["waiting"]
    answer = post(client, "/v1/corrections", 201, request="Who am I?", plan=right, answered=[])
    assert answer["waiting"] == before + 1 and "platypus all" in answer["command"] and answer["id"]
    again = post(client, "/v1/corrections", 201, request="Who am I?", plan=[], answered=right)
    assert again["waiting"] == before + 1
    kept = client.get("/v1/corrections").json()["examples"]
    assert [(row["request"], row["plan"]) for row in kept] == [("Who am I?", [])]


def test_a_plan_that_is_not_valid_is_not_kept(client: TestClient) -> None:
    answer = post(client, "/v1/corrections", 422, request="x", plan=[{"tool_name": "f", "arguments": []}])
    assert answer["error"]["param"] == "plan" and answer["problems"][0]["step"] == 0


def test_unknown_parameters_are_refused_by_name(client: TestClient) -> None:
    error = post(client, "/v1/plan", 400, request="x", beams=2)["error"]
    assert error["param"] == "beams"
    assert post(client, "/v1/plan", 400, k=1)["error"]["param"] == "request"
    assert post(client, "/v1/plan", 422, request="x", k=99)["error"]["param"] == "k"
    assert json.dumps(error)
