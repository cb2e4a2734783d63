"""Checks of the arguments of masks."""

from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskArgumentError

LARGEST_INTEGER = 2**53
"""The largest argument: sums of several such numbers and positions fit into int64."""


def integer(where: str, given: object, minimum: int | None = None) -> int:
    """`given` as a whole number. Raises MaskArgumentError, which opens with `where` ("blocks: size")."""
    if isinstance(given, bool) or not isinstance(given, int):
        raise MaskArgumentError(f"{where} must be a whole number, got {describe(given)}", given)
    if minimum is not None and given < minimum:
        raise MaskArgumentError(f"{where} must be at least {minimum}, got {given}", given)
    if abs(given) > LARGEST_INTEGER:
        raise MaskArgumentError(f"{where} must be from -{LARGEST_INTEGER:,} to {LARGEST_INTEGER:,}, got {given}", given)
    return given


def column_name(where: str, given: object) -> str:
    """`given` as the name of a column. Raises MaskArgumentError."""
    if not isinstance(given, str) or not given:
        raise MaskArgumentError(f"{where} must be a name, got {describe(given)}", given)
    return given


def mask(where: str, given: object) -> Mask:
    """`given` as a mask. Raises MaskArgumentError."""
    if not isinstance(given, Mask):
        raise MaskArgumentError(f"{where} must be a mask, got {describe(given)}", given)
    return given


def describe(given: object) -> str:
    """An argument as an error message calls it."""
    if isinstance(given, Mask):
        return f"the mask {given}"
    return f"the name {given!r}" if isinstance(given, str) else repr(given)
