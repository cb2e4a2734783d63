"""Data sets on the Hub."""

import re
from collections.abc import Sequence
from pathlib import Path

from datasets import DatasetDict, load_dataset
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError, DatasetsError

from finetune.data.fields import Field
from finetune.data.messages import raise_merged, shorten_list
from finetune.data.rows import Rows
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError, nearest, raise_all
from finetune.hub_access import hub_access
from finetune.recipe import Data

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_hub(data: Data, fields: Sequence[Field]) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """Return the rows of a Hub data set's train split and of those of dev and test that the recipe names, and notes.

    Raises:
        UserError: The data set cannot be had, or lacks the configuration, a split or a column.
    """
    assert data.name is not None
    if Path(data.name).exists():
        # load_dataset would read it in the place of the Hub's data set.
        raise UserError(
            f"{data.name} is the name of a data set, and of a file or folder here",
            where=f"data.name={data.name}",
            fix=f"data.path={data.name} reads the local one; to read the Hub's, run where it has no namesake",
        )
    with hub_access("data set", data.name, "data.name") as trouble:
        found = _load(data)
    names = {"train": data.splits.train, "dev": data.splits.dev, "test": data.splits.test}
    wanted = {split: name for split, name in names.items() if name is not None}
    raise_all([_no_split(data, split, name, found) for split, name in wanted.items() if name not in found])
    rows = _rows(data, wanted, found, fields)
    return rows, () if trouble is None else (_cached(data, found, trouble),)


def _rows(data: Data, wanted: dict[str, str], found: DatasetDict, fields: Sequence[Field]) -> dict[str, Rows]:
    rows, errors = {}, []
    for split, name in wanted.items():
        try:
            rows[split] = rows_from_dataset(f"{data.name}, split {name}", found[name], fields)
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    return rows


def _load(data: Data) -> DatasetDict:
    try:
        return load_dataset(data.name, data.config, revision=data.revision, cache_dir=data.cache_dir)
    except ValueError as error:
        if "config" not in str(error).lower() or "cache" in str(error):
            raise
        raise _no_config(data, str(error)) from error
    except RuntimeError as error:
        if "scripts are no longer supported" not in str(error):
            raise
        raise UserError(
            f"the data set {data.name} needs a loading script, which datasets no longer runs",
            where=f"data.name={data.name}, data.revision={data.revision}",
            fix="data.revision=refs/convert/parquet is the Hub's own conversion, where it has made one",
        ) from error
    except DatasetNotFoundError:
        raise
    except DatasetsError as error:
        cause = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
        raise UserError(
            f"the data set {data.name} cannot be read",
            where=f"data.name={data.name}",
            found=f"{type(cause).__name__}: {cause}",
        ) from error


def _no_config(data: Data, message: str) -> UserError:
    """Return the error for a configuration that does not exist.

    The libraries name the configurations in their messages alone: `Available: ['de-en', 'fr-en']`.
    """
    names = re.findall(r"'([^']+)'", message.partition("[")[2].partition("]")[0])
    likely = nearest(data.config or "", names) or "..."
    return UserError(
        f"the data set {data.name} has no configuration {data.config}" if data.config else "a configuration is needed",
        where=f"data.name={data.name}",
        expected="one of " + shorten_list(names) if names else None,
        found=None if names else message,
        fix=f"data.config={likely}",
    )


def _no_split(data: Data, split: str, name: str, found: DatasetDict) -> UserError:
    key = f"data.splits.{split}"
    cut = "" if split == "train" else f"; {key}=null cuts one from train"
    return UserError(
        f"the data set {data.name} has no split {name!r}",
        where=f"{key}={name}",
        found="the splits " + shorten_list(list(found)),
        fix=f"{key}={nearest(name, found) or '...'}{cut}",
    )


def _cached(data: Data, found: DatasetDict, trouble: str) -> str:
    """Return a note on a cached copy, which may be of another revision: offline, datasets takes the latest copy.

    Raises:
        UserError: The recipe names a commit, and the copy is of another one.
    """
    # datasets keeps each commit in a folder of that name.
    commit = Path(next(iter(found.values())).cache_files[0]["filename"]).parent.name
    if _COMMIT.fullmatch(data.revision) and data.revision != commit:
        raise UserError(
            f"the cache holds {data.name} at another revision, and the Hub cannot be reached",
            where=f"data.revision={data.revision}",
            found=f"{commit} in the cache; {trouble}",
            fix=f"data.revision={commit}, or run where the Hub can be reached",
        )
    return f"{data.name}: the cached copy, commit {commit}, because the Hub cannot be reached ({trouble})"
