"""The registry of tasks, to which other packages can add theirs.

A task is registered by its section of the recipe, a `TaskSection`, whose class variables hold what the rest of the
program needs to know of the task. A package adds a task by the decorator `register_task`, or by an entry point of the
group `finetune.tasks` whose name is the task's kind and whose object is the section. The entry point is imported when a
recipe names the kind, and the task's implementation when a run begins.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, Union

from pydantic import Field, SerializeAsAny, TypeAdapter, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticKnownError

from finetune.attention.entry_points import EntryPointError, entry_point_names, load_entry_point, packages_with
from finetune.errors import UserError
from finetune.recipe.base import Section
from finetune.recipe.head import ModelHead

ENTRY_POINT_GROUP = "finetune.tasks"


class TaskSection(Section):
    """The keys of a task in a recipe. Its class variables describe the task to the rest of the program."""

    implementation: ClassVar[str]
    """The subclass of `finetune.tasks.Task` that implements the task, as module:Class."""
    fields_function: ClassVar[str] = ""
    """A function from a recipe to the fields that the task reads, as module:function, which imports neither torch nor
    transformers. With it, a wrong column is reported within a second. It is optional."""
    head: ClassVar[ModelHead]
    """The head that the task puts on top of the pretrained model."""
    pipeline_tag: ClassVar[str]
    """The name of the task on the Hub."""
    example: ClassVar[str]
    """An example input for the model card."""
    input_length: ClassVar[str] = "max_length"
    """The key of the section that sets the longest input in tokens."""
    kind: str
    """The name of the task, by which recipes choose it."""


SectionT = TypeVar("SectionT", bound=TaskSection)

_sections: dict[str, type[TaskSection]] = {}


def register_task(section: type[SectionT]) -> type[SectionT]:
    """Register a task by its section; usable as a decorator of the class.

    A class that is defined again, as in a notebook, replaces the earlier one.

    Args:
        section: The section of the task.

    Returns:
        The section itself.

    Raises:
        UserError: The section lacks a class variable or a default of `kind`, another task has this kind, or another
            head has the same name.
    """
    where = f"{section.__module__}:{section.__qualname__}"
    needed = ("implementation", "head", "pipeline_tag", "example")
    absent = [name for name in needed if not hasattr(section, name)]
    kind = _kind(section)
    if absent or not isinstance(kind, str):
        raise UserError(
            "a task's section is incomplete",
            where=where,
            expected="class variables implementation, head, pipeline_tag and example, and kind with a default",
            found="none of the name " + ", ".join(absent or ["kind"]),
        )
    other = _sections.get(kind)
    if other is not None and f"{other.__module__}:{other.__qualname__}" != where:
        raise UserError(
            f"there are two tasks of the kind {kind!r}", where=where, found=f"{other.__module__}:{other.__qualname__}"
        )
    if heads().get(section.head.name, section.head) != section.head:
        raise UserError(
            f"there are two heads named {section.head.name!r}", where=where, fix="give the new one another name"
        )
    _sections[kind] = section
    return section


def _kind(section: type[TaskSection]) -> object:
    return section.model_fields["kind"].default


def unregister_task(kind: str) -> None:
    """Remove a task from the registry, if it is there."""
    _sections.pop(kind, None)


def task_sections() -> Mapping[str, type[TaskSection]]:
    """Return the sections of the tasks that are registered so far, by kind, in the order of their registration."""
    return dict(_sections)


def task_kinds() -> tuple[str, ...]:
    """Return the kinds of all tasks, with those of installed packages, which are not imported."""
    brought = (name for name in entry_point_names(ENTRY_POINT_GROUP) if name not in _sections)
    return (*_sections, *brought)


def find_task(kind: str) -> type[TaskSection] | None:
    """Return the section of a kind, which is registered or comes from an installed package; None where there is none.

    Raises:
        UserError: The package's entry point cannot be imported or is not a section of this kind, or two packages have
            an entry point of this name.
    """
    packages = packages_with(ENTRY_POINT_GROUP, kind)
    if not packages:
        return _sections.get(kind)
    where = f"entry point {kind!r} of the package {', '.join(packages)}"
    try:
        brought = load_entry_point(ENTRY_POINT_GROUP, kind)
    except EntryPointError as error:
        raise UserError(f"the task {kind!r} cannot be loaded: {error}", where="task.kind") from error
    if not isinstance(brought, type) or not issubclass(brought, TaskSection):
        raise UserError("an entry point is not a task", where=where, expected="a TaskSection", found=f"{brought!r:.80}")
    if (found := _kind(brought)) != kind:
        raise UserError("a task has another kind than its entry point", where=where, expected=kind, found=repr(found))
    try:
        return register_task(brought)
    except UserError as error:
        raise UserError(
            error.problem,
            where=where,
            expected=error.expected,
            found=error.found,
            fix=f"update or uninstall the package {', '.join(packages)}",
        ) from error


def heads() -> Mapping[str, ModelHead]:
    """Return the heads of the tasks that are registered so far, by name."""
    return {section.head.name: section.head for section in _sections.values()}


def find_head(name: str) -> ModelHead:
    """Return the head of that name.

    Raises:
        ValueError: No task has such a head.
    """
    found = heads().get(name)
    if found is None:
        raise ValueError(f"there is no head {name!r}, only {', '.join(heads())}")
    return found


def head_of_class(name: str) -> ModelHead | None:
    """Return the head of a model class of transformers, by the end of its name; None where no task has such a head."""
    return next((head for head in heads().values() if name.endswith(head.architectures)), None)


@cache
def _adapter(sections: tuple[type[TaskSection], ...]) -> TypeAdapter[TaskSection]:
    union: Any = Union[sections]  # noqa: UP007 (of a tuple that is not known before)
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


def _validated(value: Any, handler: ValidatorFunctionWrapHandler) -> TaskSection:
    """Validate a section by the class of its kind, with the error messages of a union of all sections."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if isinstance(kind, str):
        section = find_task(kind)
        if section is None:
            expected = ", ".join(map(repr, task_kinds()))
            raise PydanticKnownError(
                "union_tag_invalid", {"discriminator": "'kind'", "tag": kind, "expected_tags": expected}
            )
        if isinstance(value, TaskSection):
            return value
    return _adapter(tuple(_sections.values())).validate_python(value)


AnyTaskSection = Annotated[SerializeAsAny[TaskSection], WrapValidator(_validated)]
"""The recipe's `task`: the section of any task that is registered or comes from an installed package."""
