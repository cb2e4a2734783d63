"""The columns and values that masks read: numbers from the tokenizer, and integer columns of the data set.

| column | holds |
|---|---|
| `word` | the number of the word that a token is part of |
| `sentence` | the number of its sentence; one ends at a token that ends in . ! ? or their Chinese forms |
| `segment` | 0 in the first text of a pair, 1 in the second, as BERT's token_type_ids |
| `is_cls`, `is_sep`, ... | whether the token is that special token; computed by the model's hooks |
| any other | the data set's column of that name: one integer for each word (token classification) |

Special tokens belong to no word and no sentence: both columns are -1 there. A value of the whole example, as in
`prefix(length)`, is read from the data set's column of that name: one integer for each example.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import BatchEncoding

from finetune.attention import Program
from finetune.data import Field
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.tasks.tensors import lay_out

PREFIX = "mask_"
"""The start of the names of features that hold columns and values of masks."""
NO_WORD = -1
"""The word and the sentence of special tokens and padding."""
BUILT_IN = ("word", "sentence", "segment")
"""The columns that are computed from the tokenizer's output."""

_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")  # noqa: RUF001 (full-width on purpose)


def needed_columns(program: Program) -> tuple[str, ...]:
    """Return the token columns that masks read, sorted, without those of special tokens, which the model computes."""
    return tuple(sorted(name for name in program.needs.columns if not name.startswith("is_")))


def data_fields(program: Program, *, by_word: bool) -> tuple[Field, ...]:
    """Return the fields of the data set that the masks read.

    Args:
        program: The masks of the model.
        by_word: Whether the task's examples are lists of words, so that a column can hold an integer for each word.

    Raises:
        UserError: A mask reads a token column that neither the tokenizer nor the data set can provide.
    """
    own = [name for name in needed_columns(program) if name not in BUILT_IN]
    if own and not by_word:
        raise UserError(
            f"a mask reads the token column {own[0]!r}, but the examples of this task are not lists of words",
            expected=f"one of {', '.join(BUILT_IN)}, or the name of a special token",
            where="attention",
        )
    values = [Field(PREFIX + name, "text", name) for name in sorted(program.needs.values)]
    return (*(Field(PREFIX + name, "words", name) for name in own), *values)


def token_columns(
    program: Program, encoding: BatchEncoding, samples: Sequence[int], batch: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Return the columns of features that masks read: for each row one integer a token, or one for the example.

    Args:
        program: The masks of the model.
        encoding: The encoded rows.
        samples: The index in `batch` of each row's example.
        batch: The columns of the examples, with those of `data_fields`.

    Raises:
        UserError: A column of the data set holds something else than integers.
    """
    rows = range(len(samples))
    columns: dict[str, list[Any]] = {}
    for name in needed_columns(program):
        if name == "segment":
            if "token_type_ids" not in encoding:  # where there are, the model passes them to its masks
                columns[PREFIX + name] = [_segments(encoding, row) for row in rows]
        elif name == "sentence":
            columns[PREFIX + name] = [_sentences(encoding, row) for row in rows]
        else:
            numbers = None if name == "word" else batch[PREFIX + name]
            columns[PREFIX + name] = [
                [_of_word(word, name, numbers and numbers[sample]) for word in encoding.word_ids(row)]
                for row, sample in zip(rows, samples, strict=True)
            ]
    for name in program.needs.values:
        columns[PREFIX + name] = [_integer(batch[PREFIX + name][sample], name) for sample in samples]
    return columns


def lay_out_columns(features: Features, *, ragged: bool) -> dict[str, Tensor]:
    """Return what masks read as tensors: int64 [1, tokens], or [batch, length] padded with -1; values [batch]."""
    columns = {name.removeprefix(PREFIX): each for name, each in features.columns.items() if name.startswith(PREFIX)}
    return {
        name: torch.from_numpy(column.values) if column.offsets is None else lay_out(column, NO_WORD, ragged=ragged)
        for name, column in columns.items()
    }


def _of_word(word: int | None, name: str, numbers: Sequence[str] | None) -> int:
    if word is None:
        return NO_WORD
    return word if numbers is None else _integer(numbers[word], name)


def _integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(
            f"a mask reads the column {name!r}, which holds something else than whole numbers",
            expected="whole numbers",
            found=repr(text),
            where="attention",
        ) from None


def _segments(encoding: BatchEncoding, row: int) -> list[int]:
    """Return the segment of each token. Special tokens belong to the text before them, the first to the first text."""
    segments: list[int] = []
    for segment in encoding.sequence_ids(row):
        segments.append(segment if segment is not None else (segments[-1] if segments else 0))
    return segments


def _sentences(encoding: BatchEncoding, row: int) -> list[int]:
    """Return the number of each token's sentence. A sentence ends with the word whose last token ends it."""
    sentences: list[int] = []
    current, ended_in = 0, None
    for token, word in zip(encoding.tokens(row), encoding.word_ids(row), strict=True):
        if word is None:
            sentences.append(NO_WORD)
            continue
        if ended_in is not None and word != ended_in and not token.endswith(_SENTENCE_ENDS):
            current, ended_in = current + 1, None
        if token.endswith(_SENTENCE_ENDS):
            ended_in = word
        sentences.append(current)
    return sentences
