"""Find the files of each split."""

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finetune.data.fields import Field, asked_columns
from finetune.data.files.aligned import aligned_names, aligned_starts, can_be_aligned, expected_names, missing_file
from finetune.data.files.formats import FORMATS, format_ending
from finetune.data.messages import plural, shorten_list
from finetune.errors import UserError, nearest, raise_all
from finetune.recipe import Data
from finetune.recipe.data import Paths

_STARTS = {"train": ("train",), "dev": ("dev", "val"), "test": ("test",)}
"""The beginnings of the names of each split's files, in lower case."""

EVALUATION = "eval"
"""The beginning of the name of the dev split's file if no name in a folder begins as in `_STARTS`."""

_LONGEST = 300
"""Characters of a path that a message shows."""
_BRACES = re.compile(r"(?P<start>.*)\{(?P<names>[^{}]*)\}(?P<end>.*)")


@dataclass(frozen=True)
class SplitFiles:
    """One split's file, or its line-aligned files.

    Args:
        format: Name of the format, a key of the readers in `finetune.data.files`.
        paths: The file; of line-aligned files, one for each column that fields ask for.
    """

    format: str
    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name of the file or files in messages."""
        return " and ".join(str(path) for path in self.paths)


def find_split_files(data: Data, fields: Sequence[Field]) -> dict[str, tuple[SplitFiles, ...]]:
    """Return the sources of the train split, and of those of the dev and test splits that have any.

    Sources of one split are in the order in which the recipe names them; those of one pattern are sorted by name.

    Raises:
        UserError: A name or a pattern matches no file, a folder has no file for train or several for one split, or a
            format is unknown.
    """
    assert data.path is not None
    sources: dict[str, tuple[SplitFiles, ...]] = {}
    errors = []
    for split, given in {"train": data.path, "dev": data.dev_path, "test": data.test_path}.items():
        key = "data.path" if split == "train" else f"data.{split}_path"
        try:
            with _usable(key, data.path if given is None else given):
                if found := _of_split(split, given, key, data, fields):
                    sources[split] = found
        except UserError as error:
            errors.append(error)
    raise_all(errors)
    return sources


def holds_splits(path: Paths | None) -> bool:
    """Return whether a path names a folder that holds the files of splits."""
    folder = Path(path).expanduser() if isinstance(path, str) else None
    return folder is not None and folder.is_dir() and not is_saved(folder)


def path_of_split(split: str, data: Data, fields: Sequence[Field]) -> str:
    """Return the path by which `data.path` names the file, or the line-aligned files, of one split of a folder.

    Raises:
        UserError: The folder has no file for the split, or several.
    """
    assert isinstance(data.path, str)
    folder = Path(data.path).expanduser()
    with _usable("data.path", data.path):
        found = _in_folder(folder, split, data, fields)
        if found is not None:
            return str(found.paths[0]) if len(found.paths) == 1 else "{" + ",".join(map(str, found.paths)) + "}"
        names = sorted(file.name for file in folder.iterdir())
    raise UserError(
        f"the folder holds no {split} split",
        where=f"data.path={folder}",
        expected="a file whose name begins with " + " or ".join(_STARTS[split]),
        found=shorten_list(names, most=10) or "nothing",
        fix="name the file itself, or another split",
    )


def _of_split(split: str, given: Paths | None, key: str, data: Data, fields: Sequence[Field]) -> tuple[SplitFiles, ...]:
    """Return the sources of a split; none where no path is given and `data.path` is no folder with files of it."""
    folder = Path(data.path).expanduser() if isinstance(data.path, str) else None
    if folder is not None and folder.is_dir() and (given is None or split == "train"):
        found = _in_folder(folder, split, data, fields)
        return (found,) if found else ()
    return () if given is None else _sources(given, key, data, fields)


@contextmanager
def _usable(key: str, given: Paths) -> Iterator[None]:
    """Raise a UserError in place of errors of the file system, such as those of names that are too long.

    Raises:
        UserError: The path cannot be used.
    """
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a NUL; RuntimeError: ~ and the name of no user
        shown = given if isinstance(given, str) else ", ".join(given)
        raise UserError(
            "a path cannot be used",
            where=f"{key}={shown:.{_LONGEST}}",
            found=f"{type(error).__name__}: {error}"[:_LONGEST],
        ) from error


def _sources(given: Paths, key: str, data: Data, fields: Sequence[Field]) -> tuple[SplitFiles, ...]:
    """Return the sources that a key names, with the files that match in place of patterns."""
    sources, errors = [], []
    for one in [given] if isinstance(given, str) else given:
        try:
            sources += [_source(path, key, data, fields) for path in _matches(one, key)]
        except UserError as error:
            errors.append(error)
    raise_all(errors)
    if not sources:
        raise UserError("no file is named", where=f"{key}=[]", expected="a file, or several")
    return tuple(sources)


def _matches(pattern: str, key: str) -> list[str]:
    """Return the files that a pattern matches, sorted; a name without *, ? and [ and that of a file are kept."""
    expanded = str(Path(pattern).expanduser())
    if not glob.has_magic(expanded) or Path(expanded).exists():
        return [pattern]
    found = sorted(path for path in glob.glob(expanded, recursive=True) if Path(path).is_file())  # noqa: PTH207
    if not found:
        folder = next(path for path in Path(expanded).parents if not glob.has_magic(str(path)))
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        raise UserError(
            f"no file matches {pattern}",
            where=f"{key}={pattern}",
            found=f"in {folder}: " + (shorten_list(names, most=10) or "nothing"),
        )
    return found


def _source(given: str, key: str, data: Data, fields: Sequence[Field]) -> SplitFiles:
    """Return the source that a key names: a file, the common start of line-aligned files, or such files in braces."""
    path = Path(given).expanduser()
    if braces := _BRACES.fullmatch(str(path)):
        paths = [Path(braces["start"] + name + braces["end"]) for name in braces["names"].split(",")]
        return _aligned(paths, key, given, fields)
    if path.is_file() and data.format == "parallel":
        return _aligned([path], key, given, fields)
    if path.is_file():
        return SplitFiles(data.format or _format(path, key), (path,))
    if is_saved(path):
        return SplitFiles("saved", (path,))
    if path.exists() and not path.is_dir():
        raise UserError(
            f"{path} is no file but a pipe or a device, which can be read only once",
            where=f"{key}={given}",
            expected="a file, which is read several times",
            fix="write what comes out of it into a file first; files packed by gzip (.gz) are read as they are",
        )
    starts = aligned_starts(path.parent, fields) if data.format in (None, "parallel") else {}
    if path.name in starts:
        return SplitFiles("parallel", starts[path.name])
    if path.is_dir():
        raise UserError(f"{key} is a folder", where=f"{key}={given}", expected="a file")
    raise missing_file(path, key, fields) or _not_found(path, key, given, fields)


def _aligned(paths: Sequence[Path], key: str, given: str, fields: Sequence[Field]) -> SplitFiles:
    columns = asked_columns(fields)
    if len(paths) != len(columns) or not can_be_aligned(fields):
        raise UserError(
            f"{plural(len(paths), 'line-aligned file')} cannot give the columns {', '.join(columns)}",
            where=f"{key}={given}",
            expected="a task of two texts, and the common start of their files or {one,the other} in braces",
        )
    raise_all([_not_found(path, key, str(path), fields) for path in paths if not path.is_file()])
    return SplitFiles("parallel", tuple(paths))


def _format(path: Path, key: str) -> str:
    suffix = format_ending(path)
    if suffix not in FORMATS:
        raise UserError(
            "the file's name does not tell its format",
            where=f"{key}={path}",
            expected="a name that ends in " + ", ".join(FORMATS) + " (.gz may follow)",
            fix="data.format=... names it; line-aligned files are given by their start (train for train.en, train.de)",
        )
    return FORMATS[suffix]


def _not_found(path: Path, key: str, given: str, fields: Sequence[Field]) -> UserError:
    folder = path.parent
    if not folder.is_dir():
        return UserError(f"there is no folder {folder}", where=f"{key}={given}")
    names = sorted(file.name for file in folder.iterdir())
    likely = nearest(path.name, [*names, *aligned_starts(folder, fields)])
    return UserError(
        f"there is no file {path}",
        where=f"{key}={given}",
        expected=expected_names(path.name, fields),
        found=f"in {folder}: " + (shorten_list(names, most=10) or "nothing"),
        fix=f"{key}={folder / likely}" if likely else None,
    )


def _in_folder(folder: Path, split: str, data: Data, fields: Sequence[Field]) -> SplitFiles | None:
    """Return the one source of a folder whose name begins as a split's does; None if there is none.

    Raises:
        UserError: There are several, or there is none for train.
    """
    if (saved := _saved_splits(folder)) is not None:
        return saved.get(split)
    sources = {} if data.format == "parallel" else _single_files(folder, data)
    if data.format in (None, "parallel"):
        sources |= {name: SplitFiles("parallel", paths) for name, paths in aligned_starts(folder, fields).items()}
    found = {name: source for name, source in sources.items() if name.lower().startswith(_STARTS[split])}
    if split == "dev" and not found:
        found = {name: source for name, source in sources.items() if name.lower().startswith(EVALUATION)}
    if len(found) > 1:
        key = "data.path" if split == "train" else f"data.{split}_path"
        raise UserError(
            f"several files could be the {split} split",
            where=str(folder),
            found=shorten_list(sorted(found)),
            fix=f'{key}={folder / min(found)} chooses one, {key}="{folder}/{_STARTS[split][0]}*" reads all',
        )
    if split == "train" and not found:
        raise UserError(
            "the folder holds no train split",
            where=f"data.path={folder}",
            expected="a file whose name begins with train and ends in "
            + ", ".join(FORMATS)
            + (f", or {aligned_names('train', fields)}" if can_be_aligned(fields) else ""),
            found=shorten_list(sorted(file.name for file in folder.iterdir())) or "nothing",
            fix="data.path=... data.dev_path=... data.test_path=... name the files one by one",
        )
    return next(iter(found.values()), None)


def is_saved(folder: Path) -> bool:
    """Return whether `datasets.Dataset.save_to_disk` has written a folder."""
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def _saved_splits(folder: Path) -> dict[str, SplitFiles] | None:
    """Return the splits of a folder that `save_to_disk` has written; None if it has not."""
    if is_saved(folder):
        return {"train": SplitFiles("saved", (folder,))}
    if not (folder / "dataset_dict.json").is_file():
        return None
    parts = [path for path in sorted(folder.iterdir()) if is_saved(path)]
    return {
        split: SplitFiles("saved", (path,))
        for split, starts in _STARTS.items()
        for path in reversed(parts)
        if path.name.lower().startswith(starts)
    }


def unused_note(data: Data, sources: Iterable[SplitFiles]) -> str | None:
    """Return a note on the data files of a folder that belong to no split; None if all files are used."""
    folder = Path(data.path).expanduser() if isinstance(data.path, str) else None
    if folder is None or not folder.is_dir() or _saved_splits(folder) is not None:
        return None
    used = {path for source in sources for path in source.paths}
    unused = [name for name, source in _single_files(folder, data).items() if not used.issuperset(source.paths)]
    if not unused:
        return None
    reason = "not used, since their names begin as no split's do (data.dev_path, data.test_path)"
    return f"{folder}: {reason}: {shorten_list(unused)}"


def _single_files(folder: Path, data: Data) -> dict[str, SplitFiles]:
    """Return a folder's files of a known format by name, or all its files if the recipe names the format."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    formats = {path: data.format or FORMATS.get(format_ending(path)) for path in files}
    return {path.name: SplitFiles(known, (path,)) for path, known in formats.items() if known}
