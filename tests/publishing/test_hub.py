"""What is known of a repository before the first byte, what a push leaves there, and what each refusal says."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from platypus.errors import HubError
from platypus.publishing.hub import Repository
from tests.support.model_hub import TOKEN, ModelHub, asked_hub
from tests.support.model_hub import Repository as There

TAG = "v1"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    with asked_hub(monkeypatch, tmp_path) as hub:
        yield hub


@pytest.fixture
def files(tmp_path: Path) -> Mapping[str, Path | bytes]:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(os.urandom(5000))
    return {"README.md": b"---\nlicense: mit\n---\n# A model\n", "model.safetensors": weights, "config.json": b"{}"}


def push(files: Mapping[str, Path | bytes], *, public: bool = False, tag: str = TAG, replace: bool = False) -> str:
    repository = Repository("user/model")
    state = repository.state(files, public=public, tag=tag, replace=replace)
    return repository.fill(files, state, public=public, tag=tag, message="Push")


def test_a_new_repository_is_private_and_has_one_commit_and_its_tag(hub: ModelHub, files: Mapping[str, Any]) -> None:
    commit = push(files)
    there = hub.repositories["user/model"]
    assert there.private and there.commits[-1] == commit and there.tags == {TAG: commit} and len(there.commits) == 2
    assert {*there.files, *there.large} == {*files, ".gitattributes"}
    assert hub.sent == 5000 and {f"Bearer {TOKEN}"} == hub.tokens - {None}


def test_public_only_where_that_is_said(hub: ModelHub, files: Mapping[str, Any]) -> None:
    push(files, public=True)
    assert not hub.repositories["user/model"].private
    with pytest.raises(HubError, match="is public, which a private push would not change"):
        push(files)
    hub.repositories["user/model"].private = True
    with pytest.raises(HubError, match="is private, which --public would not change"):
        push(files, public=True)


def test_the_same_again_sends_nothing_and_a_lost_tag_comes_back(hub: ModelHub, files: Mapping[str, Any]) -> None:
    commit = push(files)
    hub.repositories["user/model"].tags.clear()
    hub.requests.clear()
    assert push(files) == commit
    assert hub.repositories["user/model"].tags == {TAG: commit}
    assert not hub.asked("/commit/") and not hub.asked("PUT") and hub.sent == 5000


def test_other_content_is_kept_unless_it_is_to_be_replaced(hub: ModelHub, files: Mapping[str, Any]) -> None:
    hub.repositories["user/model"] = There(
        True, {".gitattributes": b"", "pytorch_model.bin": b"old", "README.md": b"o"}
    )
    hub.requests.clear()
    with pytest.raises(HubError, match=r"holds something else: 2 files, the first: pytorch_model\.bin"):
        push(files)
    assert not [request for request in hub.requests if not request.startswith("GET")]
    push(files, replace=True)
    there = hub.repositories["user/model"]
    assert {*there.files, *there.large} == {*files, ".gitattributes"} and len(there.commits) == 2
    with pytest.raises(HubError, match="the tag v1 is there already"):
        push({**files, "config.json": b"{ }"}, replace=True)
    push({**files, "config.json": b"{ }"}, replace=True, tag="v2")
    assert [*there.tags] == ["v1", "v2"]


def test_an_empty_repository_is_filled(hub: ModelHub, files: Mapping[str, Any]) -> None:
    hub.repositories["user/model"] = There(True, {".gitattributes": b""})
    push(files)
    assert not hub.asked("/api/repos/create")


@pytest.mark.parametrize(
    "name", ["model", "a/b/c", "user/", "user/-model", "us er/model", "user/mo--del", "user/a.git"]
)
def test_a_name_that_is_none(hub: ModelHub, name: str) -> None:
    with pytest.raises(HubError, match="is not a repository's name"):
        Repository(name)
    assert not hub.requests


def test_the_token_comes_from_the_environment_alone(hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", TOKEN)
    with pytest.raises(HubError, match="the environment has no HF_TOKEN"):
        Repository("user/model")
    assert not hub.requests


@pytest.mark.parametrize(
    ("role", "name", "said"),
    [("read", "user/model", "may only read"), ("write", "other/model", "who is not other nor one of its members")],
)
def test_what_the_token_may_not_do(hub: ModelHub, files: Mapping[str, Any], role: str, name: str, said: str) -> None:
    hub.user["auth"]["accessToken"]["role"] = role
    with pytest.raises(HubError, match=said):
        Repository(name).state(files, public=False, tag=TAG, replace=False)
    assert hub.asked("") == hub.asked("GET")


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ("GET /api/whoami-v2", 401, r"the hub does not know the token \(401\)"),
        ("GET /api/models/user/model", 401, "does not know the token"),
        ("POST /api/repos/create", 403, r"the token may not do this \(403: Sorry\)"),
        ("POST /api/repos/create", 409, "something of this name is there already"),
        ("POST /api/repos/create", 503, r"the hub answered with an error: .*503"),
        ("POST /api/models/user/model/preupload/main", 404, "knows no such repository"),
        ("POST /api/models/user/model/preupload/main", 500, r"the hub answered with an error: .*500"),
        ("POST /user/model.git/info/lfs/objects/batch", 403, "the token may not do this"),
        ("PUT /objects/", 502, r"the hub answered with an error: .*502"),
        ("POST /api/models/user/model/commit/main", 412, "somebody has changed the repository meanwhile"),
        ("POST /api/models/user/model/commit/main", 413, "no files of this size"),
        ("POST /api/models/user/model/commit/main", 429, "too many requests"),
        ("POST /api/models/user/model/tag/", 409, "something of this name"),
    ],
)
def test_a_refusal_is_one_error_without_the_token(
    hub: ModelHub, files: Mapping[str, Any], request_: str, status: int, said: str
) -> None:
    """And once the hub is well again, the same push goes on."""
    hub.fails = lambda request: (status, "Sorry") if request.startswith(request_) else None
    with pytest.raises(HubError, match=said) as raised:
        push(files)
    assert raised.value.remedy and TOKEN not in str(raised.value) and "\n" not in raised.value.what
    hub.fails = lambda request: None
    push(files)
    assert hub.sent == 5000


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, hub: ModelHub, files: Mapping[str, Any]) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="the hub could not be reached"):
        push(files)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="offline mode"):
        push(files)


def test_through_xet(hub: ModelHub, files: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage that huggingface_hub uses by default; a fault of it is an error like others."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    hub.fails = lambda request: (400, "Sorry") if "/xorbs/" in request else None
    with pytest.raises(HubError, match="broke off"):
        push(files)
    hub.fails = lambda request: None
    commit = push(files)
    assert hub.blocks and hub.repositories["user/model"].tags == {TAG: commit}


def test_the_licence_of_a_base(hub: ModelHub) -> None:
    repository = Repository("user/model")
    assert repository.licence_of("some/base") is None
    hub.repositories["some/base"] = There(False, licence="llama2")
    assert repository.licence_of("some/base") == "llama2"
