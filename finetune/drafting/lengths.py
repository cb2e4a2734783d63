"""How long inputs and outputs are, in tokens: counted by a tokenizer that is on this machine, or else estimated."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finetune.drafting.languages import TextLanguage, count_words

_MEASURED = 2000
"""The number of rows whose lengths are measured, evenly spaced."""
_PERCENTILE = 0.99
_STEP = 16
_SHORTEST = 32
_FACTORS = {"en": 1.4}
"""Tokens of a word, by language; subword tokenizers of the English BERT and T5 make about 1.3 of a word of prose."""
_OTHER_FACTOR = 2.0
"""Tokens of a word in other languages."""
CHARACTERS = {"Han": 1.0, "Kana": 1.0, "Thai": 1.0}
"""Tokens of a character, in scripts without spaces between words."""

CountTokens = Callable[[str], int]
"""A function that returns the number of tokens of a text, without special tokens."""


def local_tokenizer(folder: Path | None, hub_name: str | None) -> CountTokens | None:
    """Return a tokenizer that is on this machine; None where the model's is not.

    Args:
        folder: A folder that may hold `tokenizer.json`.
        hub_name: The model's name on the Hub, whose cache is looked into; nothing is downloaded.
    """
    path = None if folder is None else folder / "tokenizer.json"
    if hub_name is not None:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(hub_name, "tokenizer.json")
        path = Path(found) if isinstance(found, str) else None
    if path is None or not path.is_file():
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # the library raises plain Exceptions for files that it cannot read
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def factor(language: TextLanguage) -> float:
    """Return how many tokens a word, or a character of scripts without spaces, is estimated to have."""
    return CHARACTERS.get(language.script) or _FACTORS.get(language.code or "", _OTHER_FACTOR)


def estimator(language: TextLanguage) -> CountTokens:
    """Return a function that estimates the number of tokens of a text from its words."""
    times = factor(language)
    return lambda text: math.ceil(times * count_words(text))


def measured(columns: Sequence[Sequence[Any]], count: CountTokens) -> list[int]:
    """Return the number of tokens of some rows, of all columns together, without special tokens.

    Args:
        columns: Texts, or lists of words, of each row.
        count: Counts the tokens of one text.
    """
    rows = list(zip(*columns, strict=True))
    step = max(1, math.ceil(len(rows) / _MEASURED))
    return [sum(count(_text(value)) for value in row) for row in rows[::step]]


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def limit(lengths: Sequence[int], special: int, most: int) -> tuple[int, int]:
    """Return a limit that at most one input in a hundred exceeds, and the longest input.

    Args:
        lengths: The measured lengths without special tokens.
        special: The number of special tokens that are added.
        most: The longest input that the model reads.
    """
    ordered = sorted(lengths) or [0]
    longest = ordered[-1] + special
    at = ordered[min(len(ordered) - 1, int(_PERCENTILE * len(ordered)))] + special
    rounded = math.ceil(at / _STEP) * _STEP
    return min(max(rounded, _SHORTEST), most), longest
