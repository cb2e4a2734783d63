"""Warnings of imbalanced classes, and of labels that are one class spelled in two ways."""

import unicodedata
from collections import Counter
from collections.abc import Iterator

from finetune.data import Field
from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks.labelling import OUTSIDE

_COMMON_SHARE = 0.8
"""The share of the most frequent class from which on a warning is given."""
_RATIO = 10
"""The ratio of the most frequent to the rarest class from which on a warning is given."""
_OUTSIDE_SHARE = 0.97
"""The share of the label O from which on a warning is given. O is the most frequent label of most data."""
_SHOWN = 5
"""The number of groups of labels that a message lists."""


def skewed(counts: Counter[str], field: Field, recipe: Recipe) -> Iterator[UserError]:
    """Yield a warning where some classes are much rarer than others and the recipe does not weight them.

    Args:
        counts: How often each class occurs in the train split.
        field: The field that holds the classes.
        recipe: The recipe of the run.
    """
    if recipe.training.class_weights is not None or field.kind not in ("label", "word_labels") or len(counts) < 2:
        return
    (common, most), *_, (rare, least) = counts.most_common()
    share = most / counts.total()
    of_words = field.kind == "word_labels" and common == OUTSIDE
    if share < (_OUTSIDE_SHARE if of_words else _COMMON_SHARE) and (of_words or most < _RATIO * least):
        return
    yield UserError(
        "the classes are skewed",
        where=f"the train split, column {field.column!r}",
        found=f"{common!r} is {share:.1%} of all, so that always answering it has that accuracy; {rare!r} occurs "
        f"{plural(least, 'time')} in {counts.total():,}",
        fix="training.class_weights=balanced lets rare classes count as much, and training.best_metric=f1 watches them",
    )


def spellings(counts: Counter[str], field: Field) -> Iterator[UserError]:
    """Yield a warning of labels that differ in case alone, and one of labels that differ in Unicode form alone.

    Args:
        counts: How often each label occurs, in all splits.
        field: The field that holds the labels.
    """
    by_form: dict[str, list[str]] = {}
    for label in sorted(counts):
        by_form.setdefault(unicodedata.normalize("NFKC", label), []).append(label)
    yield from _alike([labels for labels in by_form.values() if len(labels) > 1], counts, field, "Unicode form")
    by_case: dict[str, list[str]] = {}
    for form, labels in by_form.items():
        by_case.setdefault(form.casefold(), []).append(labels[0])
    yield from _alike([labels for labels in by_case.values() if len(labels) > 1], counts, field, "case")


def _alike(groups: list[list[str]], counts: Counter[str], field: Field, what: str) -> Iterator[UserError]:
    if not groups:
        return
    # Different Unicode forms look the same, so their code points are shown.
    write = ascii if what == "Unicode form" else repr
    counted = [" and ".join(f"{write(label)} ({counts[label]:,})" for label in labels) for labels in groups]
    shown = "; ".join(counted[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else ""
    yield UserError(
        f"labels that differ in {what} alone are separate classes",
        where=f"column {field.column!r}",
        found=shown + more,
        fix="write them in the same way, if they mean the same",
    )
