"""Checks of the arguments of masks."""

from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskArgumentError

LIMIT = 2**62
"""Numbers in masks are below this, so that sums and differences with positions fit int64."""
LARGEST_SCORE = 10_000
"""The largest number that a term may add to a score. A far smaller one makes a weight 0, and float16 ends at 65504."""
LONGEST_NUMBER = 40
"""Number of characters up to which an error message writes a number out."""


def integer(where: str, given: object, minimum: int = 0, limit: int = LIMIT) -> int:
    """Return an argument that must be an integer.

    Args:
        where: What the error message calls the argument: "blocks: size".
        given: The argument.
        minimum: The least number that is allowed.
        limit: A power of two, which the number must be below.

    Raises:
        MaskArgumentError: The argument is not an int, or is out of range.
    """
    if isinstance(given, bool) or not isinstance(given, int):
        raise MaskArgumentError(f"{where} must be a whole number, got {describe(given)}", given)
    if given < minimum:
        least = f"-{_power(-minimum)}" if minimum < -1 else minimum
        raise MaskArgumentError(f"{where} must be at least {least}, got {describe(given)}", given)
    if given >= limit:
        raise MaskArgumentError(f"{where} must be below {_power(limit)}, got {describe(given)}", given)
    return given


def number(where: str, given: object) -> float:
    """Return an argument that must be a number.

    Args:
        where: What the error message calls the argument: "bias: value".
        given: The argument.

    Raises:
        MaskArgumentError: The argument is neither an int nor a float, or is not within `LARGEST_SCORE` of 0.
    """
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise MaskArgumentError(f"{where} must be a number, got {describe(given)}", given)
    if not abs(given) <= LARGEST_SCORE:  # also refuses NaN
        raise MaskArgumentError(
            f"{where} must lie between -{LARGEST_SCORE} and {LARGEST_SCORE}, got {describe(given)}", given
        )
    return float(given)


def column_name(where: str, given: object) -> str:
    """Return an argument that must be the name of a column.

    Args:
        where: What the error message calls the argument: "same: column".
        given: The argument.

    Raises:
        MaskArgumentError: The argument is not a str, or is empty.
    """
    if not isinstance(given, str) or not given:
        raise MaskArgumentError(f"{where} must be a name, got {describe(given)}", given)
    return given


def mask(where: str, given: object) -> Mask:
    """Return an argument that must be a mask.

    Args:
        where: What the error message calls the argument.
        given: The argument.

    Raises:
        MaskArgumentError: The argument is not a mask.
    """
    if not isinstance(given, Mask):
        raise MaskArgumentError(f"{where} must be a mask, got {describe(given)}", given)
    return given


def describe(given: object) -> str:
    """Return how an error message writes an argument."""
    if isinstance(given, Mask):
        return f"the mask {given}"
    if isinstance(given, int) and abs(given) >= 10**LONGEST_NUMBER:
        # Python refuses to write numbers of more than 4300 digits; 0.30103 is the decimal logarithm of 2.
        return f"a number of about {int(given.bit_length() * 0.30103) + 1} digits"
    return f"the name {given!r}" if isinstance(given, str) else repr(given)


def _power(number: int) -> str:
    """Return a power of two as text: "2**62"."""
    return f"2**{number.bit_length() - 1}"
