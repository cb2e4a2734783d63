"""Heads that share a mask."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from finetune.attention.masks import Mask


@dataclass(frozen=True)
class HeadGroup:
    """Neighbouring heads with the same mask.

    Args:
        mask: Theirs, free of per_head; where it still differs between heads, the group is one head.
        heads: The heads.
    """

    mask: Mask
    heads: range


def head_groups(mask: Mask, num_heads: int) -> list[HeadGroup]:
    """The heads by mask, in order. Raises MaskError where the number of heads does not fit."""
    if not mask.needs.by_head:
        return [HeadGroup(mask, range(num_heads))]
    masks = [mask.at_head(head, num_heads) for head in range(num_heads)]
    groups = []
    for _, members in groupby(range(num_heads), lambda head: (masks[head], masks[head].needs.by_head and head)):
        heads = list(members)
        groups.append(HeadGroup(masks[heads[0]], range(heads[0], heads[-1] + 1)))
    return groups
