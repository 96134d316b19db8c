"""What defines a run: its copies of the recipe and of the catalogue, and the places of what the recipe names."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.sources.source import file_of, is_live, shown
from platypus.errors import CatalogueError, RunError
from platypus.files import say, write_whole
from platypus.run.lock import is_writable, locked
from platypus.run.places import PLACES, Places, find, is_relative, names
from platypus.run.recipe import Recipe, changes, read_recipe, suited

RECIPE = "recipe.toml"
CATALOGUE = "catalogue.json"


def keep_definition(folder: Path, recipe: Path) -> Places:
    """Copy the recipe and its catalogue into the run, and note where the files are that it names.

    The old recipe is removed first and the new one written last, so that no recipe is ever beside the wrong catalogue.
    """
    read, text = read_recipe(recipe), recipe.read_text(encoding="utf-8")
    same = _text(folder / RECIPE) == text
    earlier = Places.read(folder)
    _say_choices(names(read), recipe)
    places = Places.of(recipe, read, folder)
    if same:
        places = places.with_earlier(earlier)
    tools = _catalogue_text(read, recipe, folder, same=same)
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if same and _text(folder / CATALOGUE) == tools:
        if places != earlier and alone and is_writable(folder):
            _write_places(folder, places)
        return places
    if not alone:
        raise RunError(
            "several processes cannot give a run a new recipe",
            where=str(folder),
            remedy=f"Do it first with one process: platypus refine {folder} --recipe {recipe}",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot be created: {error.strerror}", where=str(folder), remedy="Name another one.") from error
    with locked(folder):
        (folder / RECIPE).unlink(missing_ok=True)
        (folder / CATALOGUE).unlink(missing_ok=True)
        if tools is not None:
            write_whole(folder / CATALOGUE, tools)
        _write_places(folder, places)
        write_whole(folder / RECIPE, text)
    located = places.located(read)
    if not read.merge.of and (taken := changes(located, suited(located))):
        say(f"for what the recipe leaves out, the base suggests: {', '.join(taken)}")
    return places


def _say_choices(listed: Iterable[str], recipe: Path) -> None:
    """Say which of two files or folders of one name is taken."""
    for name in filter(is_relative, listed):
        place, here = Path(find(name, recipe)), Path.cwd() / name
        if place.is_absolute() and here.exists() and not here.samefile(place):
            say(f"{name}: taken from {place}, beside the recipe; there is another one in the working folder")


def _write_places(folder: Path, places: Places) -> None:
    if places == Places():
        (folder / PLACES).unlink(missing_ok=True)
    else:
        write_whole(folder / PLACES, json.dumps(places.to_json(), indent=2, ensure_ascii=False))


def _catalogue_text(read: Recipe, recipe: Path, folder: Path, *, same: bool) -> str | None:
    """The catalogue that the recipe names, as the run keeps it; the run's own copy if the recipe is the same.

    A server is not asked again. Raises CatalogueError, which says where a missing file was looked for.
    """
    name = read.catalogue
    if name is None:
        return None
    file = file_of(name)
    place = find(file, recipe) if file is not None and is_relative(file) else file
    is_gone = place is not None and not Path(place).exists()
    if same and (is_gone or is_live(name)) and (kept := _text(folder / CATALOGUE)):
        reason = f"is not asked again (to ask it, remove {folder / CATALOGUE})" if is_live(name) else "is not there"
        say(f"{shown(name)}: {reason}, so the run's copy of the catalogue is used")
        return kept
    try:
        source = name if file is None or place is None else name.replace(file, place)
        tools = read_catalogue(source, only=read.only, bad_tools=read.bad_tools)
        return json.dumps(tools.to_json(), indent=2, ensure_ascii=False)
    except CatalogueError as error:
        if is_gone and is_relative(file or ""):
            error.remedy = (
                f"{error.remedy} The recipe names it; it was looked for in the recipe's folder"
                f" {recipe.absolute().parent} and the working folder {Path.cwd()}."
            ).strip()
        raise


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
