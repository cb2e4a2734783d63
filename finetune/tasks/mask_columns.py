"""The columns and values that masks read: numbers from the tokenizer, and integer columns of the data set.

| column | holds |
|---|---|
| `word` | the number of the word that a token is part of |
| `sentence` | the number of its sentence; one ends at a token that ends in . ! ? or their Chinese forms |
| `segment` | 0 in the first text of a pair, 1 in the second, as BERT's token_type_ids |
| `is_cls`, `is_sep`, ... | whether the token is that special token; computed by the model's hooks |
| any other | the data set's column of that name: one integer for each word in token classification, and spans of |
| | characters with an integer each in texts (`finetune.data.numbered_spans`) |

Special tokens belong to no word, no sentence and no span, and some tokens of a text to no span: the columns are -1
there. A value of the whole example, as in `prefix(length)`, is read from the data set's column of that name: one
integer for each example.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BatchEncoding

from finetune.attention import Program
from finetune.data.features import Features
from finetune.data.numbered_spans import NumberedSpan, read_spans
from finetune.errors import UserError
from finetune.tasks.mask_fields import PREFIX, needed_columns, spans_field
from finetune.tasks.tensors import lay_out

NO_WORD = -1
"""The word, the sentence and the span of special tokens and padding."""

_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")  # noqa: RUF001 (full-width on purpose)


def token_columns(
    program: Program,
    encoding: BatchEncoding,
    samples: Sequence[int],
    batch: Mapping[str, list[Any]],
    texts: Sequence[str] = (),
    prefix: str = "",
) -> dict[str, list[Any]]:
    """Return the columns of features that masks read: for each row one integer a token, or one for the example.

    Args:
        program: The masks of the model.
        encoding: The encoded rows.
        samples: The index in `batch` of each row's example.
        batch: The columns of the examples, with those of `data_fields`.
        texts: Names of the fields of the texts that were encoded, at most two; empty for lists of words.
        prefix: What was put before the first text, in which there are no spans.

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
        elif name != "word" and texts:
            columns[PREFIX + name] = [
                _of_spans(encoding, row, [_read_spans(name, text, sample, batch) for text in texts], prefix)
                for row, sample in zip(rows, samples, strict=True)
            ]
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


def _read_spans(
    name: str, text: str, sample: int, batch: Mapping[str, list[Any]]
) -> tuple[str, Sequence[NumberedSpan]]:
    """Return a text of an example and its spans."""
    return batch[text][sample], read_spans(batch[spans_field(name, text)][sample])


def _of_spans(
    encoding: BatchEncoding, row: int, texts: Sequence[tuple[str, Sequence[NumberedSpan]]], prefix: str
) -> list[int]:
    """Return the number of the span that each token of a row is part of, NO_WORD where it is part of none.

    A token that is part of two spans, as where one begins within a word piece, has the number of the one with which it
    shares more characters, and of equal ones the first. A token of white space alone, with which a word can begin, is
    part of the span of the character that follows.

    Args:
        encoding: The encoded rows.
        row: The row.
        texts: Each of its texts with the spans of the text.
        prefix: What was put before the first text.
    """
    text_of = np.array([NO_WORD if text is None else text for text in encoding.sequence_ids(row)], dtype=np.int64)
    offsets = np.array((encoding.encodings or [])[row].offsets, dtype=np.int64).reshape(-1, 2)  # [tokens, 2]
    values = np.full(len(offsets), NO_WORD, dtype=np.int64)
    for number, (text, spans) in enumerate(texts):
        before = prefix if number == 0 else ""
        encoded, tokens = before + text, np.flatnonzero(text_of == number)
        ends = offsets[tokens] - len(before)  # [tokens of this text, 2], in characters of the text itself
        is_space = [not encoded[start:end].strip() for start, end in offsets[tokens].tolist()]
        ends[:, 1] += np.array(is_space, dtype=np.int64)
        most = np.zeros(len(tokens), dtype=np.int64)  # characters that each token shares with its span
        for start, end, value in spans:
            shared = np.minimum(ends[:, 1], end) - np.maximum(ends[:, 0], start)
            values[tokens[shared > most]] = value
            most = np.maximum(most, shared)
    found: list[int] = values.tolist()
    return found


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
