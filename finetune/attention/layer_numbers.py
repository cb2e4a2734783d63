"""Texts that name layers of a model, such as "3", "0-3", "-1" or "0-11/3", and the numbers of the layers."""

import re

LAYERS = re.compile(r"\s*(-?\d{1,18})\s*(?:-\s*(-?\d{1,18})\s*(?:/\s*(\d{1,18})\s*)?)?")
"""The regular expression of a layer, a range of layers, or every n-th of a range; Python reads no number of more than
4300 digits."""
FORMS = "3, 0-3, -1, 0,2,4, or 0-11/3 for every third"


class ProgramError(ValueError):
    """A program cannot be read, or does not fit the layers of the model."""


def layer_numbers(text: str, num_layers: int) -> list[int]:
    """Return the numbers, from 0, of the layers that a text names.

    Args:
        text: Layers or ranges of layers, with commas between them. Negative numbers count from the end, ranges include
            both ends, and `0-11/3` names every third layer of a range, beginning with its first: 0, 3, 6 and 9.
        num_layers: Number of layers of the model.

    Raises:
        ProgramError: The text names no layers, or layers that do not exist.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = LAYERS.fullmatch(part)
        if not match:
            raise ProgramError(_not_layers(text, part))
        first, last = (_layer_number(int(number), text, num_layers) for number in (match[1], match[2] or match[1]))
        if first > last:
            raise ProgramError(f"{text!r} names no layer: {first} comes after {last} in a model of {num_layers} layers")
        numbers.extend(range(first, last + 1, _step(match, text)))
    return numbers


def check_layers(text: str) -> None:
    """Check that a text names layers of some model.

    Raises:
        ProgramError: It names none.
    """
    for part in text.split(","):
        match = LAYERS.fullmatch(part)
        if not match:
            raise ProgramError(_not_layers(text, part))
        _step(match, text)


def _step(match: re.Match[str], text: str) -> int:
    """Return the distance between neighbouring layers of a range."""
    step = int(match[3] or 1)
    if step < 1:
        raise ProgramError(f"{text!r} has a step of {step}: the step of a range of layers is at least 1, as in 0-11/3")
    return step


def _not_layers(text: str, part: str) -> str:
    """Return the error message for a text, of which one part between commas cannot be read."""
    if "/" in part and LAYERS.fullmatch(part.partition("/")[0]):
        return f"{text!r} does not name layers: a step is a number after a range, as in 0-11/3 for layers 0, 3, 6, 9"
    return f"{text!r} does not name layers; write {FORMS}"


def _layer_number(number: int, text: str, num_layers: int) -> int:
    if not -num_layers <= number < num_layers:
        raise ProgramError(f"{text!r} names layer {number}, but there are {num_layers} layers, counted from 0")
    return number % num_layers
