"""Text classification: which column holds the text or the pair of texts, and which the labels."""

from collections.abc import Sequence

from finetune.data.messages import shorten_list
from finetune.drafting import names
from finetune.drafting.columns import DataColumns, absent, others_note, undecided
from finetune.drafting.headers import NUMBERED
from finetune.drafting.keys import DraftedKey
from finetune.drafting.profiles import ColumnProfile
from finetune.drafting.relatedness import are_related
from finetune.errors import UserError

_SHOWN = 6
"""The number of labels that a comment lists."""
_LONGER = 3
"""How many times as long as the others a text has to be to be the likelier one."""


def label_keys(table: DataColumns) -> list[DraftedKey]:
    """Return the keys of the label column and of its problem type.

    Raises:
        UserError: No column seems to hold labels, or nothing decides between several.
    """
    given = table.given.get("data.columns.label")
    if isinstance(given, list | tuple):
        columns = [table.column("label", str(one)) for one in given]
        return [
            DraftedKey("data.columns.label", columns, "given"),
            DraftedKey("task.problem_type", "multi_label", "each of the columns holds 0 and 1"),
        ]
    if (column := table.given_column("label")) is not None:
        return [DraftedKey("data.columns.label", column, "given"), *_problem_keys(table.profiles[column])]
    candidates = label_candidates(table)
    named = [one for one in candidates if names.rank(one.name, names.LABELS) is not None]
    if named:
        return _chosen(named[0], [one for one in candidates if one is not named[0]])
    flags = [one for one in candidates if one.are_flags]
    classes = [one for one in candidates if one.content in ("class", "label_list") and one not in flags]
    if len(flags) > 1 and not classes:
        return _of_flags(flags)
    numbers = [one for one in candidates if one.content == "number"]
    certain = [*classes, *flags] or numbers
    if not certain:
        raise absent("the labels", table, "--label")
    if len(certain) > 1:
        raise undecided("the labels", certain, "--label", table.name)
    return _chosen(certain[0], [one for one in numbers if one is not certain[0]])


def label_candidates(table: DataColumns) -> list[ColumnProfile]:
    """Return the columns that could be labels, those with a usual name first, in the order of likelihood."""
    found = [one for one in table.of("class", "label_list", "number") if not names.is_identifier(one.name)]
    if not table.is_whole:  # a long file may be sorted by its labels
        found += [one for one in table.of("nothing") if one.values and names.rank(one.name, names.LABELS) is not None]
    order = {one.name: number for number, one in enumerate(found)}

    def likelihood(one: ColumnProfile) -> tuple[float, int]:
        rank = names.rank(one.name, names.LABELS)
        return (float("inf") if rank is None else rank, order[one.name])

    return sorted(found, key=likelihood)


def _chosen(label: ColumnProfile, others: Sequence[ColumnProfile]) -> list[DraftedKey]:
    doubt = others_note(others, "--label")
    return [DraftedKey("data.columns.label", label.name, _described(label), doubt), *_problem_keys(label)]


def _described(label: ColumnProfile) -> str:
    if label.content == "nothing":
        return "one value in all rows that were read: the file may be sorted by it"
    if not label.counts:
        return "numbers"
    counts = sorted(label.counts.items(), key=lambda one: -one[1])
    total = len(label.values)
    shown = [f"{name} {count / total:.0%}" for name, count in counts[:_SHOWN]]
    more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
    return f"{len(counts):,} labels: {shorten_list(shown)}{more}"


def _problem_keys(label: ColumnProfile) -> list[DraftedKey]:
    key = "task.problem_type"
    if label.content == "label_list":
        keys = [DraftedKey(key, "multi_label", "a text has any number of labels")]
        if label.separator:
            keys.append(DraftedKey("task.label_separator", label.separator, "labels are written as one text"))
        return keys
    if label.content == "number":
        reason = "some numbers are fractional" if label.is_fractional else "many different whole numbers"
        doubt = "" if label.is_fractional else "task.problem_type=single_label takes them for names of classes"
        return [DraftedKey(key, "regression", reason, doubt)]
    has_order = len(label.counts) > 2 and all(one.isdecimal() for one in label.counts)
    doubt = "the classes are numbers: task.problem_type=regression learns how far they are apart" if has_order else ""
    return [DraftedKey(key, "single_label", "one class a text", doubt)]


def _of_flags(flags: Sequence[ColumnProfile]) -> list[DraftedKey]:
    columns = [one.name for one in flags]
    return [
        DraftedKey(
            "data.columns.label",
            columns,
            "columns of 0 and 1 are a label each",
            f"--label {columns[0]} takes one alone",
        ),
        DraftedKey("task.problem_type", "multi_label", "a text has any number of labels"),
    ]


def text_keys(table: DataColumns, label: Sequence[str]) -> list[DraftedKey]:
    """Return the keys of the text and of the second text of a pair.

    Args:
        table: The data.
        label: The columns of the labels.

    Raises:
        UserError: No column seems to hold texts, or nothing decides between several.
    """
    first, second = table.given_column("text"), table.given_column("text_pair")
    if first is not None:
        pair = [] if second is None else [DraftedKey("data.columns.text_pair", second, "given")]
        return [DraftedKey("data.columns.text", first, "given"), *pair]
    texts = [one for one in table.of("text") if one.name not in label]
    texts = texts or [one for one in table.of("name", "class") if one.name not in label]
    if second is not None:
        texts = [one for one in texts if one.name != second]
    if not texts:
        raise absent("texts", table, "--text")
    keys = _pair(table, texts) if len(texts) > 1 and second is None else None
    return keys or [_single(texts, table), *([DraftedKey("data.columns.text_pair", second, "given")] if second else [])]


def _pair(table: DataColumns, texts: Sequence[ColumnProfile]) -> list[DraftedKey] | None:
    """Return the keys of a pair of texts; None where no two columns look like one."""
    for first in texts:
        for second in texts:
            usual = ("_".join(names.parts(first.name)), "_".join(names.parts(second.name))) in names.PAIRS
            if usual or (names.are_numbered(first.name, second.name) and not first.name.startswith(NUMBERED)):
                others = [one for one in texts if one not in (first, second)]
                return _pair_keys(first, second, "the names are those of a pair", others_note(others, "--text"))
    lengths = sorted(one.words for one in texts)
    if len(texts) != 2 or lengths[1] > _LONGER * lengths[0]:
        return None
    first, second = texts
    if all(names.rank(one.name, names.TEXTS) is None for one in texts) and are_related(
        table.columns[first.name], table.columns[second.name]
    ):
        doubt = f"--text {first.name} takes the first text alone"
        return _pair_keys(first, second, "the two texts of a row share words", doubt)
    return None


def _pair_keys(first: ColumnProfile, second: ColumnProfile, reason: str, doubt: str) -> list[DraftedKey]:
    return [
        DraftedKey("data.columns.text", first.name, reason),
        DraftedKey("data.columns.text_pair", second.name, "the second text of the pair", doubt),
    ]


def _single(texts: Sequence[ColumnProfile], table: DataColumns) -> DraftedKey:
    """Return the key of the one text.

    Raises:
        UserError: Nothing decides between several columns.
    """
    if len(texts) == 1:
        return DraftedKey("data.columns.text", texts[0].name, "the only column of texts")
    ranks = {one.name: rank for one in texts if (rank := names.rank(one.name, names.TEXTS)) is not None}
    longest, second, *_ = sorted(texts, key=lambda one: -one.words)
    if ranks:
        chosen, reason = min(texts, key=lambda one: ranks.get(one.name, float("inf"))), "by its name"
    elif longest.words >= _LONGER * max(second.words, 1):
        chosen, reason = longest, "the longest texts"
    else:
        raise undecided("the texts", texts, "--text", table.name)
    others = [one for one in texts if one is not chosen]
    doubt = others_note(others, "--text")
    return DraftedKey("data.columns.text", chosen.name, reason, f"{doubt}; --text-pair adds a second text")


def refuse_same(keys: Sequence[DraftedKey], where: str) -> None:
    """Refuse one column for two roles.

    Raises:
        UserError: Two keys name the same column.
    """
    columns = [one.value for one in keys if one.key.startswith("data.columns.") and isinstance(one.value, str)]
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise UserError(f"the column {twice!r} would be read for two things", where=where, fix="name another for one")
