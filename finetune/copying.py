"""`finetune copy`: a recipe of one's own to edit, from one that is there."""

import re
from pathlib import Path

from finetune import compose
from finetune.errors import UserError


def copy_recipe(name: str, path: Path) -> Path:
    """Write a recipe's source to a new file, which runs as it is: `recipe=path/to/mine.py`.

    Args:
        name: The recipe, as `recipe=` takes it.
        path: The new file, or a folder that is there, in which the file keeps its name.

    Returns:
        The new file.

    Raises:
        UserError: There is no such recipe, there is such a file already, or it cannot be written.
    """
    compose.load_recipe(name)  # what does not load is not worth a copy
    source = compose.source(name)
    target = path / source.name if path.is_dir() else path
    if target.suffix != source.suffix:
        raise UserError(
            f"a copy of {source.name} has to keep its ending, by which recipes are told apart",
            where=str(target),
            expected=f"a name that ends in {source.suffix}",
            fix=f"finetune copy {name} {target.with_suffix(source.suffix)}",
        )
    if target.exists():
        raise UserError(f"{target} is there already, and is left as it is", fix="name a new file, or remove it")
    text = re.sub(rf"recipe={re.escape(name)}(?![\w./])", f"recipe={target.as_posix()}", source.read_text("utf-8"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{target} cannot be written", found=error.strerror, fix="name another place") from None
    return target
