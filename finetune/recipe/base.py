"""What the sections of a recipe share: their base class, and numbers with a range."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

LARGEST_COUNT = 2**31 - 1
"""The largest number of steps, examples, tokens and the like: it fits into every integer type that it is stored in."""
LARGEST_NUMBER = 1e12
"""The largest rate, norm or factor: its products with others stay finite in float32."""


@dataclass(frozen=True)
class NumberRange(WrapValidator):
    """A validator of numbers that knows how messages and explanations name the allowed range.

    Args:
        expected: What is allowed: "a whole number from 1 to 10".
    """

    expected: str = ""


def in_range(expected: str, is_allowed: Callable[[Any], bool]) -> NumberRange:
    """Return a validator of numbers whose error message always names the allowed range.

    Args:
        expected: What is allowed, for the message: "a whole number from 1 to 10".
        is_allowed: Whether a number that pydantic has converted to the field's type is allowed.
    """

    def validate(given: Any, convert: ValidatorFunctionWrapHandler) -> Any:
        try:
            number = None if isinstance(given, bool) else convert(given)  # pydantic would take true for 1
        except ValidationError:
            number = None
        if number is None or not is_allowed(number):
            raise PydanticCustomError("out_of_range", expected)
        return number

    return NumberRange(validate, expected=expected)


def whole_numbers(lowest: int, highest: int) -> NumberRange:
    """Return a validator of whole numbers from `lowest` to `highest`, both included."""
    return in_range(
        f"a whole number from {lowest:,} to {highest:,}",
        lambda number: lowest <= number <= highest,
    )


Count = Annotated[int, whole_numbers(1, LARGEST_COUNT)]
"""A number of things, at least 1."""
CountOrZero = Annotated[int, whole_numbers(0, LARGEST_COUNT)]
"""A number of things, at least 0."""
Seed = Annotated[int, whole_numbers(0, 2**32 - 1)]
"""A seed, as numpy's random generators take it."""
Positive = Annotated[
    float, in_range(f"a number above 0, at most {LARGEST_NUMBER:g}", lambda number: 0 < number <= LARGEST_NUMBER)
]
"""A finite number above 0."""
NotNegative = Annotated[
    float, in_range(f"a number from 0 to {LARGEST_NUMBER:g}", lambda number: 0 <= number <= LARGEST_NUMBER)
]
"""A finite number, at least 0."""
Share = Annotated[float, in_range("a number from 0 on and below 1", lambda number: 0 <= number < 1)]
"""A part of a whole, at least 0 and below 1."""
InnerShare = Annotated[float, in_range("a number above 0 and below 1", lambda number: 0 < number < 1)]
"""A part of a whole, above 0 and below 1."""


def is_amount(number: float) -> bool:
    """Return whether a number is a share below 1, or a whole number of examples."""
    return 0 < number < 1 or (math.isfinite(number) and 1 <= number <= LARGEST_COUNT and number == int(number))


def alternatives_of(annotation: Any) -> Iterator[Any]:
    """Yield the types that a type allows, without null: both types of `str | int | None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives_of(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for inner in get_args(annotation):
            yield from alternatives_of(inner)
    elif annotation is not NoneType:
        yield annotation


def is_list(annotation: Any) -> bool:
    """Return whether the values of a type are lists, or null, and nothing else."""
    origins = [get_origin(one) or one for one in alternatives_of(annotation)]
    return bool(origins) and all(origin in (tuple, list, set, frozenset) for origin in origins)


class Section(BaseModel):
    """A group of keys: immutable, and closed to unknown names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # a column may be named 1
        protected_namespaces=(),
    )

    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Keys of which a recipe follows one. An override of one of them sets the others to their defaults, with the keys
    that belong to each: {"path": ("dev_path", "test_path"), "name": ()}."""
    short_form: ClassVar[str] = ""
    """What can be given in place of a section's keys, in words; empty where nothing can."""

    @model_validator(mode="before")
    @classmethod
    def _simple_forms(cls, given: object) -> object:
        """Take one value for a list of one, and a number for a path, in which a folder may be named 1."""
        if not isinstance(given, Mapping):
            return given
        lists, paths = _keys_by_form(cls)
        simple = {key: [value] for key, value in given.items() if key in lists and _is_one(value)}
        simple |= {key: str(value) for key, value in given.items() if key in paths and type(value) is int}
        return {**given, **simple} if simple else given


def _is_one(value: object) -> bool:
    """Return whether a value is one item of a list; an empty text is none."""
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int | float | Path | Mapping | BaseModel)


@cache
def _keys_by_form(section: type[Section]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the keys of a section whose values are lists, and those whose values are paths."""
    types = {name: field.annotation for name, field in section.model_fields.items()}
    paths = (name for name, one in types.items() if list(alternatives_of(one)) == [Path])
    return frozenset(name for name, one in types.items() if is_list(one)), frozenset(paths)
