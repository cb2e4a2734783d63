"""The keys of a recipe, as its sections declare them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from finetune.recipe import Recipe, Section, TaskSection, task_sections
from finetune.recipe.base import alternatives_of


@dataclass(frozen=True)
class RecipeKey:
    """One key of a recipe.

    Args:
        name: The dotted name: `training.epochs`.
        section: The section that declares it.
        field: Its declaration.
    """

    name: str
    section: type[BaseModel]
    field: FieldInfo

    @property
    def annotation(self) -> Any:
        """The type of its values, with the ranges of numbers."""
        return type_of(self.field)

    @property
    def sections(self) -> tuple[type[BaseModel], ...]:
        """The sections that can be its value; several for the task, none for a key with a plain value."""
        return tuple(inner_sections(self.field.annotation))


def type_of(field: FieldInfo) -> Any:
    """Return a field's type, with what its declaration adds to it, such as a range."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def recipe_keys(section: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[RecipeKey]:
    """Yield every key of a section and of the sections in it, those of each task included."""
    for name, field in section.model_fields.items():
        key = RecipeKey(prefix + name, section, field)
        yield key
        for inner in key.sections:
            yield from recipe_keys(inner, f"{key.name}.")


def keys(section: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every key of a recipe; those of each task are included."""
    return (key.name for key in recipe_keys(section, prefix))


def inner_sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a type names, also as items of a list."""
    if annotation is TaskSection:
        yield from task_sections().values()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inner_sections(argument)


def own_sections(annotation: Any) -> tuple[type[BaseModel], ...]:
    """Return the sections that a value of this type is itself; none for a list of sections."""
    plain = [one for one in alternatives_of(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return tuple(task_sections().values()) if plain == [TaskSection] else tuple(plain)


def key_exists(name: str) -> bool:
    """Return whether a dotted name is a key of a recipe."""
    return name in set(keys())


def find_keys(name: str) -> tuple[RecipeKey, ...]:
    """Return the keys of that dotted name: several where several tasks have one of that name."""
    return tuple(key for key in recipe_keys() if key.name == name)


def places_of_sections() -> dict[str, tuple[str, type[BaseModel]]]:
    """Return the name of the key that holds each section, and the section, by the name of its class."""
    places: dict[str, tuple[str, type[BaseModel]]] = {"Recipe": ("", Recipe)}
    for key in recipe_keys():
        places |= {one.__name__: (key.name, one) for one in key.sections if one.__name__ not in places}
    return places


def is_section(annotation: Any) -> bool:
    """Return whether every value of a type, but null, is a section or its short form."""
    found = list(alternatives_of(annotation))
    return bool(found) and all(isinstance(one, type) and issubclass(one, Section) for one in found)
