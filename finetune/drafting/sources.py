"""The files of each split, from the one path that a user gives."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finetune.compose import from_tree
from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles, find_split_files, is_saved
from finetune.data.files.formats import FORMATS, format_ending
from finetune.data.messages import shorten_list
from finetune.drafting.formats import find_format
from finetune.drafting.keys import DraftedKey, as_tree
from finetune.drafting.languages import language_code
from finetune.drafting.pairs_of_files import LanguagePair, aligned_languages, choose_pair, of_braces
from finetune.errors import UserError
from finetune.recipe import Data

_WORDS = {"train": "train|training", "dev": "dev|val|valid|validation|eval", "test": "test|testing"}
"""Words in the names of each split's files."""


@dataclass(frozen=True)
class DataFiles:
    """The files of a data set.

    Args:
        keys: The keys of the recipe that name them.
        data: The recipe's section with these keys and with those that the user has given.
        sources: The sources of each split that has files; the first of train is looked at.
        pair: The languages of line-aligned files; None for others.
    """

    keys: tuple[DraftedKey, ...]
    data: Data
    sources: Mapping[str, tuple[SplitFiles, ...]]
    pair: LanguagePair | None = None

    @property
    def train(self) -> SplitFiles:
        """The source that is looked at."""
        return self.sources["train"][0]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have files."""
        return tuple(self.sources)

    @property
    def others(self) -> int:
        """The number of further sources of the train split, which are not looked at."""
        return len(self.sources["train"]) - 1


def find_data_files(path: str, given: Mapping[str, Any], wanted: tuple[str | None, str | None]) -> DataFiles:
    """Find the files of the splits.

    Args:
        path: What the user names: a file, a folder, a pattern, or the start of line-aligned files.
        given: Keys of the recipe that the user has given.
        wanted: The languages of the source and of the target, as far as the user has given them.

    Raises:
        UserError: There are no such files, a format is unknown, or it cannot be told which files are meant.
    """
    of_data = {key: value for key, value in given.items() if key.startswith("data.")}
    keys = (DraftedKey("data.path", path),)
    data = _section(keys, of_data)
    location = Path(path).expanduser()
    try:
        if location.is_dir() and not is_saved(location) and not (location / "dataset_dict.json").is_file():
            return _in_folder(location, path, data, of_data, wanted)
        if location.is_file():
            return _of_file(location, path, data, of_data, wanted)
    except (OSError, ValueError) as error:
        raise UserError(
            "a path cannot be used", where=f"{path:.300}", found=f"{type(error).__name__}: {error}"[:300]
        ) from error
    languages = of_braces(path) or aligned_languages(location.parent).get(location.name, ())
    pair = choose_pair(path, languages, wanted, is_ordered="{" in path) if languages else None
    return _read(keys, of_data, pair)


def _section(keys: Sequence[DraftedKey], of_data: Mapping[str, Any]) -> Data:
    """Return the `data` section with these keys.

    Raises:
        UserError: A key is unknown or has a wrong value.
    """
    own = [one for one in keys if one.key not in of_data]
    tree = as_tree([*own, *(DraftedKey(key, value) for key, value in of_data.items())])
    return from_tree({"task": {"kind": "text_classification"}, "model": {"sample": "minilm"}, **tree}, "draft").data


def _read(keys: tuple[DraftedKey, ...], of_data: Mapping[str, Any], pair: LanguagePair | None = None) -> DataFiles:
    """Return the files that the keys name, as training would find them."""
    data = _section(keys, of_data)
    fields = [Field(name, "text", name) for name in (pair.columns if pair else ())]
    return DataFiles(keys, data, find_split_files(data, fields), pair)


def _in_folder(
    folder: Path, path: str, data: Data, of_data: Mapping[str, Any], wanted: tuple[str | None, str | None]
) -> DataFiles:
    files = sorted(one for one in folder.iterdir() if one.is_file() and not one.name.startswith("."))
    is_table = data.format not in (None, "parallel")
    known = [one for one in files if is_table or format_ending(one) in FORMATS]
    if any(one.name.lower().startswith("train") for one in known):
        return _read((DraftedKey("data.path", path),), of_data)
    aligned = [name for name in aligned_languages(folder) if name.lower().startswith("train")]
    if aligned:
        languages = aligned_languages(folder)[aligned[0]]
        return _read((DraftedKey("data.path", path),), of_data, choose_pair(path, languages, wanted))
    trains = [one for one in files if _split_of(one.name) == "train"]
    if len(trains) != 1:
        raise UserError(
            "the folder holds no train split" if not trains else "several files could be the train split",
            where=str(folder),
            expected="one file whose name begins with train, or has it as a word",
            found=shorten_list([one.name for one in trains or files]) or "nothing",
            fix=f"finetune init {folder}/FILE data.dev_path=... data.test_path=... names the files one by one",
        )
    return _with_others(trains[0], files, of_data, any_name=True)


def _of_file(
    location: Path, path: str, data: Data, of_data: Mapping[str, Any], wanted: tuple[str | None, str | None]
) -> DataFiles:
    bare = location.name.removesuffix(".gz")
    start, _, ending = bare.rpartition(".")
    if data.format in (None, "parallel") and language_code(ending):
        languages = aligned_languages(location.parent).get(start, ())
        if len(languages) > 1:
            common = str(Path(path).with_name(start))
            pair = choose_pair(common, languages, wanted)
            return _read(
                (DraftedKey("data.path", common, f"the common start of {shorten_list(languages)}"),), of_data, pair
            )
    files = sorted(one for one in location.parent.iterdir() if one.is_file() and not one.name.startswith("."))
    found = _with_others(location, files, of_data, any_name=False)
    keys = tuple(replace(one, value=path) if one.key == "data.path" else one for one in found.keys)
    return replace(found, keys=keys, data=found.data.model_copy(update={"path": path}))


def _with_others(train: Path, files: Sequence[Path], of_data: Mapping[str, Any], *, any_name: bool) -> DataFiles:
    """Return a train file with the dev and test files beside it.

    Args:
        train: The train file.
        files: The files of its folder.
        of_data: Keys that the user has given.
        any_name: Whether names need not be equal but for the word that tells the split.
    """
    keys = [DraftedKey("data.path", str(train))]
    if "data.format" not in of_data:
        keys += find_format(train, of_data.get("data.encoding"))
    for split in ("dev", "test"):
        if f"data.{split}_path" in of_data:
            continue
        alike = [
            one
            for one in files
            if _split_of(train.name) == "train" and _split_of(one.name) == split
            if one.suffix == train.suffix and (any_name or _stem(one.name) == _stem(train.name))
        ]
        if len(alike) == 1:
            keys.append(DraftedKey(f"data.{split}_path", str(alike[0]), "told from its name, beside the train file"))
        elif alike:
            names = shorten_list([one.name for one in alike])
            raise UserError(
                f"several files could be the {split} split",
                where=str(train.parent),
                found=names,
                fix=f"data.{split}_path={alike[0]} chooses one; data.{split}_path=null cuts it from train",
            )
    return _read(tuple(keys), of_data)


def _split_of(name: str) -> str | None:
    """Return the split that a word in a file's name tells; None where none or several do."""
    found = [split for split, words in _WORDS.items() if _pattern(words).search(name)]
    return found[0] if len(found) == 1 else None


def _stem(name: str) -> str:
    """Return a file's name without the word that tells its split."""
    return _pattern("|".join(_WORDS.values())).sub("", name).lower()


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE)
