"""Rows of custom masks: predicates have no bounds, so they are evaluated once and remembered as bits.

From the bits of its queries' rows, a tile gets exactly the keys that any of them may attend to, and queries with equal
rows can be put into one tile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.custom import Custom, find_predicate
from finetune.attention.masks.operators import And, Not
from finetune.attention.masks.random_keys import RandomKeys
from finetune.attention.masks.scope import AttentionSide, Scope
from finetune.attention.planning.constants import NotConstantError, read_constants
from finetune.attention.planning.heads import PAIRS_AT_ONCE, HeadGroup, IntArray, example_starts, open_share

REMEMBERED_BYTES = 2**26
"""Memory of the rows that are kept between calls; a square of 4,096 tokens takes 2 MiB."""
OPEN = 0.25
"""Share of blocks of pairs that the bounds of a mask leave open, above which it is evaluated everywhere at once."""


@dataclass(frozen=True, eq=False)
class MaskRows:
    """The rows of a mask in one example and one head, as bits.

    Args:
        bits: uint8 [queries, keys / 8], eight keys in a byte, the first one in its highest bit.
        codes: int64 [queries], equal for queries with equal rows.
        num_keys: Number of keys.
    """

    bits: npt.NDArray[np.uint8]
    codes: IntArray
    num_keys: int

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.bits.nbytes + self.codes.nbytes


class _Remembered:
    """Rows by what they depend on; those that were not used for longest are dropped. Threads may share it."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Hashable, MaskRows] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> MaskRows | None:
        """Return the rows that were put under a key; None where there are none."""
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, key: Hashable, rows: MaskRows) -> None:
        """Remember rows under a key."""
        with self._lock:
            if key in self._rows:
                return
            self._rows[key] = rows
            self._bytes += rows.nbytes
            while self._bytes > REMEMBERED_BYTES:
                self._bytes -= self._rows.popitem(last=False)[1].nbytes


_remembered = _Remembered()


def with_rows(group: HeadGroup) -> HeadGroup:
    """Return the heads with the rows of those custom masks whose keys cannot be found by bounds.

    Args:
        group: The heads, with their mask and streams.

    Raises:
        MaskError: A predicate cannot be evaluated.
    """
    if sum(q * k for q, k in zip(group.queries.sizes, group.keys.sizes, strict=True)) > 8 * REMEMBERED_BYTES:
        return group
    found = {}
    for alternative in group.mask.alternatives():
        members = alternative.members if isinstance(alternative, And) else (alternative,)
        atom = next((member for member in members if is_custom(member)), None)
        if atom is None or any(isinstance(member, RandomKeys) for member in members):
            continue
        if open_share(replace(group, mask=alternative)) > OPEN:
            found[atom] = _rows_by_example(group, atom)
    return replace(group, rows=found) if found else group


def is_custom(mask: Mask) -> bool:
    """Return whether a mask is a custom one, or the negation of one."""
    return isinstance(mask, Custom) or (isinstance(mask, Not) and isinstance(mask.mask, Custom))


def _rows_by_example(group: HeadGroup, atom: Mask) -> tuple[MaskRows, ...]:
    """Return the rows of a custom mask, remembered where the predicate reads only what it declares, and constants."""
    examples = range(len(group.queries.sizes))
    try:
        keys = _keys(group, atom)
        return tuple(_remember(group, atom, example, key) for example, key in zip(examples, keys, strict=True))
    except (NotConstantError, UndeclaredReadError):
        return tuple(_evaluate(group, atom, example, None) for example in examples)


def _remember(group: HeadGroup, atom: Mask, example: int, key: Hashable) -> MaskRows:
    """Return the rows of an example that were remembered under a key, or evaluate and remember them."""
    found = _remembered.get(key)
    if found is None:
        found = _evaluate(group, atom, example, atom.needs.columns)
        _remembered.put(key, found)
    return found


def _keys(group: HeadGroup, atom: Mask) -> list[Hashable]:
    """Return for each example all that the rows of a mask depend on.

    Raises:
        NotConstantError: The predicate reads something beside its arguments that may change.
    """
    custom = atom.mask if isinstance(atom, Not) else atom
    assert isinstance(custom, Custom)
    constants = read_constants(find_predicate(custom.predicate).function)
    head = group.heads.start if atom.needs.by_head else None
    common = isinstance(atom, Not), constants, group.num_heads, head, group.keys is group.queries
    sides = [_digests(side, atom) for side in (group.queries, group.keys)]
    return [(common, *of_example) for of_example in zip(*sides, strict=True)]


def _digests(side: Ragged, atom: Mask) -> list[Hashable]:
    """Return for each example what stands for its size, its declared columns, and all of its values."""
    names = sorted(atom.needs.columns & {*side.columns})
    columns = [side.columns[name].numpy() for name in names]
    starts, values = example_starts(side), sorted(side.values)
    found: list[Hashable] = []
    for example, (start, size) in enumerate(zip(starts, side.sizes, strict=True)):
        digest = blake2b(digest_size=16)
        for column in columns:
            digest.update(column[start : start + size].tobytes())
        found.append((size, *names, digest.digest(), *((name, int(side.values[name][example])) for name in values)))
    return found


def _evaluate(group: HeadGroup, atom: Mask, example: int, columns: frozenset[str] | None) -> MaskRows:
    """Evaluate a mask in one example.

    Args:
        group: The heads, with their streams.
        atom: The mask.
        example: Index of the example.
        columns: The columns that may be read; None means all.

    Raises:
        UndeclaredReadError: Another column was read.
        MaskError: The mask cannot be evaluated.
    """
    queries = _side(group.queries, columns)
    keys = queries if group.keys is group.queries else _side(group.keys, columns)
    values = {**group.queries.values, **group.keys.values}
    scope = Scope(queries, keys, torch.tensor(example), group.num_heads, values)
    num_queries, num_keys = group.queries.sizes[example], group.keys.sizes[example]
    at_once = max(1, PAIRS_AT_ONCE // max(1, num_keys))
    head, every_key = torch.tensor(group.heads.start), torch.arange(num_keys)
    bits = np.zeros((num_queries, -(-num_keys // 8)), dtype=np.uint8)
    for start in range(0, num_queries, at_once):
        q = torch.arange(start, min(start + at_once, num_queries))[:, None]  # [queries, 1]
        allowed = atom.allowed(scope, head, q, every_key).expand(len(q), num_keys)
        bits[start : start + len(q)] = np.packbits(allowed.numpy(), axis=1)
    return MaskRows(bits, _codes(bits), num_keys)


def _codes(bits: npt.NDArray[np.uint8]) -> IntArray:
    """Return a hash of each row; that two rows share one by chance costs time but changes no result."""
    weights = np.random.default_rng(0).integers(-(2**62), 2**62, bits.shape[1])
    codes: IntArray = bits.astype(np.int64) @ weights
    return codes


class UndeclaredReadError(Exception):
    """A predicate read a column that it does not declare."""


class _Declared(Mapping[str, Tensor]):
    """The declared columns of a side; every other access is an error."""

    def __init__(self, columns: Mapping[str, Tensor], declared: frozenset[str]) -> None:
        self._columns, self._declared = columns, declared

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._declared:
            raise UndeclaredReadError(name)
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        raise UndeclaredReadError("all")

    def __len__(self) -> int:
        raise UndeclaredReadError("all")


def _side(layout: Ragged, columns: frozenset[str] | None) -> AttentionSide:
    side = layout.side()
    return side if columns is None else AttentionSide(side.starts, side.lengths, _Declared(layout.columns, columns))


def tile_keys(rows: MaskRows, queries: IntArray) -> tuple[IntArray, IntArray, npt.NDArray[np.bool_]]:
    """Return the keys that any query of each tile may attend to.

    Args:
        rows: The rows of the example of the tiles.
        queries: int64 [tiles, size], positions of queries, the first of which is not padding; -1 at padding.

    Returns:
        For each entry its tile and its key, int64, sorted; and whether all queries of the tile may attend to the key.
    """
    tile, slot = np.nonzero(queries >= 0)
    starts = np.flatnonzero(np.diff(tile, prepend=-1))
    bits = rows.bits[queries[tile, slot]]
    some, every = (operator.reduceat(bits, starts, axis=0) for operator in (np.bitwise_or, np.bitwise_and))
    found = np.unpackbits(some, axis=1, count=rows.num_keys).astype(bool)
    certain = np.unpackbits(every, axis=1, count=rows.num_keys).astype(bool)
    own, keys = np.nonzero(found)
    return own, keys, certain[own, keys]
