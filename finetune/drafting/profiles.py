"""What the columns of a data set hold, as their values show it."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from finetune.data.fields import Field
from finetune.data.forms import find_list_forms
from finetune.data.rows import Rows
from finetune.data.targets import infer_label_kinds
from finetune.drafting import names
from finetune.drafting.languages import count_words, mean
from finetune.errors import UserError

Content: TypeAlias = Literal["nothing", "text", "name", "class", "number", "label_list", "list", "identifier"]
"""What a column holds: texts of several words; short texts that are neither such texts nor classes; one class a row;
numbers; lists of labels; other lists; numbers or texts that identify the rows."""

_MOST_CLASSES = 500
_LONGEST_CLASS = 8
"""Words of the longest name of a class, on average."""
_FEWEST_ROWS = 10
_MEASURED = 1000
"""The number of values whose words are counted."""
_URL = re.compile(r"https?://\S+|\d{4}-\d\d-\d\d.*")
_SEPARATORS = (";", "|", ",")
_MOST_WHOLE_CLASSES = 20
"""The number of different whole numbers from which on they are numbers rather than classes."""


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds.

    Args:
        name: The column.
        content: What it holds.
        values: Its values that are not empty, as they are.
        counts: How often each class or label occurs; empty for other columns.
        words: The mean number of words of a value, characters where words are not separated.
        is_fractional: Whether it holds numbers of which one is fractional.
        separator: What separates the labels of lists that are written as one text; empty where lists are lists.
        has_gaps: Whether some of its cells are empty.
    """

    name: str
    content: Content
    values: Sequence[Any]
    counts: Mapping[str, int]
    words: float = 0.0
    is_fractional: bool = False
    separator: str = ""
    has_gaps: bool = False

    @property
    def are_flags(self) -> bool:
        """Whether the classes are 0 and 1, or true and false."""
        return {label.lower() for label in self.counts} in ({"0", "1"}, {"true", "false"}, {"0.0", "1.0"})

    @property
    def described(self) -> str:
        """The column in a message: `'stars' (5 values)`."""
        if self.content in ("class", "label_list"):
            return f"{self.name!r} ({len(self.counts):,} values)"
        return f"{self.name!r} ({'numbers' if self.content == 'number' else 'texts'})"


def profile_columns(columns: Mapping[str, Sequence[Any]]) -> dict[str, ColumnProfile]:
    """Return what each column holds."""
    return {name: _profile(name, values) for name, values in columns.items()}


def _profile(name: str, given: Sequence[Any]) -> ColumnProfile:
    values = [value for value in given if not _is_empty(value)]
    if not values:
        return ColumnProfile(name, "nothing", values, {})
    kind, read = _kind(name, values)
    has_gaps = len(values) < len(given)
    if kind == "label_list":
        return _of_lists(name, values, read, has_gaps)
    if kind == "number":
        return ColumnProfile(name, "number", values, {}, is_fractional=True, has_gaps=has_gaps)
    if any(isinstance(value, list | dict) for value in values):
        return ColumnProfile(name, "list", values, {}, has_gaps=has_gaps)
    texts = [_text(value) for value in values]
    words = mean([count_words(text) for text in texts[:_MEASURED]])
    counts = Counter(texts)
    content = _content(name, texts, counts, words)
    if content in ("class", "name") and (separated := _separated(counts)):
        separator, labels = separated
        return ColumnProfile(name, "label_list", values, labels, words, separator=separator, has_gaps=has_gaps)
    return ColumnProfile(name, content, values, counts if content == "class" else {}, words, has_gaps=has_gaps)


def _is_empty(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or (isinstance(value, str) and not value.strip())


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _kind(name: str, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return what training would take labels for, one class, lists or numbers, and the values as it would read them."""
    field = Field("label", "label", name, is_open=True)
    rows = Rows(name, {name: list(values)})
    try:
        forms = find_list_forms([rows], [field])
        rows = forms.apply(rows, [field], None)
    except UserError:  # some cells are no lists
        return "label", values
    (found,) = infer_label_kinds([field], rows)
    column = rows.columns[name]
    return found.kind, column if isinstance(column, list) else column.to_pylist()


def _of_lists(name: str, values: Sequence[Any], read: Sequence[Any], has_gaps: bool) -> ColumnProfile:
    """Return the profile of a column of lists: of labels where they come again and again, else of something else."""
    items = [item for one in read if isinstance(one, list | tuple) for item in one if not _is_empty(item)]
    are_plain = all(isinstance(item, str | int) for item in items)
    counts = Counter(map(_text, items)) if are_plain else Counter[str]()
    are_labels = are_plain and 1 < len(counts) <= _MOST_CLASSES and 2 * len(counts) <= max(len(items), 4)
    is_short = mean([count_words(label) for label in counts]) <= _LONGEST_CLASS
    repeats = sum(isinstance(one, list) and len({*map(str, one)}) < len(one) for one in read)
    content: Content = "label_list" if are_labels and is_short and 2 * repeats < len(read) else "list"
    return ColumnProfile(name, content, values, counts if content == "label_list" else {}, has_gaps=has_gaps)


def _content(name: str, texts: Sequence[str], counts: Counter[str], words: float) -> Content:
    """Return what a column of texts, whole numbers or truth values holds."""
    if len(counts) == 1:
        return "nothing" if len(texts) > 1 else "name" if words < 3 else "text"
    if all(text.lstrip("+-").isdecimal() for text in counts):
        return _of_whole_numbers(name, texts, counts)
    if _is_class(texts, counts, words):
        return "class"
    if names.is_identifier(name) or sum(_URL.fullmatch(text) is not None for text in texts) > 0.9 * len(texts):
        return "identifier"
    return "text" if words >= 3 or names.rank(name, names.TEXTS) is not None else "name"


def _of_whole_numbers(name: str, texts: Sequence[str], counts: Counter[str]) -> Content:
    if names.is_identifier(name) or (len(counts) == len(texts) and len(texts) >= _FEWEST_ROWS):
        return "identifier"
    is_label = names.rank(name, names.CERTAIN_LABELS) is not None and _is_class(texts, counts, 1)
    return "class" if is_label or len(counts) <= _MOST_WHOLE_CLASSES else "number"


def _is_class(texts: Sequence[str], counts: Counter[str], words: float) -> bool:
    """Return whether most values come again and are short; the rule for single ones is that of `label_warnings`."""
    single = sum(count == 1 for count in counts.values())
    are_repeated = 2 * single <= len(counts) if len(texts) >= _FEWEST_ROWS else len(counts) < len(texts)
    return are_repeated and len(counts) <= min(_MOST_CLASSES, len(texts) / 2 + 1) and words <= _LONGEST_CLASS


def _separated(counts: Mapping[str, int]) -> tuple[str, Counter[str]] | None:
    """Return the separator of labels that are written as one text, and the labels; None where each text is a class.

    The parts have to occur alone or with others, and to be fewer than the texts that they make up.
    """
    for separator in _SEPARATORS:
        joined = [text for text in counts if separator in text]
        if len(joined) < 2:
            continue
        labels: Counter[str] = Counter()
        for text, count in counts.items():
            labels.update(dict.fromkeys([part.strip() for part in text.split(separator)], count))
        are_mixed = sum(part in counts for part in labels) >= len(labels) / 2 or 2 * len(labels) <= len(joined)
        if are_mixed and len(labels) < len(counts) and "" not in labels and all(len(one) <= 40 for one in labels):
            return separator, labels
    return None
