"""The folder of the user's in which finetune keeps what it can make or fetch again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder: FINETUNE_CACHE where it is set, and otherwise `finetune` in the XDG cache folder.

    It need not exist yet. Samples lie in its folder `samples`, streamed rows in `rows`, encoded splits in `features`.
    """
    own = os.environ.get("FINETUNE_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    shared = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    # The XDG specification has relative paths ignored.
    shared = shared if shared.is_absolute() else Path("~/.cache").expanduser()
    return shared / "finetune"
