"""What the sections of a recipe share: their base class, and numbers with a range."""

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

LARGEST_COUNT = 2**31 - 1
"""The largest number of steps, examples, tokens and the like: it fits into every integer type that it is stored in."""
LARGEST_NUMBER = 1e12
"""The largest rate, norm or factor: its products with others stay finite in float32."""


def in_range(expected: str, is_allowed: Callable[[Any], bool]) -> WrapValidator:
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

    return WrapValidator(validate)


def whole_numbers(lowest: int, highest: int) -> WrapValidator:
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
