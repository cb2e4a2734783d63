"""An output and its reference, with the differences marked."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from finetune.report.page.tables import Mark, Piece

_PARTS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_PARTS = 400


def marked_differences(output: str, reference: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return both texts in pieces, in which the words that only one of them has are marked.

    Texts without spaces between words are compared by characters, and so are single words.
    """
    ours, theirs = _parts(output, reference)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    codes = matcher.get_opcodes()
    of_output = _pieces((("" if code == "equal" else "removed"), ours[i:j]) for code, i, j, _, _ in codes)
    of_reference = _pieces((("" if code == "equal" else "added"), theirs[i:j]) for code, _, _, i, j in codes)
    return tuple(of_output), tuple(of_reference)


def _parts(output: str, reference: str) -> tuple[Sequence[str], Sequence[str]]:
    has_words = bool(re.search(r"\S\s+\S", reference)) or bool(re.search(r"\S\s+\S", output))
    if not has_words:
        return list(output), list(reference)
    return tuple(_joined(_PARTS.findall(text)) for text in (output, reference))  # type: ignore[return-value]


def _joined(parts: list[str]) -> list[str]:
    """Return the parts with all behind the last one that is compared as one part, since comparing is quadratic."""
    rest = "".join(parts[_MOST_PARTS:])
    return parts[:_MOST_PARTS] + ([rest] if rest else [])


def _pieces(marked: Iterator[tuple[Mark, Sequence[str]]]) -> Iterator[Piece]:
    for mark, parts in marked:
        if parts:
            yield Piece("".join(parts), mark)
