"""Places: where the files and folders are that a recipe names.

A relative name is looked for beside the recipe, then in the working folder, then in the folders above the recipe. The
last is left out for a name that could be one on the hub (`owner/name`). A run remembers what was found in
`places.json`, absolute and relative to itself, so it can be opened from any folder and moved. What a file holds is not
known here.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platypus.catalogue.sources.source import file_of
from platypus.data.locations import COMPRESSED, HUB_NAME, SUFFIXES, parse_address
from platypus.errors import PlatypusError, RecipeError
from platypus.files import expanded
from platypus.run.recipe import Recipe, read_recipe
from platypus.run.settings import Settings

PLACES = "places.json"
KEYWORDS = frozenset({"embedded", "tfidf", "minilm"})  # names of what comes with Platypus
KEYS = {  # keys of a recipe that name files or folders, apart from those that may name servers or parts of a file
    "": ("base",),
    "teacher": ("style",),
    "refine": ("data", "test", "avoid", "embedding"),
    "merge": ("of",),
    "decode": ("encoder",),
    "pretrain": ("start", "rows"),
}


@dataclass(frozen=True)
class Places:
    """Where relative names were found, by name, when the recipe in the folder `home` was given to the run in `run`.

    `now` is the folder of the run today.
    """

    home: str | None = None
    run: str | None = None
    found: Mapping[str, str] = field(default_factory=dict)
    now: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, recipe_file: Path, recipe: Recipe, run: Path | None = None) -> "Places":
        """Look for all relative names of a recipe that is in this file."""
        home = recipe_file.absolute().parent
        if not any(map(is_relative, names(recipe))):
            return cls()
        places = {name: _first_place(name, home) for name in names(recipe)}
        found = {name: str(place) for name, place in places.items() if place is not None}
        return cls(str(home), None if run is None else str(run.absolute()), found, run)

    @classmethod
    def read(cls, run: Path) -> "Places":
        """What a run remembers; nothing if it was made before runs remembered it."""
        path = run / PLACES
        if not path.is_file():
            return cls(now=run)
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(stored["recipe_folder"], stored["run"], stored["found"], run)

    def with_earlier(self, earlier: "Places") -> "Places":
        """These places, and those of names that were found earlier and are not there now."""
        found = {name: earlier.found[name] for name in earlier.found if name not in self.found}
        return Places(self.home, self.run, {**self.found, **found}, self.now)

    def to_json(self) -> dict[str, Any]:
        """The content of `places.json`."""
        return {"recipe_folder": self.home, "run": self.run, "found": dict(self.found)}

    def locate(self, name: str) -> str:
        """The name, if it is that of something in the working folder, else the path of what it names.

        If nothing is there: the path at which it was found before, else the name.
        """
        if not is_relative(name):
            return name
        for place in self._candidates(name):
            if _exists(place):
                here = Path(name)
                is_here = os.path.normpath(here.absolute()) == os.path.normpath(place.absolute())
                return name if is_here and _exists(here) else str(place)
        return self.found.get(name, name)

    def _candidates(self, name: str) -> Iterator[Path]:
        for known in (self.found.get(name), self.home and str(Path(self.home) / name)):
            if known is not None:
                if self.run is not None and self.now is not None:  # first where it is if both were moved together
                    yield Path(os.path.normpath(self.now.absolute() / os.path.relpath(known, self.run)))
                yield Path(known)
        yield Path.cwd() / name

    def located(self, recipe: Recipe) -> Recipe:
        """The recipe with the places of what it names."""
        changes: dict[str, Any] = {}
        for table, keys in KEYS.items():
            settings: Settings = getattr(recipe, table) if table else recipe
            found = {key: self._each(getattr(settings, key)) for key in keys}
            changed = {key: value for key, value in found.items() if value != getattr(settings, key)}
            if changed:
                changes |= {table: settings.model_copy(update=changed)} if table else changed
        return recipe.model_copy(update=changes)

    def _each(self, value: Any) -> Any:
        return [self.locate(name) for name in value] if isinstance(value, list) else value and self.locate(value)

    def spelled(self, recipe: Recipe) -> dict[str, str]:
        """Place → the recipe's own name for it, of all relative names."""
        return {self.locate(name): name for name in names(recipe) if is_relative(name)}

    def explanation(self, name: str) -> str:
        """Where a missing name was looked for."""
        remedy = "Put it there, or give the recipe again: platypus all RUN --recipe FILE"
        if not is_relative(name):
            return remedy
        before = f"It was {self.found[name]} when the recipe was given. " if name in self.found else ""
        home = f"in the recipe's folder {self.home} and " if self.home else ""
        looked = f"which was looked for {home}in the working folder {Path.cwd()}"
        return f"{before}The recipe names it {name!r}, {looked}. {remedy}"

    def is_missing(self, name: str) -> bool:
        """Whether the name is that of a local file or folder, and there is none."""
        if name in KEYWORDS or _exists(Path(self.locate(name))):
            return False
        return name in self.found or not _may_be_on_hub(name)

    @contextmanager
    def explained(self, spelled: Mapping[str, str]) -> Iterator[None]:
        """In the block, an error about one of these places, if nothing is there, says where its name was looked for."""
        try:
            yield
        except PlatypusError as error:
            name = spelled.get(error.where)
            gone = name is not None and not _exists(Path(error.where))
            if name is not None and gone and (text := self.explanation(name)) not in error.remedy:
                error.remedy = f"{error.remedy}\n  {text}".strip()
            raise


def names(recipe: Recipe) -> list[str]:
    """All names of files, folders and hub repositories in a recipe."""
    values = [getattr(getattr(recipe, table) if table else recipe, key) for table, keys in KEYS.items() for key in keys]
    tools = (recipe.catalogue, *recipe.execute.sources, *recipe.evaluate.mock)
    values.append([file for source in tools if (file := file_of(source or ""))])
    listed = [value if isinstance(value, list) else [value] for value in values if value]
    return list(dict.fromkeys(name for some in listed for name in some))


def find(name: str, recipe_file: Path) -> str:
    """The place of a name in the recipe of this file; the name itself if it is in the working folder, or nowhere."""
    place = _first_place(name, recipe_file.absolute().parent)
    return name if place is None or place == Path.cwd() / name else str(place)


def read_located_recipe(path: Path) -> Recipe:
    """The recipe in a file, with the places of what it names."""
    recipe = read_recipe(path)
    return Places.of(path, recipe).located(recipe)


def is_relative(name: str) -> bool:
    """Whether what the name stands for depends on a folder."""
    return name not in KEYWORDS and not name.startswith(("/", "~")) and not parse_address(name).on_hub


def _first_place(name: str, home: Path) -> Path | None:
    if not is_relative(name):
        return None
    above = () if _may_be_on_hub(name) else home.parents
    place = next((folder / name for folder in (home, Path.cwd(), *above) if _exists(folder / name)), None)
    plain = place and Path(os.path.normpath(place))
    return plain if plain and _exists(plain) else place  # behind a link, `..` is another folder


def _may_be_on_hub(name: str) -> bool:
    address = parse_address(name)
    return address.on_hub or bool(HUB_NAME.fullmatch(address.name) and not name.endswith((*SUFFIXES, *COMPRESSED)))


def _exists(path: Path) -> bool:
    """Whether there is such a file or folder; what asks for a part of it, `folder:subset@split`, does not count."""
    return expanded(parse_address(str(path)).name, error=RecipeError).exists()
