"""Files of evaluation, whose name does not say whether they are the dev or the test split."""

from collections.abc import Sequence
from pathlib import Path

from finetune.data.files.find import EVALUATION, SplitFiles
from finetune.recipe import Data


def evaluation_note(data: Data, sources: Sequence[SplitFiles]) -> str | None:
    """Return a note where the dev split of a folder is a file of evaluation, a name that could mean the test split."""
    folder = Path(data.path).expanduser() if isinstance(data.path, str) else None
    if data.dev_path is not None or folder is None or not folder.is_dir():
        return None
    name = next((path.name for source in sources for path in source.paths), "")
    if not name.lower().startswith(EVALUATION):
        return None
    return f"{name} is read as the dev split, since no name begins with dev or val (data.dev_path)"
