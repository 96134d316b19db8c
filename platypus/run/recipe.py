"""Recipe: all settings of a run, read from TOML.

A `Recipe` that exists is consistent. Unknown keys, wrong types and contradictory values are errors that name the
nearest known key or the allowed range.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeVar, get_args

from pydantic import Field, ValidationError, model_validator

from platypus.catalogue.reading import BadTools
from platypus.errors import RecipeError
from platypus.files import read_text
from platypus.prompt.base_files import BASE_CARD, base_card
from platypus.run.conventions_settings import ConventionsSettings
from platypus.run.execute_settings import ExecuteSettings
from platypus.run.merge_settings import MergeSettings
from platypus.run.pretrain_settings import PretrainSettings
from platypus.run.settings import (
    DecodeSettings,
    Decoding,
    EvaluateSettings,
    GenerateSettings,
    PromptSettings,
    RefineSettings,
    Settings,
    TeacherSettings,
    Text,
    TrainSettings,
)

Table = TypeVar("Table", bound=Settings)


class Recipe(Settings):
    """A whole recipe."""

    catalogue: Text | None = None
    """Where the tools are (docs/catalogues.md); without one, the run learns instructions, or rows with their tools."""
    only: list[Text] = Field(default_factory=list)
    """The tags, servers, functions or tools of `catalogue` that are wanted, by name; none for all."""
    bad_tools: BadTools = "skip"
    """Whether a tool that cannot be used is left out, as `platypus check` lists, or stops the run."""
    base: Text = "embedded"
    """The model to fine-tune: `embedded` (comes with Platypus), a local folder, or a hub name."""
    seed: Annotated[int, Field(ge=0)] = 0
    prompt: PromptSettings = PromptSettings()
    generate: GenerateSettings = GenerateSettings()
    conventions: ConventionsSettings = ConventionsSettings()
    teacher: TeacherSettings = TeacherSettings()
    refine: RefineSettings = RefineSettings()
    train: TrainSettings = TrainSettings()
    merge: MergeSettings = MergeSettings()
    decode: DecodeSettings = DecodeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    pretrain: PretrainSettings = PretrainSettings()
    execute: ExecuteSettings = ExecuteSettings()

    @model_validator(mode="after")
    def _a_teacher_has_work(self) -> Self:
        if self.teacher.model and (self.catalogue is None or not self.generate.examples):
            raise ValueError(
                "[teacher] adds to the generated examples, but none are generated",
                "Set `catalogue`, and examples under [generate], or leave [teacher] out.",
            )
        return self

    @model_validator(mode="after")
    def _only_has_a_catalogue(self) -> Self:
        if self.only and self.catalogue is None:
            raise ValueError(
                "only chooses parts of a catalogue, but there is none", "Set `catalogue`, or leave it out."
            )
        return self

    def decoded(
        self, decoding: Decoding | None = None, *, seconds: float | None = None, today: str | None = None
    ) -> Self:
        """The recipe with another kind of decoding, time limit or day of today; None keeps the recipe's own.

        Raises RecipeError for a day that is none.
        """
        day = _checked(DecodeSettings, {"today": today}, where="--today").today
        changes = {"decoding": decoding, "seconds": seconds, "today": day}
        table = self.decode.model_copy(update={key: value for key, value in changes.items() if value is not None})
        return self.model_copy(update={"decode": table})

    def merged_of(self, sources: Sequence[str]) -> Self:
        """The recipe with other sources under [merge]; none keeps its own. Raises RecipeError if they do not fit."""
        if not sources:
            return self
        table = _checked(MergeSettings, self.merge.model_dump() | {"of": list(sources)}, where="--of")
        return self.model_copy(update={"merge": table})


def _checked(table: type[Table], keys: dict[str, Any], *, where: str) -> Table:
    """The settings with these keys, of which one comes from the command line. Raises RecipeError if it does not fit."""
    try:
        return table.model_validate(keys)
    except ValidationError as error:
        what, remedy = error.errors()[0]["ctx"]["error"].args  # only what that key makes of the others can be wrong
        raise RecipeError(what, where=where, remedy=remedy) from error


def suited(recipe: Recipe) -> Recipe:
    """The recipe with what its base suggests for the keys that it leaves out (docs/bases.md)."""
    suggested: Mapping[str, Mapping[str, Any]] = base_card(recipe.base).get("suits", {})
    where = f"suits in the {BASE_CARD} of {recipe.base}"
    tables: dict[str, Settings] = {}
    for name, table in suggested.items():
        if name not in _TABLES or not isinstance(table, Mapping):
            raise RecipeError(f"{name} is no table of a recipe", where=where, remedy="Correct it there.")
        own: Settings = getattr(recipe, name)
        left = {key: value for key, value in table.items() if _GOES_WITH.get(key) not in own.model_fields_set}
        try:
            tables[name] = type(own).model_validate({**left, **said(own)})
        except ValidationError as error:
            wrong = error.errors()[0]
            told = f"{'.'.join(map(str, (name, *wrong['loc'])))}: {wrong['msg']}"
            what = wrong["ctx"]["error"].args[0] if wrong["type"] == "value_error" else told
            raise RecipeError(what, where=where, remedy="Correct it there.") from error
    return recipe.model_copy(update=tables)


def changes(recipe: Recipe, other: Recipe) -> list[str]:
    """The keys under tables whose values differ, as the other recipe has them: `train.epochs = 8`."""
    return [
        f"{name}.{key} = {json.dumps(value)}"
        for name in _TABLES
        for key, value in getattr(other, name)
        if value != getattr(getattr(recipe, name), key)
    ]


_GOES_WITH = {"markers": "notation", "warmup_ratio": "warmup_steps", "alpha": "rank"}  # not suggested beside these


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file. Raises RecipeError that names the file and every wrong key."""
    try:
        document = tomllib.loads(
            read_text(path, error=RecipeError, remedy="The folder recipes/ holds complete examples.")
        )
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"is not TOML: {error}", where=str(path), remedy="Correct the TOML there.") from error
    return _validated(document, str(path))


def changed_recipe(recipe: Recipe, changes: Mapping[str, Any], *, where: str) -> Recipe:
    """The recipe with other values of some keys, such as `train.rank`. Raises RecipeError, naming wrong keys."""
    keys = said(recipe).items()
    document = {key: said(value) if isinstance(value, Settings) else value for key, value in keys}
    for key, value in changes.items():
        table, _, name = key.rpartition(".")
        (document.setdefault(table, {}) if table else document)[name] = value
    return _validated(document, where)


def said(settings: Settings) -> dict[str, Any]:
    """The keys that were set, even to their defaults, which a dump may leave out."""
    return {key: value for key, value in settings if key in settings.model_fields_set}


def _validated(document: dict[str, Any], where: str) -> Recipe:
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        problems = _key_problems(error, document)
        if len(problems) == 1:
            raise RecipeError(problems[0].what, where=where, remedy=problems[0].remedy) from error
        listed = "\n  ".join(f"{problem.what}. {problem.remedy}" for problem in problems)
        raise RecipeError(f"{len(problems)} problems", where=where, remedy=listed) from error


_TABLES: dict[str, type[Settings]] = {
    name: field.annotation
    for name, field in Recipe.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
}


class _KeyProblem(NamedTuple):
    what: str
    remedy: str


def _key_problems(error: ValidationError, document: dict[str, Any]) -> list[_KeyProblem]:
    """One problem for each key: pydantic reports several for a key that allows several types."""
    by_key: dict[tuple[str, ...], list[Any]] = {}
    for detail in error.errors():
        depth = 2 if detail["loc"] and detail["loc"][0] in _TABLES else 1
        by_key.setdefault(tuple(str(part) for part in detail["loc"][:depth]), []).append(detail)
    return [_key_problem(key, details, document) for key, details in by_key.items()]


_OF_A_PART = {"missing": "is missing", "extra_forbidden": "is not known", "model_type": "is no table"}


def _part_problem(key: tuple[str, ...], details: Sequence[Any]) -> _KeyProblem:
    """What is wrong with the keys of a list of tables."""
    wrong = ", ".join(f"{'.'.join(map(str, detail['loc']))} {_OF_A_PART[detail['type']]}" for detail in details)
    (part,) = get_args(_TABLES[key[0]].model_fields[key[1]].annotation)
    return _KeyProblem(wrong, f"Each part of {'.'.join(key)} has {', '.join(part.model_fields)}.")


def _key_problem(key: tuple[str, ...], details: Sequence[Any], document: dict[str, Any]) -> _KeyProblem:
    if in_parts := [one for one in details if one["type"] in _OF_A_PART and len(one["loc"]) > len(key)]:
        return _part_problem(key, in_parts)
    dotted = ".".join(key)
    match details[0]["type"]:
        case "value_error":
            return _KeyProblem(*details[0]["ctx"]["error"].args)
        case "extra_forbidden":
            return _KeyProblem(f"unknown key {dotted}", _nearest(key))
        case "model_type":
            return _KeyProblem(f"{dotted} is a table", f"Write [{dotted}] and its keys below that line.")
    value = document[key[0]] if len(key) == 1 else document[key[0]][key[1]]
    requirement = " or ".join(detail["msg"].partition("should ")[2] for detail in details)
    fields = Recipe.model_fields if len(key) == 1 else _TABLES[key[0]].model_fields
    default = fields[key[-1]].get_default(call_default_factory=True)
    remedy = "Leave it out for none." if default is None else f"Leave it out for the default, {default!r}."
    if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
        remedy = 'Write names with a dot in quotation marks: "tool.argument" = …'
    elif isinstance(value, str) and all(detail["type"] in ("list_type", "tuple_type") for detail in details):
        remedy = f"Write it as a list: [{json.dumps(value, ensure_ascii=False)}]."
    return _KeyProblem(f"{dotted} = {value!r} should {requirement}", remedy)


def _nearest(key: tuple[str, ...]) -> str:
    """A suggestion for an unknown key: a similar name in its own table, or else the same name in another table."""
    own = Recipe.model_fields if len(key) == 1 else _TABLES[key[0]].model_fields
    near = get_close_matches(key[-1], own, n=1)
    if near:
        return f"Did you mean {'.'.join((*key[:-1], near[0]))}?"
    if key[-1] in Recipe.model_fields:
        return f"{key[-1]} belongs at the top, above the first [table]."
    for name, table in _TABLES.items():
        if key[-1] in table.model_fields:
            return f"{key[-1]} belongs under [{name}]."
    return f"Known here: {', '.join(own)}."
