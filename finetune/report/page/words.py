"""Words coloured by their labels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from finetune.data.labels import NO_TARGET
from finetune.report.page.tables import TextPiece, shortened

NUM_COLORS = 8
"""Number of colours of types; types beyond them share the last colour."""
_MOST_WORDS = 150
_OUTSIDE = "O"


def label_types(labels: Iterable[str | None]) -> dict[str, int]:
    """Return the colour of each type of entity, or of each label where the labels mark none; the most frequent first.

    Args:
        labels: The labels of all words.
    """
    counts = Counter(_type(label) for label in labels)
    for name in (_OUTSIDE, NO_TARGET, ""):
        counts.pop(name, None)
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return {name: min(number, NUM_COLORS) for number, name in enumerate(ordered, 1)}


def _type(label: str | None) -> str:
    """Return the type of an entity's label, which begins with B-, I-, E- or S-; other labels as they are."""
    if label is None:
        return ""
    return label[2:] if label[:2] in ("B-", "I-", "E-", "S-") else label


def marked_words(
    words: Sequence[str], prediction: Sequence[str], reference: Sequence[str], types: Mapping[str, int]
) -> tuple[TextPiece, ...]:
    """Return words in the colours of the predicted types; a wrong label is noted beside the right one.

    Args:
        words: The words.
        prediction: The predicted label of each word.
        reference: The right label of each word.
        types: The colour of each type.
    """
    pieces = []
    for word, given, wanted in zip(words[:_MOST_WORDS], prediction, reference, strict=False):
        is_wrong = given != wanted and wanted not in (NO_TARGET, None)
        note = f"{shortened(str(given), 30)} \u2192 {shortened(str(wanted), 30)}" if is_wrong else ""
        color = types.get(_type(given), 0)
        pieces.append(TextPiece(shortened(word, 60), "label" if color or note else "", color, note))
    left_out = len(words) - _MOST_WORDS
    return (*pieces, *([TextPiece(f"... {left_out:,} words more")] if left_out > 0 else []))


def legend(types: Mapping[str, int]) -> tuple[TextPiece, ...]:
    """Return the types in their colours, with the last colour once for all that share it."""
    own = [TextPiece(shortened(name), "label", color) for name, color in types.items() if color < NUM_COLORS]
    shared = [name for name, color in types.items() if color == NUM_COLORS]
    if not shared:
        return tuple(own)
    text = shared[0] if len(shared) == 1 else f"{len(shared)} further types"
    return (*own, TextPiece(shortened(text), "label", NUM_COLORS))
