"""Warnings of duplicate rows, of rows with conflicting labels, and of rows in more than one split."""

from collections.abc import Iterator, Mapping, Sequence

from finetune.checking.split_view import ANSWERS, SplitView, excerpt
from finetune.data import Field
from finetune.data.messages import plural
from finetune.errors import UserError


def duplicates(part: SplitView, fields: Sequence[Field]) -> Iterator[UserError]:
    """Yield a warning of rows with the input of an earlier row; for text to text, with its input and its output."""
    rows = part.inputs(fields)
    if not has_labels(fields):
        rows = [given + wanted for given, wanted in zip(rows, part.answers(fields), strict=False)]
    seen: set[tuple[str, ...]] = set()
    repeated = []
    for index, row in enumerate(rows):
        if row in seen and any(row):
            repeated.append(index)
        seen.add(row)
    if repeated:
        yield UserError(
            f"{plural(len(repeated), 'duplicate')}: rows that occur before",
            where=part.where(repeated),
            found=excerpt(rows[repeated[0]]),
            fix="remove them; they weigh more than others, and one copy may come into train and the other into test",
        )


def conflicts(part: SplitView, fields: Sequence[Field]) -> Iterator[UserError]:
    """Yield a warning of inputs that have different labels in different rows."""
    if not has_labels(fields):
        return
    rows: dict[tuple[str, ...], list[int]] = {}
    answers = part.answers(fields)
    for index, row in enumerate(part.inputs(fields)):
        rows.setdefault(row, []).append(index)
    wrong = {
        row: indices
        for row, indices in rows.items()
        if any(row) and len(indices) > 1 and answers and len({answers[index] for index in indices}) > 1
    }
    if wrong:
        first, indices = next(iter(wrong.items()))
        labels = dict.fromkeys(excerpt(answers[index]) for index in indices)
        yield UserError(
            f"{plural(len(wrong), 'conflict')}: inputs with different labels in different rows",
            where=part.where(sorted(index for group in wrong.values() for index in group)),
            found=f"{excerpt(first)} is {' and '.join(labels)}",
            fix="decide on one label, or remove these rows",
        )


def leakage(parts: Mapping[str, SplitView], fields: Sequence[Field]) -> Iterator[UserError]:
    """Yield a warning of inputs of dev and test that are also in train, and of inputs of test that are also in dev."""
    column = next(field.column for field in fields if field.kind in ("text", "words"))
    inputs = {split: part.inputs(fields) for split, part in parts.items()}
    for scored, learned in (("dev", "train"), ("test", "train"), ("test", "dev")):
        known = set(inputs.get(learned, ()))
        leaked = [index for index, row in enumerate(inputs.get(scored, ())) if row in known and any(row)]
        if leaked:
            yield UserError(
                f"leakage: {plural(len(leaked), 'input')} of {scored} {'is' if len(leaked) == 1 else 'are'} "
                f"in {learned}, too",
                where=parts[scored].where(leaked),
                found=excerpt(inputs[scored][leaked[0]]),
                fix=f"remove them from {learned}, or the scores are too good; where {scored} is cut from train, "
                f"data.group_column={column} keeps equal rows together",
            )


def has_labels(fields: Sequence[Field]) -> bool:
    """Return whether the answers are labels or numbers, and not texts, of which several can be right."""
    return any(field.kind in ANSWERS for field in fields)
