"""Find texts that belong in one split: versions of one text, and texts made from one another."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

SHINGLE = 5
"""The length in words of the overlapping pieces by which texts are compared."""

MOST_RESEMBLANCE = 0.5
"""The share of their pieces that two texts in different groups may have in common."""


def groups(texts: Sequence[str], families: Sequence[str]) -> list[int]:
    """Return the group number of each text; texts of one family and similar texts are in one group, transitively.

    Two texts are similar if their resemblance is above `MOST_RESEMBLANCE`: the number of different pieces of five words
    that both have, divided by the number that either has. It is computed exactly, and a text of fewer words is one
    piece. Time and memory grow with the square of the number of texts. The measure is that of Broder, "On the
    resemblance and containment of documents" (SEQUENCES 1997).

    Args:
        texts: One text or more, whose words are separated by blanks.
        families: The name of each text's family.
    """
    pieces = _incidence(texts)
    shared = (pieces @ pieces.T).toarray()  # [texts, texts]
    sizes = shared.diagonal()
    alike = shared > MOST_RESEMBLANCE * (sizes[:, None] + sizes - shared)
    _, family = np.unique(families, return_inverse=True)
    _, group = connected_components(alike | (family[:, None] == family), directed=False)
    return [int(number) for number in group]


def _incidence(texts: Sequence[str]) -> csr_array:
    """Return a sparse matrix that is 1 where a text has a piece: [texts, pieces], int64."""
    columns: defaultdict[str, int] = defaultdict(count().__next__)
    rows = [[columns[piece] for piece in _pieces(text)] for text in texts]
    ends = np.cumsum([0, *map(len, rows)])
    return csr_array((np.ones(ends[-1], dtype=np.int64), list(chain.from_iterable(rows)), ends))


def _pieces(text: str) -> set[str]:
    """Return the different pieces of `SHINGLE` words that a text has."""
    words = text.split()
    return {" ".join(words[start : start + SHINGLE]) for start in range(max(1, len(words) - SHINGLE + 1))}
