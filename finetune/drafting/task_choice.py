"""Which task a data set is for, and the keys of its columns."""

from typing import TypeAlias

from finetune.drafting import names
from finetune.drafting.classification import label_candidates, label_keys, refuse_same, text_keys
from finetune.drafting.columns import DataColumns
from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import find_language
from finetune.drafting.pairs_of_files import LanguagePair
from finetune.drafting.text_pairs import io_keys, language_columns, named_output, translation_keys
from finetune.drafting.word_labels import find_word_columns, word_keys
from finetune.errors import UserError

TASKS = ("text_classification", "token_classification", "translation", "text_to_text")

_Keys: TypeAlias = list[DraftedKey]


def task_keys(table: DataColumns, format_: str, pair: LanguagePair | None) -> _Keys:
    """Return the keys of the task and of its columns, `task.kind` first.

    Args:
        table: The data.
        format_: The format of the files.
        pair: The languages of line-aligned files; None for others.

    Raises:
        UserError: The data do not fit the task that the user has given, or nothing tells the task or its columns.
    """
    kind = table.given.get("task.kind")
    if kind is not None and kind not in TASKS:
        raise UserError(
            f"recipes for the task {kind!r} are not drafted",
            expected=" or ".join(TASKS),
            fix="--task names one of these; other recipes are written by hand",
        )
    if kind is None:
        kind, reason, doubt = _told(table, format_, pair)
    else:
        reason, doubt = "given", ""
    return [DraftedKey("task.kind", kind, reason, doubt), *_columns(str(kind), table, format_, pair)]


def _columns(kind: str, table: DataColumns, format_: str, pair: LanguagePair | None) -> _Keys:
    if kind == "token_classification":
        return word_keys(table, find_word_columns(table), is_conll=format_ == "conll")
    if kind == "translation":
        return translation_keys(table, pair)
    if kind == "text_to_text":
        keys = _aligned(pair) if pair is not None else io_keys(table)
    else:
        labels = label_keys(table)
        of_label = next(
            (one.value for one in labels if one.key == "data.columns.label"), table.given.get("data.columns.label")
        )
        keys = [*text_keys(table, of_label if isinstance(of_label, list) else [str(of_label)]), *labels]
    refuse_same(keys, table.name)
    return keys


def _aligned(pair: LanguagePair) -> _Keys:
    source, target = pair.columns
    return [DraftedKey("data.columns.source", source), DraftedKey("data.columns.target", target)]


def _told(table: DataColumns, format_: str, pair: LanguagePair | None) -> tuple[str, str, str]:
    """Return the task that the data are for, the reason, and the doubt."""
    given = {key.rpartition(".")[2] for key in table.given if key.startswith("data.columns.")}
    if given & {"tokens", "labels", "sentence"}:
        return "token_classification", "by the columns that are given", ""
    if given & {"label", "text_pair"}:
        return "text_classification", "by the columns that are given", ""
    if pair is not None and all(pair.codes):
        return "translation", "line-aligned files of two languages", ""
    if pair is not None:
        return "text_to_text", "line-aligned files", ""
    if format_ in ("tmx", "xliff"):
        return "translation", "a translation memory", ""
    if format_ == "conll":
        return "token_classification", "a word a line", ""
    return _by_columns(table, given)


def _by_columns(table: DataColumns, given: set[str]) -> tuple[str, str, str]:
    if not given & {"source", "target"} and find_word_columns(table) is not None:
        return "token_classification", "there is a label for each word", ""
    if {"task.source", "task.target"} & table.given.keys():
        return "translation", "by the languages that are given", ""
    if len(language_columns(table)) > 1:
        return "translation", "columns are named by languages", ""
    labels = label_candidates(table)
    is_named = bool(labels) and names.rank(labels[0].name, names.LABELS) is not None
    is_certain = is_named and names.rank(labels[0].name, names.CERTAIN_LABELS) is not None
    outputs = () if is_certain else names.CERTAIN_TARGETS if is_named else names.TARGETS
    if given & {"source", "target"} or named_output(table, outputs):
        other = f"--label {labels[0].name} classifies texts instead" if labels and not given else ""
        return _of_two_texts(table, other)
    if not labels and len(table.of("text", "name")) > 1:
        return _of_two_texts(table, "")
    return "text_classification", "there are labels" if labels else "", ""


def _of_two_texts(table: DataColumns, doubt: str) -> tuple[str, str, str]:
    """Return whether two columns of texts are two languages."""
    source, target = io_keys(table)
    first, second = (find_language(table.texts(one.value)) for one in (source, target))
    if first.code and second.code and first.code != second.code:
        return "translation", f"{first.name} texts beside {second.name} ones", doubt
    if first.script != second.script and first.script and second.script:
        doubt = "the columns are in different scripts: --task translation with task.source=... task.target=..."
    return "text_to_text", "a text for each text", doubt
