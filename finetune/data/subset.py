"""A part of a split: some examples, by number or share."""

import math

import numpy as np
from datasets import Dataset

from finetune.recipe import Data


def keep_some(splits: dict[str, Dataset], data: Data) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    """Return each split with at most as many examples as the recipe says, and a note on each reduced split."""
    kept, notes = {}, []
    for split, dataset in splits.items():
        limit = getattr(data, f"max_{split}_examples") or len(dataset)
        most = math.ceil(limit * len(dataset)) if limit < 1 else int(limit)
        kept[split] = dataset
        if most < len(dataset):
            kept[split] = dataset.select(_chosen(len(dataset), most, data))
            which = "the first" if data.subset == "first" else "by chance"
            examples = f"{most:,} of {len(dataset):,} examples (data.max_{split}_examples)"
            notes.append(f"{split}: {which} {examples}" if data.subset == "first" else f"{split}: {examples}, {which}")
    return kept, tuple(notes)


def _chosen(count: int, most: int, data: Data) -> range | list[int]:
    if data.subset == "first":
        return range(most)
    # numpy promises RandomState the same stream in every release: a subset must outlive an upgrade.
    chosen: list[int] = np.sort(np.random.RandomState(data.split_seed).permutation(count)[:most]).tolist()
    return chosen
