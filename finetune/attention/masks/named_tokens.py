"""The tokens that a mask names: by their positions, or by the special token that they carry.

A name stands for the tokens whose entry in the token column `is_<name>` is not 0; `special_token_columns` makes these
columns for special tokens.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Needs
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.errors import MaskArgumentError

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import AttentionSide


def check_tokens(mask: str, tokens: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the arguments of a mask that names tokens, each of them once.

    Args:
        mask: Name of the mask, for messages.
        tokens: Positions, where negative ones count from the end of the example, and names of special tokens.

    Raises:
        MaskArgumentError: There is no token, or one is neither an int nor a str, or is out of range.
    """
    if not tokens:
        raise MaskArgumentError(f"{mask} needs at least one position or name of a special token", None)
    for token in tokens:
        if not isinstance(token, str):
            arguments.integer(f"{mask}: a token", token, minimum=-arguments.LIMIT)
    return tuple(dict.fromkeys(tokens))


def mark_column(token: str) -> str:
    """Return the name of the token column that marks a special token: "is_cls" for "cls"."""
    return f"is_{token}"


def needs_of(tokens: tuple[int | str, ...]) -> Needs:
    """Return what must be known to find the tokens: columns of names; the length, if a position counts from the end."""
    columns = frozenset(mark_column(token) for token in tokens if isinstance(token, str))
    return Needs(columns=columns, length=any(isinstance(token, int) and token < 0 for token in tokens))


def is_among(tokens: tuple[int | str, ...], side: AttentionSide, example: Tensor, position: Tensor) -> Tensor:
    """Return whether there is one of the tokens at each position of one side, bool.

    Args:
        tokens: Positions and names.
        side: The tokens of the queries, or those of the keys.
        example: int64, the example of each element.
        position: int64, broadcastable with `example`, the position of each element in its example.

    Raises:
        MissingColumn: The side does not have the column of a name.
    """
    return reduce(lambda a, b: a | b, (_is(token, side, example, position) for token in tokens))


def among_bounds(tokens: tuple[int | str, ...], side: AttentionSide, example: Tensor, span: Span) -> Bounds:
    """Return the bounds of `is_among` for runs of positions of one side.

    Args:
        tokens: Positions and names.
        side: The tokens of the queries, or those of the keys.
        example: int64, the example of each run.
        span: The runs, broadcastable with `example`.
    """
    return reduce(lambda a, b: a | b, (_bounds(token, side, example, span) for token in tokens))


def positions_in(tokens: tuple[int | str, ...], length: int) -> set[int] | None:
    """Return the positions of the tokens in an example, from 0, without those outside it; None if a name is given.

    Args:
        tokens: Positions and names.
        length: Number of tokens of the example.
    """
    positions = set()
    for token in tokens:
        if isinstance(token, str):
            return None
        positions.add(token + length if token < 0 else token)
    return {position for position in positions if 0 <= position < length}


def _is(token: int | str, side: AttentionSide, example: Tensor, position: Tensor) -> Tensor:
    if isinstance(token, str):
        return side.feature(mark_column(token), example, position) != 0
    return position == (side.lengths[example] + token if token < 0 else token)


def _bounds(token: int | str, side: AttentionSide, example: Tensor, span: Span) -> Bounds:
    if not isinstance(token, str):
        held = span.holds(side.lengths[example] + token if token < 0 else token)
        return Bounds(held, held & span.single)
    marks = side.feature_range(mark_column(token), example, span)
    if marks is None:
        return unknown(span, span)
    all_zero = marks.single & (marks.first == 0)
    return Bounds(~all_zero, ~marks.holds(0))
