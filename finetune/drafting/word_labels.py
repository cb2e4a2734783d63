"""Token classification: which column holds the words, which their labels, and which the sentences of a word a row."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from finetune.data.messages import shorten_list
from finetune.data.written_lists import looks_like_list, parse_list
from finetune.drafting import names
from finetune.drafting.columns import DataColumns, absent, quoted
from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import mean
from finetune.errors import UserError
from finetune.tasks.label_schemes import find_scheme, find_spelling, patterns
from finetune.tasks.labelling import OUTSIDE, Labelling

_MOST_LABELS = 300
_LONGEST_WORD = 25
"""Letters of a word, on average, above which lists hold something else, such as sentences."""
_SHOWN = 8
_MEASURED = 20_000
_ONLY_WORDS = ("tokens", "words", "token", "word", "form")
"""Names of columns that hold no labels."""


@dataclass(frozen=True)
class WordColumns:
    """The columns of words and of their labels.

    Args:
        words: The column of the words.
        labels: The columns that could be their labels, the likeliest first.
        sentences: The words' labels of each of these columns: a list for each sentence.
        texts: The words of each sentence, separated by blanks.
        sentence: The column that names the sentence of a row that holds one word; None where rows are sentences.
    """

    words: str
    labels: tuple[str, ...]
    sentences: dict[str, list[list[str]]]
    texts: list[str]
    sentence: str | None = None


def find_word_columns(table: DataColumns) -> WordColumns | None:
    """Return the columns of words and labels; None where the data have none."""
    read = {name: _as_lists(values) for name, values in table.columns.items()}
    lists = {name: held for name, held in read.items() if held is not None}
    found = _of_lists(lists, table) or _of_single_words(table)
    if found is None:
        return None

    def likelihood(name: str) -> tuple[float, int]:
        rank = names.rank(name, names.WORD_LABELS)
        return (float("inf") if rank is None else rank, -list(table.columns).index(name))  # the last column of files

    return replace(found, labels=tuple(sorted(found.labels, key=likelihood)))


def _as_lists(values: Sequence[Any]) -> list[list[str]] | None:
    """Return a column of lists of words or numbers, written as text or not; None where it holds something else."""
    filled = [value for value in values if value is not None and value != ""]
    if not filled:
        return None
    lists: list[Any] = filled
    if all(isinstance(value, str) for value in filled):
        if sum(map(looks_like_list, filled)) > len(filled) / 2:
            lists = [parse_list(value) for value in filled]
        else:
            lists = [value.split() for value in filled]
    if not all(isinstance(one, list) and all(isinstance(item, str | int) for item in one) for one in lists):
        return None
    return [[str(item) for item in one] for one in lists]


def _of_lists(lists: dict[str, list[list[str]]], table: DataColumns) -> WordColumns | None:
    """Return the columns whose lists are of equal length in every row, one of words, and others of few labels."""
    ranks = {name: names.rank(name, names.WORDS) for name in lists}
    for words in sorted(lists, key=lambda name: float("inf") if (rank := ranks[name]) is None else rank):
        if not _are_words(lists[words]):
            continue
        lengths = [len(one) for one in lists[words]]
        labels = [
            name
            for name, found in lists.items()
            if name != words
            and name not in _ONLY_WORDS
            and [len(one) for one in found] == lengths
            and _are_labels(found, table.columns[name])
        ]
        if labels and max(lengths) > 1:
            return WordColumns(
                words, tuple(labels), {name: lists[name] for name in labels}, list(map(" ".join, lists[words]))
            )
    return None


def _are_words(lists: list[list[str]]) -> bool:
    words = [word for one in lists for word in one][:_MEASURED]
    letters = sum(any(map(str.isalpha, word)) for word in words)
    return len(set(words)) > 1 and 2 * letters > len(words) and mean([len(word) for word in words]) <= _LONGEST_WORD


def _are_labels(lists: list[list[str]], values: Sequence[Any]) -> bool:
    """Return whether lists hold few labels; words separated by blanks are labels only if they mark entities."""
    counts = Counter(label for one in lists for label in one)
    if not counts or len(counts) > min(_MOST_LABELS, max(counts.total() / 2, 2)):
        return False
    is_text = isinstance(values[0], str) and not looks_like_list(values[0])
    return not is_text or _mark_entities(counts) or OUTSIDE in counts


def _mark_entities(counts: Counter[str]) -> bool:
    spelled = find_spelling(counts)
    return spelled is not None and spelled.strays == 0


def _of_single_words(table: DataColumns) -> WordColumns | None:
    """Return the columns of a table of one word a row, whose sentences a column names."""
    sentence = next((name for name in table.columns if names.is_sentence_number(name)), None)
    if sentence is None or not _groups_rows(table.columns[sentence]):
        return None
    profiles = table.profiles
    words = next(
        (name for name in table.columns if name != sentence and names.rank(name, names.WORDS) is not None), None
    )
    labels = [
        name
        for name, one in profiles.items()
        if name not in (sentence, words) and one.content == "class" and one.counts
    ]
    labels = [name for name in labels if not names.is_identifier(name)]
    if words is None or not labels:
        return None
    sentences = {name: _grouped(table.columns[sentence], table.columns[name]) for name in labels}
    texts = list(map(" ".join, _grouped(table.columns[sentence], table.columns[words])))
    return WordColumns(words, tuple(labels), sentences, texts, sentence)


def _groups_rows(values: Sequence[Any]) -> bool:
    """Return whether a column of sentences names several rows each, by equal values or by empty cells."""
    named = {str(value) for value in values if value not in (None, "")}
    return 0 < 2 * len(named) <= len(values)


def _grouped(sentences: Sequence[Any], labels: Sequence[Any]) -> list[list[str]]:
    groups: list[list[str]] = []
    last: Any = object()
    for sentence, label in zip(sentences, labels, strict=True):
        if not groups or (sentence not in (None, "") and sentence != last):
            groups.append([])
            last = sentence
        groups[-1].append(str(label))
    return groups


def word_keys(table: DataColumns, found: WordColumns | None, *, is_conll: bool) -> list[DraftedKey]:
    """Return the keys of the words, of their labels and of the sentences.

    Args:
        table: The data.
        found: The columns that were found.
        is_conll: Whether they are read from a file of CoNLL columns, which training reads without names.

    Raises:
        UserError: There are no such columns.
    """
    if found is None:
        raise absent("a list of words, and another a list of their labels", table, "data.columns.tokens=...")
    words = table.given_column("tokens") or found.words
    chosen = table.given_column("labels") or found.labels[0]
    if chosen not in found.sentences:
        raise UserError(
            f"column {chosen!r} holds no label for each word of {words!r}",
            where=table.name,
            found=f"labels could be {', '.join(map(repr, found.labels))}",
            fix=f"--label {quoted(found.labels[0])}",
        )
    others = [name for name in found.labels if name != chosen]
    doubt = "" if not others or "data.columns.labels" in table.given else _others_note(others)
    labels = DraftedKey("data.columns.labels", chosen, _described(found.sentences[chosen]), doubt)
    keys = [DraftedKey("data.columns.tokens", words), labels]
    if found.sentence is not None:
        keys.append(DraftedKey("data.columns.sentence", found.sentence, "each row holds one word"))
    names_all = list(table.columns)
    if (
        is_conll
        and (chosen != names_all[-1] or words != names_all[0])
        and len(names_all) > 2
        and names_all[1] != "form"
    ):
        keys.append(DraftedKey("data.column_names", names_all, "the file has no header"))
    return keys


def _others_note(others: Sequence[str]) -> str:
    return f"{shorten_list(list(map(repr, others)), most=4)} would fit, too (--label {quoted(others[0])})"


def _described(sentences: list[list[str]]) -> str:
    """Return which labels there are, and what they mark."""
    counts = Counter(label for labels in sentences for label in labels)
    spelled = find_spelling(counts)
    if spelled is None or spelled.strays > 0:
        numbers = (
            "; data.labels=[...] names the numbers where the data do not" if all(map(str.isdecimal, counts)) else ""
        )
        return f"{len(counts):,} labels: {shorten_list(sorted(counts), most=_SHOWN)}{numbers}"
    guess = Labelling("iob2", spelled.spelling)
    found = patterns(guess, sentences)
    labelling = Labelling(find_scheme(found, found), spelled.spelling)
    types = sorted(labelling.types(counts))
    return f"entities in the scheme {labelling.name}: {shorten_list(types, most=_SHOWN)}"
