"""Warnings of text that a tokenizer loses: unknown characters of inputs, and targets that it cannot write."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from finetune.data.features import Features
from finetune.errors import UserError
from finetune.models.quiet import quiet

_MOST = 2000
"""The largest number of targets of a split that are encoded and decoded; they are evenly spaced."""
_EXAMPLES = 100
"""The largest number of inputs of a split in which unknown characters are counted."""
_SHOWN = 12
"""The number of characters or words that a message lists."""
_LONGEST = 80
"""The length of a text in a message, in characters."""

Score = Callable[[Sequence[str], Sequence[str]], Mapping[str, float]]
"""A function from predictions and references to scores by name."""


def unknown_inputs(
    features: Mapping[str, Features],
    tokenizer: PreTrainedTokenizerBase,
    text_of: Callable[[str, int], str],
) -> UserError | None:
    """Return a warning of inputs that hold the tokenizer's unknown token, or None where there are none.

    Args:
        features: The encoded inputs of each split, with the columns `input_ids` and `example`.
        tokenizer: The tokenizer that encoded them.
        text_of: A function from a split and the index of an example in it to the example's text.
    """
    unknown = _unknown_id(tokenizer)
    if unknown is None:
        return None
    found = {split: _with_token(one, unknown) for split, one in features.items()}
    shares = [_share(len(rows), len(features[split]), split) for split, rows in found.items() if len(rows)]
    if not shares:
        return None
    texts = [text_of(split, int(example)) for split, rows in found.items() for example in rows[:_EXAMPLES]]
    lost = _unknown_parts(texts, tokenizer, unknown)
    return UserError(
        f"inputs hold characters that the tokenizer does not know, and the model reads {tokenizer.unk_token} there: "
        + ", ".join(shares),
        found=f"{_shown(lost)} in {_excerpt(texts[0])}" if lost else _excerpt(texts[0]),
        fix="a model whose tokenizer knows them, or other characters in the data",
    )


def lost_targets(
    targets: Mapping[str, Sequence[str]], tokenizer: PreTrainedTokenizerBase, score: Score
) -> UserError | None:
    """Return a warning of targets that change when they are encoded and decoded, or None where none does.

    A model can only generate what its tokenizer decodes. Runs of spaces count as one space.

    Args:
        targets: The targets of each split.
        tokenizer: The model's tokenizer.
        score: A function that scores the decoded targets against the targets. The message shows the scores of the last
            split in which some targets change: no model can exceed them.
    """
    shares: list[str] = []
    best: Mapping[str, float] = {}
    changed: list[tuple[str, str]] = []
    for split, texts in targets.items():
        chosen = [texts[int(index)] for index in np.linspace(0, len(texts) - 1, min(len(texts), _MOST))]
        written = _round_trip(chosen, tokenizer)
        differ = [pair for pair in zip(chosen, written, strict=True) if _spaced(pair[0]) != _spaced(pair[1])]
        if differ:
            shares.append(_share(len(differ), len(chosen), split))
            best = score(written, chosen)
            changed += differ
    if not changed:
        return None
    scores = ", ".join(f"{name} {value:.1f}" for name, value in best.items())
    return UserError(
        f"targets that the tokenizer cannot write: {', '.join(shares)}; the best score that is left: {scores}",
        found=_change(*changed[0]) + _lost_characters(changed),
        fix="a model whose tokenizer writes them, model.scratch with a tokenizer of its own, or other targets",
    )


def _unknown_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the id of the unknown token; None where there is none, or where a token with another role serves as it."""
    unknown: int | None = tokenizer.unk_token_id
    others = (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id)
    return None if unknown in others else unknown


def _with_token(features: Features, token: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the indices of the examples whose inputs hold a token, in order; int64."""
    inputs = features.columns["input_ids"]
    assert inputs.offsets is not None
    places = np.flatnonzero(inputs.values == token)
    # offsets[i] is where row i begins, so the row of a place is the last one that begins at it or before it.
    rows = np.unique(np.searchsorted(inputs.offsets, places, side="right") - 1)
    return np.unique(features.columns["example"].values[rows]).astype(np.int64)


def _unknown_parts(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, unknown: int) -> list[str]:
    """Return the unknown characters, the most frequent first; whole words where each of their characters is known."""
    words = Counter(word for text in texts for word in text.split())
    with quiet():
        bad = [word for word, _ in words.most_common() if unknown in _ids(word, tokenizer)]
        characters = Counter(character for word in bad for character in word)
        known = {character: unknown not in _ids(character, tokenizer) for character in characters}
    return [character for character, _ in characters.most_common() if not known[character]] or bad


def _ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _round_trip(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    with quiet():  # transformers would warn of long texts, which are cut in training
        ids = tokenizer(text_target=list(texts))["input_ids"]
        written: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return [text.strip() for text in written]


def _lost_characters(changed: Sequence[tuple[str, str]]) -> str:
    """Return the characters that are lost in decoded texts, the most frequent first, for a message."""
    lost: Counter[str] = Counter()
    for text, back in changed:
        lost += Counter(text) - Counter(back)
    del lost[" "]
    return f"; lost: {_shown([character for character, _ in lost.most_common()])}" if lost else ""


def _spaced(text: str) -> str:
    return " ".join(part for part in text.strip().split(" ") if part)


def _share(count: int, total: int, split: str) -> str:
    return f"{count:,} of {total:,} in {split} ({count / total:.1%})"


def _shown(parts: Sequence[str]) -> str:
    """Return characters or words for a message; those that cannot be printed are escaped."""
    shown = [part if part.isprintable() else repr(part)[1:-1] for part in parts[:_SHOWN]]
    return " ".join(shown) + (f" and {len(parts) - _SHOWN:,} more" if len(parts) > _SHOWN else "")


def _change(text: str, back: str) -> str:
    """Return a text and its decoded form for a message, from shortly before the place where they differ."""
    text, back = _spaced(text), _spaced(back)
    same = next((at for at, pair in enumerate(zip(text, back, strict=False)) if pair[0] != pair[1]), len(back))
    start = max(same - _LONGEST // 2, 0)
    before = "..." if start else ""
    return f"{_excerpt(before + text[start:])} becomes {_excerpt(before + back[start:])}"


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
