"""`draft_recipe`: from a path to a recipe, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune.compose import from_tree
from finetune.data.files.all_columns import FirstRows, read_first_rows
from finetune.data.first_rows import check_first_rows
from finetune.drafting import reading_facts
from finetune.drafting.amounts import amount_keys, split_keys
from finetune.drafting.columns import DataColumns, empty_keys
from finetune.drafting.headers import with_header
from finetune.drafting.keys import DraftedKey, as_tree, with_given
from finetune.drafting.model_keys import length_keys, model_of, reads_of
from finetune.drafting.profiles import profile_columns
from finetune.drafting.sources import DataFiles, find_data_files
from finetune.drafting.task_choice import task_keys
from finetune.drafting.unlabelled_splits import without_unlabelled
from finetune.drafting.word_labels import find_word_columns
from finetune.drafting.writing import to_text, to_yaml, write_recipe
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks.fields import early_fields

_UNCHECKED = ("parquet", "saved")
"""Formats whose schema has shown the columns; a second look would import `datasets`."""
_LANGUAGES = ("task.source", "task.target")


@dataclass(frozen=True)
class Draft:
    """A drafted recipe.

    Args:
        recipe: The recipe.
        keys: The keys that it sets, with reasons and doubts.
        facts: Sentences on the data: the files, how they are written, how many rows were read.
    """

    recipe: Recipe
    keys: tuple[DraftedKey, ...]
    facts: tuple[str, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is not certain, a sentence for each key."""
        return tuple(f"{one.key}={to_yaml(one.value)}: {one.doubt}" for one in self.keys if one.doubt)

    @property
    def text(self) -> str:
        """The recipe as YAML, with the reasons as comments."""
        return to_text(
            self.keys, ("Drafted by finetune init from the data. Lines to read again say: not certain.", *self.facts)
        )

    def write(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the recipe as a YAML file, and return its path.

        Args:
            path: The file, whose name ends in .yaml.
            overwrite: Whether it may replace a file that is there.

        Raises:
            UserError: There is a file already, or it cannot be written.
        """
        path = Path(path).expanduser()
        write_recipe(self.text, path, overwrite=overwrite)
        return path


def draft_recipe(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    task: str | None = None,
    columns: Mapping[str, str | Sequence[str] | None] | None = None,
    offline: bool = False,
    name: str = "recipe",
) -> Draft:
    """Look at data and return a recipe that fits them, with the reason for each key and what is not certain.

        draft = finetune.draft_recipe("my.csv", columns={"label": "stars"})
        draft.doubts, draft.write("recipe.yaml")

    At most 10,000 rows are read. Nothing is trained or downloaded, and no code that the data name is run.

    Args:
        path: A file, a folder with train, dev and test files, a pattern, or the common start of line-aligned files.
        overrides: Values of keys of the recipe that are not to be decided: `{"data.delimiter": ";"}`.
        task: The task; None where the data are to tell it.
        columns: Columns by what they hold: text, text_pair, label, source, target. Source and target can be languages,
            too. In token classification text are the words and label their labels.
        offline: Whether to choose a model that needs no Hub: the sample model, or one from scratch.
        name: The name of the recipe.

    Raises:
        UserError: The data cannot be read, they fit no task, or nothing tells the task or its columns.
    """
    if not isinstance(path, str | Path):
        raise UserError(
            "draft_recipe takes the path of a file or a folder",
            expected="a string or a Path",
            found=type(path).__name__,
            fix="write the rows to a file; finetune.train takes them from memory",
        )
    given = dict(overrides or {}) | ({} if task is None else {"task.kind": task})
    roles = {role: _one(column) for role, column in (columns or {}).items() if column}
    _check_given(given, roles)
    wanted = tuple(None if roles.get(role) is None else str(roles[role]) for role in ("source", "target"))
    files = find_data_files(str(path), given, (wanted[0], wanted[1]))
    return _draft(files, given, {} if files.pair else roles, name, offline=offline)


def _draft(files: DataFiles, given: Mapping[str, Any], roles: Mapping[str, Any], name: str, *, offline: bool) -> Draft:
    """Return the draft for files that are found.

    Raises:
        UserError: They cannot be read, or nothing tells the task or its columns.
    """
    rows, header_keys = with_header(read_first_rows(files.train, files.data, files.pair.columns if files.pair else ()))
    if not len(rows):
        raise UserError("there are no rows", where=files.train.name, expected="a row for each example")
    table = _table(rows, files, given, roles)
    of_task = task_keys(table, rows.source.format, files.pair)
    files = without_unlabelled(files, rows, of_task)
    keys = with_given(_keys(of_task, table, files, rows, header_keys, offline=offline), given)
    recipe = from_tree(as_tree(keys), name)
    if rows.source.format not in _UNCHECKED:
        check_first_rows(recipe.data, early_fields(recipe))
    return Draft(recipe, tuple(keys), reading_facts.sentences(files, rows))


def _one(column: str | Sequence[str]) -> str | list[str]:
    """Return a column, or several of them; a list of one is the column itself."""
    if isinstance(column, str):
        return column
    return list(column) if len(column) > 1 else column[0]


def _check_given(given: Mapping[str, Any], roles: Mapping[str, Any]) -> None:
    """Refuse keys that a draft cannot have, and roles that are not there.

    Raises:
        UserError: There are some.
    """
    for key in ("recipe", "data.path", "resume", "data.sources", "data.function", "data.name", "data.sample"):
        if key in given:
            raise UserError(
                f"{key} does not go with finetune init, which drafts a recipe for the path that it is given",
                found=f"{key}={given[key]}",
                fix="leave it out; any recipe can be edited, or finetune copy NAME begins with one that is there",
            )
    unknown = sorted(roles.keys() - {"text", "text_pair", "label", "source", "target"})
    if unknown:
        raise UserError(
            f"{unknown[0]!r} is nothing that a column holds", expected="text, text_pair, label, source, target"
        )


def _table(rows: FirstRows, files: DataFiles, given: Mapping[str, Any], roles: Mapping[str, Any]) -> DataColumns:
    columns = {f"data.columns.{role}": column for role, column in roles.items()}
    table = DataColumns(
        files.train.name, rows.columns, profile_columns(rows.columns), {**given, **columns}, rows.is_whole
    )
    found = find_word_columns(table) if given.get("task.kind") in (None, "token_classification") else None
    if found is None or roles.get("label", found.labels[0]) not in found.sentences:
        return table
    renamed = {"text": "tokens", "label": "labels"}
    columns = {f"data.columns.{renamed.get(role, role)}": column for role, column in roles.items()}
    return replace(table, given={**given, **columns})


def _keys(
    of_task: Sequence[DraftedKey],
    table: DataColumns,
    files: DataFiles,
    rows: FirstRows,
    header_keys: Sequence[DraftedKey],
    *,
    offline: bool,
) -> list[DraftedKey]:
    """Return all keys that are decided, from those of the task and its columns on."""
    read = reads_of(of_task, table)
    model = model_of(read, table.given, offline=offline)
    count = len(read.texts[0])
    amounts = amount_keys(count, files.splits, is_whole=rows.is_whole, from_scratch=model.from_scratch)
    keys = [
        *of_task,
        *([model.prefix] if model.prefix else []),
        *length_keys(read, model),
        *files.keys,
        *reading_facts.keys(files, rows),
        *header_keys,
        *empty_keys(of_task, table),
        *split_keys(count, files.splits, is_whole=rows.is_whole),
        *model.keys,
        *amounts,
        DraftedKey("training.learning_rate", model.learning_rate, "usual for this model"),
        *model.training,
    ]
    once = {one.key: one for one in keys}
    return _named(list(once.values()))


def _named(keys: list[DraftedKey]) -> list[DraftedKey]:
    """Return the keys with names of columns by what they hold, where the file has no header."""
    header = next((one for one in keys if one.key == "data.column_names" and isinstance(one.value, list)), None)
    roles = {one.value: one for one in keys if one.key.startswith("data.columns.") and isinstance(one.value, str)}
    if header is None or not header.reason.startswith("there is no header"):
        return keys
    codes = {f"data.columns.{key.rpartition('.')[2]}": _value(keys, key) for key in _LANGUAGES}
    names = {column: str(codes.get(one.key) or one.key.rpartition(".")[2]) for column, one in roles.items()}
    named = []
    for one in keys:
        if one is header:
            named.append(replace(one, value=[names.get(column, column) for column in one.value]))
        elif one.value in names and isinstance(one.value, str) and one.key.startswith("data.columns."):
            is_told = codes.get(one.key) is not None  # translation finds the columns of its languages
            named += [] if is_told else [replace(one, value=names[one.value])]
        else:
            named.append(one)
    return named


def _value(keys: Sequence[DraftedKey], key: str) -> Any:
    return next((one.value for one in keys if one.key == key), None)
