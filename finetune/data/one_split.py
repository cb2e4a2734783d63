"""The examples of one split alone, which a trained model is evaluated on."""

from collections.abc import Sequence
from dataclasses import replace

from finetune.data.fields import Field
from finetune.data.files.find import holds_splits, path_of_split
from finetune.data.loaded import LoadedData
from finetune.data.loading import assemble
from finetune.data.reading import SourceRows, read_sources
from finetune.errors import UserError
from finetune.recipe import Data


def load_one_split(data: Data, fields: Sequence[Field], split: str, slices: Sequence[str] = ()) -> LoadedData:
    """Read and check the examples of one split, of which nothing is cut and which needs no other split beside it.

    Args:
        data: Where they come from. `data.labels` are the classes of the model, where it has any. A single file is the
            split.
        fields: What to read of each.
        split: `train`, `dev` or `test`.
        slices: Further columns to keep, by which scores are sliced.

    Returns:
        The examples, which are all three splits of the result.

    Raises:
        UserError: The source cannot be found or read or does not have the split, or rows are wrong.
    """
    if holds_splits(data.path) and getattr(data, f"{split}_path", None) is None:
        path = path_of_split(split, data, fields)
        data = data.model_copy(update={"path": path, "dev_path": None, "test_path": None})
    given = [_only(one, split) for one in read_sources(data, fields, slices)]
    loaded = assemble(given, data, of_model=True)
    kept = getattr(loaded, split)
    return replace(loaded, train=kept, dev=kept, test=kept)


def is_single_file(data: Data) -> bool:
    """Return whether a section names a file, or files, that are one split, and no others."""
    return not (data.function or data.path is None or holds_splits(data.path) or data.dev_path or data.test_path)


def _only(given: SourceRows, split: str) -> SourceRows:
    """Return the rows of one split, as if they were the train split.

    Raises:
        UserError: The source does not have the split.
    """
    split = "train" if is_single_file(given.data) else split
    if split not in given.rows:
        raise UserError(
            f"the data have no {split} split",
            where=given.data.description,
            expected="one of its splits: a part that is cut from train is no independent test of other data",
            found=", ".join(given.rows),
            fix=f"--split {next(iter(given.rows))}",
        )
    return replace(given, rows={"train": given.rows[split]})
