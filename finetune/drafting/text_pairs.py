"""Translation and text to text: which column is the input, which the output, and whether they are two languages."""

from collections.abc import Sequence

from finetune.drafting import names
from finetune.drafting.columns import DataColumns, absent, others_note, undecided
from finetune.drafting.keys import DraftedKey
from finetune.drafting.languages import find_language, language_code
from finetune.drafting.pairs_of_files import LanguagePair, choose_pair
from finetune.drafting.profiles import ColumnProfile
from finetune.errors import UserError

_OTHERS = ("id", "no")
"""Codes of languages that columns have as names for something else."""


def language_columns(table: DataColumns) -> tuple[str, ...]:
    """Return the columns of texts that are named by languages, nested ones (`translation.de`) included."""
    found: dict[str, str] = {}
    for one in table.of("text", "name", "class"):
        short = one.name.rpartition(".")[2]
        if short not in _OTHERS and (code := language_code(short)) is not None:
            found.setdefault(code, one.name)
    return tuple(found.values())


def translation_keys(table: DataColumns, pair: LanguagePair | None) -> list[DraftedKey]:
    """Return the keys of a translation's languages, and of their columns where these are not named by them.

    Args:
        table: The data.
        pair: The languages of line-aligned files; None where columns tell them.

    Raises:
        UserError: The languages or the direction cannot be told.
    """
    if pair is None and len(columns := language_columns(table)) > 1:
        pair = _of_names(table, columns)
    if pair is None:
        pair = _of_texts(table)
    pair = _coded(pair, table)
    direction = DraftedKey("task.source", pair.codes[0], pair.reason, pair.doubt)
    keys = [direction, DraftedKey("task.target", pair.codes[1])]
    return keys + [
        DraftedKey(f"data.columns.{role}", column)
        for role, column, code in zip(("source", "target"), pair.columns, pair.codes, strict=True)
        if column != code
    ]


def _of_names(table: DataColumns, columns: Sequence[str]) -> LanguagePair:
    """Return the languages of columns that are named by them."""
    short = {column.rpartition(".")[2]: column for column in columns}
    wanted = (_wanted(table, "source", short), _wanted(table, "target", short))
    pair = choose_pair(table.name, list(short), wanted, is_ordered=True)
    codes = (language_code(pair.columns[0]) or "", language_code(pair.columns[1]) or "")
    turned = f"--source {pair.columns[1]} --target {pair.columns[0]} turns the direction round"
    doubt = pair.doubt or ("" if pair.reason == "given" else turned)
    return LanguagePair((short[pair.columns[0]], short[pair.columns[1]]), codes, pair.reason, doubt)


def _wanted(table: DataColumns, role: str, short: dict[str, str]) -> str | None:
    given = table.given.get(f"data.columns.{role}", table.given.get(f"task.{role}"))
    return None if given is None else str(given).rpartition(".")[2] if str(given) in short.values() else str(given)


def _of_texts(table: DataColumns) -> LanguagePair:
    """Return the languages that the texts of two columns are in."""
    source, target = (one.value for one in io_keys(table))
    first, second = (find_language(table.texts(column)) for column in (source, target))
    codes = (
        str(table.given.get("task.source", first.code or "")),
        str(table.given.get("task.target", second.code or "")),
    )
    reason = f"by the texts: {first.name} in {source!r}, {second.name} in {target!r}"
    given = "data.columns.source" in table.given and "data.columns.target" in table.given
    doubt = "" if given else f"--source {target} --target {source} turns the direction round"
    return LanguagePair((source, target), codes, reason, doubt)


def _coded(pair: LanguagePair, table: DataColumns) -> LanguagePair:
    """Return the pair with both codes known.

    Raises:
        UserError: A language is unknown.
    """
    for role, code, column in zip(("source", "target"), pair.codes, pair.columns, strict=True):
        if not code and f"task.{role}" not in table.given:
            language = find_language(table.texts(column)) if column in table.profiles else None
            raise UserError(
                f"the texts do not tell in which language column {column!r} is",
                where=table.name,
                found=language.name if language else None,
                fix=f"task.{role}=de, say (an ISO 639 code), or --task text_to_text",
            )
    return pair


def io_keys(table: DataColumns) -> list[DraftedKey]:
    """Return the keys of the input and of the output of text to text.

    Raises:
        UserError: There are not two columns of texts, or nothing decides between several.
    """
    texts = table.of("text") if len(table.of("text")) > 1 else table.of("text", "name", "class")
    given = {role: table.given_column(role) for role in ("source", "target")}
    target = _choose(table, texts, "target", given, names.TARGETS)
    source = _choose(table, [one for one in texts if one.name != target.value], "source", given, names.SOURCES)
    return [source, target]


def _choose(
    table: DataColumns,
    texts: Sequence[ColumnProfile],
    role: str,
    given: dict[str, str | None],
    usual: Sequence[str],
) -> DraftedKey:
    """Return the key of one of the two columns.

    Raises:
        UserError: Nothing decides between several columns.
    """
    key, described = f"data.columns.{role}", "the input" if role == "source" else "the output"
    if (column := given[role]) is not None:
        return DraftedKey(key, column, "given")
    other = given["source" if role == "target" else "target"]
    free = [one for one in texts if one.name != other]
    if not free:
        raise absent(described, table, f"--{role}")
    ranks = {one.name: rank for one in free if (rank := names.rank(one.name, usual)) is not None}
    if len(free) == 1:
        return DraftedKey(key, free[0].name, "the other column of texts" if len(table.profiles) > 1 else "")
    if ranks:
        chosen = min(free, key=lambda one: (one.has_gaps, ranks.get(one.name, float("inf"))))
        rivals = [one for one in free if one is not chosen and (one.name in ranks or role == "target")]
        rivals = [one for one in rivals if names.rank(one.name, names.SOURCES) is None or role == "source"]
        return DraftedKey(key, chosen.name, "by its name", others_note(rivals, f"--{role}"))
    if len(free) == 2 and role == "target":
        source, target = free
        turned = f"--source {target.name} --target {source.name} turns the direction round"
        return DraftedKey(key, target.name, "the second column of texts", turned)
    raise undecided(described, free, f"--{role}", table.name)


def named_output(table: DataColumns, usual: Sequence[str]) -> bool:
    """Return whether a column of texts has one of the usual names as a whole, and another could be its input."""
    ranks = [names.rank(one.name, usual) for one in table.of("text")]
    return len(ranks) > 1 and any(rank is not None and rank < len(usual) for rank in ranks)
