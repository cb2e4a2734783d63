"""Rows that are there twice, that contradict each other, or that the model is trained on and scored on."""

from collections.abc import Iterator, Mapping, Sequence

from finetune.checking.split_view import ANSWERS, SplitView, excerpt
from finetune.data import Field
from finetune.data.messages import plural
from finetune.errors import UserError


def duplicates(part: SplitView, fields: Sequence[Field]) -> Iterator[UserError]:
    """Rows whose input an earlier row of the split has; of pairs of texts, whose input and output one has."""
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
            f"{plural(len(repeated), 'duplicate')}: rows that are there before",
            where=part.where(repeated),
            found=excerpt(rows[repeated[0]]),
            fix="remove them; they weigh more than others, and a split may put one copy into train and one into test",
        )


def conflicts(part: SplitView, fields: Sequence[Field]) -> Iterator[UserError]:
    """Inputs that have one label in one row and another in another."""
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
            f"{plural(len(wrong), 'conflict')}: inputs with one label here and another there",
            where=part.where(sorted(index for group in wrong.values() for index in group)),
            found=f"{excerpt(first)} is {' and '.join(labels)}",
            fix="decide on one label, or remove these rows",
        )


def leakage(parts: Mapping[str, SplitView], fields: Sequence[Field]) -> Iterator[UserError]:
    """Inputs of dev and test that are in train, and of test that are in dev."""
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
    """Whether the task has one right answer, and not a text that can be put in several ways."""
    return any(field.kind in ANSWERS for field in fields)
