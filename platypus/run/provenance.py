"""Where a merged model comes from: its base, its sources, how they were merged, and what was checked.

A short form stands in the header of each of its weight files, so that it travels with them; all of it in
`provenance.json` beside them. Knows no tensors.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platypus.errors import ModelError
from platypus.files import write_whole

PROVENANCE = "provenance.json"
IN_HEADER = "platypus"  # the key in a weight file's metadata


@dataclass(frozen=True)
class Provenance:
    """What `provenance.json` says, or else the header of a weight file."""

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Provenance":
        """The provenance of a model's folder. Raises ModelError if it says nothing of where it comes from."""
        path = folder / PROVENANCE
        if path.is_file():
            return cls(folder, json.loads(path.read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.safetensors")):
            if facts := header_of(file):
                return cls(folder, facts)
        raise ModelError(
            f"there is neither a {PROVENANCE} nor a note in the weights, so it was not merged by Platypus",
            where=str(folder),
            remedy="Name a run, or a model that `platypus merge` wrote.",
        )

    def to_json(self) -> dict[str, Any]:
        """All facts, for `--json`, and which weight files are no longer those that were merged."""
        return {"model": str(self.folder), **self.facts, "changed_files": self.changed_files()}

    def changed_files(self) -> list[str]:
        """The weight files whose size is not the recorded one, or that are missing."""
        sizes = {name: file["bytes"] for name, file in self.facts.get("files", {}).items()}
        paths = {name: self.folder / name for name in sizes}
        return [name for name, path in paths.items() if not path.is_file() or path.stat().st_size != sizes[name]]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        facts, base = self.facts, self.facts["base"]
        yield f"{self.folder}: merged by {facts['method']} into {base['source']} ({base['fingerprint']})"
        for source in facts["sources"]:
            data = f", data {source['data']}" if "data" in source else ""
            yield f"  {source['source']} ({source['digest']}), weight {source['weight']:g}{data}"
        for key in ("settings", "versions", "checks"):
            if facts.get(key):
                yield f"  {key}: {', '.join(f'{name} {_plain(value)}' for name, value in facts[key].items())}"
        sizes = [file["bytes"] for file in facts.get("files", {}).values()]
        if sizes:
            changed = self.changed_files()
            state = f"changed since: {', '.join(changed)}" if changed else "as they were written"
            yield f"  weights: {sum(sizes):,} bytes in {len(sizes)} files, {state}"


def write_provenance(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `provenance.json` beside a model's weights."""
    write_whole(folder / PROVENANCE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def header_of(file: Path) -> dict[str, Any]:
    """What the header of a weight file says of its provenance; nothing for a file from elsewhere."""
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8).ljust(8, b"\0"))
        written = opened.read(size) if size < file.stat().st_size else b"{}"
    try:
        facts: dict[str, Any] = json.loads(json.loads(written).get("__metadata__", {}).get(IN_HEADER, "{}"))
    except ValueError:
        return {}
    return facts


def digest_of(*files: Path) -> str:
    """16 hex digits over the content of files."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
