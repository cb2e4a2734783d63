"""Draws masks, over positions or over the tokens of a text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune import compose
from finetune.attention import Mask, MaskError, Program, ProgramError, Site, parse
from finetune.attention.drawing import Panel, mask_panels, program_panels, to_text
from finetune.attention.masks.errors import HeadCountError, MissingColumn
from finetune.attention.masks.scope import ExampleFeatures
from finetune.attention.picture import FORMATS, save_picture
from finetune.attention.program import SITES
from finetune.errors import UserError
from finetune.recipe import Model

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

_MOST_HEADS = 1024
"""The number of heads up to which one that fits all masks is looked for."""


@dataclass(frozen=True)
class Axis:
    """The rows and columns of a drawing.

    Args:
        length: Number of positions.
        tokens: The token at each position; None to number the positions.
        features: Columns and values that masks read, by name.
    """

    length: int
    tokens: tuple[str, ...] | None = None
    features: ExampleFeatures = field(default_factory=dict)

    @classmethod
    def of_text(cls, text: str, pair: str | None, model: str, program: Program) -> Axis:
        """Return the axis of a text, as the tokenizer of a model encodes it.

        Args:
            text: The text.
            pair: A second text, or None.
            model: Hub name or folder of the tokenizer; `minilm` is the sample model.
            program: The program whose masks are drawn; it determines the columns.

        Raises:
            UserError: There is no such model, or a mask reads a column that a text alone does not have.
        """
        from finetune import models  # it takes seconds to import

        source = Model(sample="minilm") if model == "minilm" else Model(name=model)
        tokenizer = models.load_tokenizer(source, lambda: ())
        encoding = tokenizer([text], None if pair is None else [pair])
        return cls.of_encoding(encoding, tokenizer, program)

    @classmethod
    def of_encoding(cls, encoding: BatchEncoding, tokenizer: PreTrainedTokenizerBase, program: Program) -> Axis:
        """Return the axis of an encoded text.

        Args:
            encoding: The result of the tokenizer for a batch of one text or pair.
            tokenizer: The tokenizer.
            program: The program whose masks are drawn; it determines the columns.

        Raises:
            UserError: A mask reads a column that a text alone does not have.
        """
        from finetune.attention.layout import special_token_columns
        from finetune.attention.pretrained import special_token_ids  # imports transformers
        from finetune.tasks.mask_columns import token_columns
        from finetune.tasks.mask_fields import BUILT_IN, PREFIX

        unknown = sorted(
            name for name in program.needs.columns if not name.startswith("is_") and name not in BUILT_IN
        ) + sorted(program.needs.values)
        if unknown:
            raise UserError(
                f"the mask reads the data column {unknown[0]!r}, which a text alone does not have",
                expected=f"{', '.join(BUILT_IN)}, or special tokens",
                fix=f"write one of {', '.join(BUILT_IN)} in its place to see the form of the mask",
            )
        columns = token_columns(program, encoding, [0], {})
        features = {name.removeprefix(PREFIX): torch.tensor(rows[0]) for name, rows in columns.items()}
        if "token_type_ids" in encoding:
            features["segment"] = torch.tensor(encoding["token_type_ids"][0])
        ids = torch.tensor(encoding["input_ids"][0])
        features |= special_token_columns(ids, special_token_ids(tokenizer))
        return cls(len(ids), tuple(encoding.tokens(0)), features)

    @classmethod
    def of_ids(cls, ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> Axis:
        """Return the axis of token ids, int64 [tokens], whose only columns are those of special tokens."""
        from finetune.attention.layout import special_token_columns
        from finetune.attention.pretrained import special_token_ids  # imports transformers

        features = special_token_columns(ids, special_token_ids(tokenizer))
        return cls(len(ids), tuple(tokenizer.convert_ids_to_tokens(ids.tolist())), dict(features))


def draw_mask(mask: Mask, axis: Axis, *, heads: int | None = None, picture: Path | None = None) -> str:
    """Draw one mask.

    Args:
        mask: The mask.
        axis: The queries and keys.
        heads: Number of attention heads; heads with the same allowed pairs share a panel. None takes the smallest
            number that the mask fits.
        picture: The path of a picture to write in addition; None for none.

    Returns:
        The drawing as text.

    Raises:
        UserError: The mask cannot be evaluated, or the picture cannot be written.
    """
    try:
        panels = _with_heads(
            lambda count: mask_panels(mask, axis.length, num_heads=count, features=axis.features), heads
        )
    except MaskError as error:
        raise _no_drawing(error) from error
    return draw_panels(panels, axis.tokens, picture=picture)


def draw_program(
    program: Program, axis: Axis, *, layers: int, heads: int | None = None, picture: Path | None = None
) -> str:
    """Draw the masks of each site whose masks are not the standard ones; if there is none, of all sites.

    Args:
        program: The masks of a recipe.
        axis: The queries and keys at every site.
        layers: Number of layers at each site; layers with the same mask share their panels.
        heads: Number of attention heads; None takes the smallest number that the masks fit.
        picture: The path of a picture to write in addition; None for none.

    Returns:
        The drawing as text.

    Raises:
        UserError: The masks do not fit, or the picture cannot be written.
    """
    sites = [name for name in SITES if not program.is_standard_at(name)] or list(SITES)
    try:
        panels = _with_heads(
            lambda count: [
                panel
                for name in sites
                for panel in program_panels(program, name, layers, axis.length, num_heads=count, features=axis.features)
            ],
            heads,
        )
    except (MaskError, ProgramError) as error:
        raise _no_drawing(error) from error
    return draw_panels(panels, axis.tokens, picture=picture)


def read_site(text: str) -> Site:
    """Return the masks of a site: the text of a mask, or a mapping in YAML as a recipe's `attention.encoder` has it.

    Raises:
        UserError: The text cannot be read.
    """
    if not text.lstrip().startswith("{"):
        return Site(read_mask(text))
    (given,) = compose.parse_overrides([f"attention.encoder={text}"]).values()
    try:
        return Site.from_config(given, "encoder")
    except (MaskError, ProgramError) as error:
        raise UserError(f"the mask cannot be read: {error}") from error


def read_mask(text: str) -> Mask:
    """Return the mask of an expression.

    Raises:
        UserError: The text cannot be read; the message shows the position of the mistake.
    """
    try:
        return parse(text)
    except MaskError as error:
        raise UserError(f"the mask cannot be read: {error}") from error


def draw_panels(
    panels: Sequence[Panel],
    query_tokens: Sequence[str] | None,
    key_tokens: Sequence[str] | None = None,
    *,
    picture: Path | None = None,
    width: int = 100,
) -> str:
    """Draw panels as text, and as a picture if a path is given.

    Args:
        panels: The panels.
        query_tokens: The token of each row of the panels; None to number the rows.
        key_tokens: The token of each column of the panels; None for those of the rows.
        picture: The path of a picture to write in addition; None for none.
        width: Number of characters of a line of the text.

    Returns:
        The drawing as text.

    Raises:
        UserError: The picture cannot be written.
    """
    if picture is not None:
        check_picture(picture)
        try:
            save_picture(panels, picture, query_tokens, key_tokens)
        except OSError as error:
            raise UserError(f"the picture {picture} cannot be written", found=error.strerror) from error
    text = to_text(panels, query_tokens, key_tokens, width)
    if all(panel.values.dtype == torch.bool and not panel.values.any() for panel in panels):
        text += "\nNo pair is allowed here. A query that may attend to nothing gets an output of zeros."
    return text


def _with_heads(make: Callable[[int], list[Panel]], heads: int | None) -> list[Panel]:
    """Return the panels for a number of heads; for None, the smallest that all masks fit."""
    if heads is not None:
        return make(heads)
    count = 1
    while True:
        try:
            return make(count)
        except HeadCountError as error:
            if math.lcm(count, error.multiple_of) == count or count > _MOST_HEADS:
                raise
            count = math.lcm(count, error.multiple_of)


def check_picture(path: Path) -> None:
    """Check that the name of a picture names a format that can be written.

    Raises:
        UserError: It does not.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(
            f"the picture {path} cannot be written",
            expected=f"a name that ends in {', '.join(FORMATS)}",
            found=f"the ending {path.suffix!r}" if path.suffix else "a name without an ending",
            fix=f"{path}.png, say",
        )


def _no_drawing(error: ValueError) -> UserError:
    fix = None
    if isinstance(error, HeadCountError):
        fix = f"--heads {error.multiple_of}, or the number of heads of your model"
    elif isinstance(error, ProgramError):
        fix = "--layers gives the number of layers of your model"
    elif isinstance(error, MissingColumn):
        fix = '--text "..." --model NAME gives it tokens to read'
    return UserError(f"the mask cannot be drawn: {error}", fix=fix)
