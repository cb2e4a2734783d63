"""An output and its reference, with the differences marked."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile

from finetune.report.page.tables import Mark, TextPiece

_PARTS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_MOST_PARTS = 400
_MOST_PAIRS = 20_000
"""Number of pairs of equal parts up to which difflib is used; its time grows with them, up to the third power."""

DiffCode = tuple[str, int, int, int, int]
"""A run of parts, as difflib describes it: what it is, where it begins and ends in the output and in the reference."""


def marked_differences(output: str, reference: str) -> tuple[tuple[TextPiece, ...], tuple[TextPiece, ...]]:
    """Return both texts in pieces, in which the words that only one of them has are marked.

    Texts without spaces between words are compared by characters, and so are single words. Of long texts that repeat
    the same words all but the equal beginnings and ends is marked.
    """
    ours, theirs = _parts(output, reference)
    codes = _compared([part.strip() for part in ours], [part.strip() for part in theirs])
    of_output = _pieces((("" if code == "equal" else "removed"), ours[i:j]) for code, i, j, _, _ in codes)
    of_reference = _pieces((("" if code == "equal" else "added"), theirs[i:j]) for code, _, _, i, j in codes)
    return tuple(of_output), tuple(of_reference)


def _parts(output: str, reference: str) -> tuple[list[str], list[str]]:
    has_words = any(re.search(r"\S\s+\S", text) for text in (output, reference))
    if not has_words:
        return _joined(list(output)), _joined(list(reference))
    return _joined(_PARTS.findall(output)), _joined(_PARTS.findall(reference))


def _joined(parts: list[str]) -> list[str]:
    """Return the parts, with all beyond those that are compared as one part."""
    rest = "".join(parts[_MOST_PARTS:])
    return parts[:_MOST_PARTS] + ([rest] if rest else [])


def _compared(ours: Sequence[str], theirs: Sequence[str]) -> list[DiffCode]:
    counts, others = Counter(ours), Counter(theirs)
    if sum(count * others[part] for part, count in counts.items()) <= _MOST_PAIRS:
        return list(SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes())
    begin = _num_equal(zip(ours, theirs, strict=False))
    end = _num_equal(zip(reversed(ours[begin:]), reversed(theirs[begin:]), strict=False))
    last, other = len(ours) - end, len(theirs) - end
    return [
        ("equal", 0, begin, 0, begin),
        ("replace", begin, last, begin, other),
        ("equal", last, len(ours), other, len(theirs)),
    ]


def _num_equal(pairs: Iterable[tuple[str, str]]) -> int:
    """Return the number of pairs before the first one whose parts differ."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _pieces(marked: Iterator[tuple[Mark, Sequence[str]]]) -> Iterator[TextPiece]:
    for mark, parts in marked:
        if text := "".join(parts):
            yield TextPiece(text, mark)
