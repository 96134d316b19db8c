"""`platypus push`: a run's adapter, merged model, or both on the hub, with a model card written from the run.

All that can be known is checked before the first byte: that the run is complete and of one make, the name, the token
and what it may do, and what the repository holds. Leaves nothing in the run.
"""

from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from platypus.errors import ModelError
from platypus.files import expanded, say
from platypus.publishing.card import model_card
from platypus.publishing.content import Content, What, content_of
from platypus.publishing.hub import Repository
from platypus.run.folder import Run

CARD = "README.md"


@dataclass(frozen=True)
class PushOptions:
    """What is pushed, and how the repository is afterwards.

    `tag` is None for one that stands for the evaluated run; `base` and `licence` say what recipe and base leave open.
    """

    what: What = "merged"
    public: bool = False
    tag: str | None = None
    replace: bool = False
    base: str | None = None
    licence: str | None = None
    dry_run: bool = False


def push(run: Run, name: str, options: PushOptions) -> dict[str, Any]:
    """Bring the repository to what the run has, and tag it; the same push again sends only what is missing.

    Raises RunError for a run that is not complete, HubError for whatever is wrong with name, token or hub. With
    `dry_run` all of that is checked, and nothing is sent. Returns what was pushed, and the card for `dry_run`.
    """
    content = content_of(run, what=options.what, base=options.base)
    repository = Repository(name)
    tag = options.tag or f"run-{run.fingerprint('evaluate')}"
    licence = options.licence or _licence(run, content, repository)
    card = model_card(run, content, name=name, tag=tag, licence=licence)
    files: dict[str, Path | bytes] = {**content.files, CARD: card.encode()}
    state = repository.state(files, public=options.public, tag=tag, replace=options.replace)
    for local in content.local_names:
        say(f"push: the header of the weights names {local}, a folder of this machine; it is published with them")
    if licence is None:
        say("push: the licence of the base is not known, and the card says so; --licence ID sets one")
    results = {
        "repository": name,
        "visibility": "public" if options.public else "private",
        "tag": tag,
        "files": len(files),
        "bytes": content.size,
        "already_there": len(files) - len(state.changed),
        "deleted": list(state.others),
    }
    if options.dry_run:
        return {**results, "card": card}
    say(f"push: {len(state.changed)} files to {name}, {results['visibility']}")
    commit = repository.fill(
        files, state, public=options.public, tag=tag, message=f"Push {run.path.resolve().name} ({options.what})"
    )
    return {**results, "commit": commit}


def _licence(run: Run, content: Content, repository: Repository) -> str | None:
    """The licence that the base's own card gives, in its folder or on the hub."""
    folder = expanded(run.recipe.base, error=ModelError)
    if run.recipe.base == "embedded":
        folder = Path(str(resources("platypus") / "embedded"))
    card = folder / CARD
    if card.is_file():
        from huggingface_hub import ModelCard

        found = ModelCard.load(card, ignore_metadata_errors=True).data.get("license")
    else:
        found = repository.licence_of(content.base_on_hub) if content.base_on_hub else None
    return found if isinstance(found, str) else None
