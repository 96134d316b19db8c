"""A model repository on the hub: what can be known of it before the first byte, one commit with all files, a tag.

`huggingface_hub` does the talking: what has arrived of large files is not sent again, so the same push goes on where it
was stopped. The token comes from the environment alone, and stands in no message. Knows no runs.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platypus.errors import HubError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

TOKEN = "HF_TOKEN"
OWN = ".gitattributes"  # what the hub itself puts into a new repository
AGAIN = "Run the same command again; what has arrived is not sent again."
REASONS = {  # status → what it means, and the remedy
    401: ("the hub does not know the token", f"Make a new one with the right to write, and put it into {TOKEN}."),
    403: (
        "the token may not do this",
        "Give it the right to write here, or name a repository of your own.",
    ),
    404: ("the hub knows no such repository, or the token may not see it", "Check the name and what the token may do."),
    409: ("something of this name is there already, or is being made", AGAIN),
    412: ("somebody has changed the repository meanwhile", AGAIN),
    413: ("the hub takes no files of this size or number", "Merge into larger or fewer files: max_shard_size."),
    429: ("the hub has had too many requests", "Wait a while. " + AGAIN),
}


@dataclass(frozen=True)
class State:
    """What a repository holds before a push: its head (None: there is none yet), files beside ours, tags by commit."""

    head: str | None
    others: tuple[str, ...]
    changed: tuple[str, ...]
    tags: Mapping[str, str]


class Repository:
    """A model repository, as the holder of the token in the environment sees it."""

    def __init__(self, name: str) -> None:
        """Raises HubError for a name that is none, or without a token. Asks nothing."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        try:
            validate_repo_id(name)
            owner, self.short = name.split("/")
        except (HFValidationError, ValueError) as error:
            raise HubError(
                "is not a repository's name: an owner, a slash, and letters, digits, '-', '_' or '.'",
                where=name,
                remedy="Say OWNER/NAME, with your name on the hub or that of an organisation.",
            ) from error
        token = os.environ.get(TOKEN, "").strip()
        if not token:
            raise HubError(
                f"there is no token: the environment has no {TOKEN}",
                where=name,
                remedy=f"Make one on the hub with the right to write, and say: export {TOKEN}=…",
            )
        self.name, self.owner = name, owner
        self.api = HfApi(token=token)

    def state(self, files: Mapping[str, Path | bytes], *, public: bool, tag: str, replace: bool) -> State:
        """What is there now.

        Raises HubError if a push of these files would fail, or would change what it should not.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        with self._explained():
            self._check_writer(self.api.whoami())
            try:
                info = self.api.model_info(self.name)
            except RepositoryNotFoundError as error:
                if error.response.status_code != 404:
                    raise
                return State(None, (), tuple(files), {})
            tags = {one.name: one.target_commit for one in self.api.list_repo_refs(self.name).tags}
            there = self._tree()
        if bool(info.private) == public:
            now, wanted = ("private", "--public") if info.private else ("public", "a private push")
            remedy = "leave out --public" if public else "say --public"
            raise HubError(
                f"the repository is {now}, which {wanted} would not change",
                where=self.name,
                remedy=f"Change that in its settings on the hub, or {remedy}.",
            )
        others = tuple(sorted(there.keys() - files.keys() - {OWN}))
        state = State(info.sha, others, _changed(files, there), tags)
        old = [*others, *(name for name in state.changed if name in there)]
        if old and not replace:
            raise HubError(
                f"the repository holds something else: {len(old)} files, the first: {old[0]}",
                where=self.name,
                remedy="Name another one, or put this model in its place: --replace. Its history keeps the old one.",
            )
        if tag in tags and (state.changed or state.others or tags[tag] != info.sha):
            raise HubError(
                f"the tag {tag} is there already, and names other files",
                where=self.name,
                remedy="Say another one: --tag NAME",
            )
        return state

    def fill(self, files: Mapping[str, Path | bytes], state: State, *, public: bool, tag: str, message: str) -> str:
        """Bring the repository to exactly these files, in one commit, and tag it. Returns the commit.

        Raises HubError if the hub refuses, cannot be reached, or holds other bytes afterwards.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._explained():
            if state.head is None:
                self.api.create_repo(self.name, private=not public)
            head = state.head or str(self.api.model_info(self.name).sha)
            if state.changed or state.others:
                operations = [CommitOperationAdd(name, files[name]) for name in state.changed]
                deleted = [CommitOperationDelete(name) for name in state.others]
                head = self.api.create_commit(
                    self.name, [*deleted, *operations], commit_message=message, parent_commit=head
                ).oid
                wrong = _changed(files, self._tree())
                if wrong:
                    raise HubError(
                        f"{len(wrong)} files are not there as they were sent, the first: {wrong[0]}",
                        where=self.name,
                        remedy="Run the same command again with --replace.",
                    )
            if tag not in state.tags:
                self.api.create_tag(self.name, tag=tag, revision=head)
        return head

    def licence_of(self, base: str) -> str | None:
        """The licence that the card of a model on the hub gives; None if it cannot be known."""
        from huggingface_hub.errors import HfHubHTTPError

        with self._explained():
            try:
                card = self.api.model_info(base).card_data
            except HfHubHTTPError:
                return None
        return None if card is None else card.get("license")

    def _check_writer(self, known: Mapping[str, Any]) -> None:
        """Raises HubError if the token cannot write, or its holder has nothing to do with the owner."""
        role = known.get("auth", {}).get("accessToken", {}).get("role")
        owners = [known["name"], *(one["name"] for one in known.get("orgs", ()))]
        if role == "read":
            raise HubError("the token may only read", where=self.name, remedy=REASONS[403][1])
        if role == "write" and self.owner not in owners:  # tokens of finer rights don't list all
            raise HubError(
                f"the token is that of {known['name']}, who is not {self.owner} nor one of its members",
                where=self.name,
                remedy=f"Push to one of: {', '.join(f'{owner}/{self.short}' for owner in owners)}",
            )

    def _tree(self) -> "dict[str, RepoFile]":
        from huggingface_hub.hf_api import RepoFile

        entries = self.api.list_repo_tree(self.name, recursive=True)
        return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """In the block, what the hub or the network does wrong becomes a HubError."""
        from httpx2 import HTTPError
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except OfflineModeIsEnabled as error:
            raise HubError(
                "the hub is not asked in offline mode", where=self.name, remedy="Unset HF_HUB_OFFLINE."
            ) from error
        except (HTTPError, OSError, RuntimeError, ValueError) as error:  # the last two: hf_xet, and Git LFS
            answered = next((one for one in _causes(error) if isinstance(one, HfHubHTTPError)), None)
            status = answered.response.status_code if answered is not None else None
            if status is None:
                what, remedy = f"the hub could not be reached, or broke off: {_first_line(error)}", AGAIN
            else:
                what, remedy = REASONS.get(status, (f"the hub answered with an error: {_first_line(error)}", AGAIN))
                said = (answered.server_message or "").strip() if answered is not None else ""
                what += f" ({status}" + (f": {_first_line(said)})" if said else ")")
            raise HubError(what, where=self.name, remedy=remedy) from error


def _changed(files: Mapping[str, Path | bytes], there: "Mapping[str, RepoFile]") -> tuple[str, ...]:
    """The files that are not there with the same bytes."""
    return tuple(name for name, content in files.items() if name not in there or not _is(content, there[name]))


def _is(content: Path | bytes, entry: "RepoFile") -> bool:
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    if entry.size != size:
        return False
    digest = hashlib.sha1(b"blob %d\0" % size) if entry.lfs is None else hashlib.sha256()  # Git's, and LFS's
    if isinstance(content, bytes):
        digest.update(content)
    else:
        with content.open("rb") as file:
            while part := file.read(1 << 24):
                digest.update(part)
    return digest.hexdigest() == (entry.blob_id if entry.lfs is None else entry.lfs.sha256)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _first_line(said: object) -> str:
    lines: Sequence[str] = [line.strip() for line in str(said).splitlines() if line.strip()]
    return lines[0] if lines else type(said).__name__
