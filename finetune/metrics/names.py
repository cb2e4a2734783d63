"""Names of metrics that are not finetune's own: scripts by path, and metrics on the Hub."""

from pathlib import Path

from finetune.errors import UserError, nearest
from finetune.metrics.registry import metrics_with_value, own_metrics

RECIPE_KEY = "evaluation.metrics"
EXPECTED = (
    f"one of {', '.join(own_metrics())}; the name of a metric on the Hub; or a metric's script: a .py file, or a "
    "folder that holds one of its own name"
)
"""What `evaluation.metrics` takes, in words."""


def check_name(name: str) -> None:
    """Refuse a name that can be no metric: a path to nothing, another file, a folder without a script, or a list.

    Raises:
        UserError: It can be none; the message says why, and which metric may be meant.
    """
    problem = _problem(name)
    if problem:
        where = f"{RECIPE_KEY}={name}"
        raise UserError(f"{name} is not a metric", expected=EXPECTED, found=problem, where=where, fix=suggestion(name))


def suggestion(name: str) -> str | None:
    """Return the key with finetune's own metric that may be meant, or None where none is alike."""
    if "," in name:
        return f"several are written in brackets: {RECIPE_KEY}=[{name}]"
    last = Path(name).stem
    alike = nearest(last, own_metrics())
    meant = metrics_with_value(name) or metrics_with_value(last) or tuple(filter(None, [alike]))
    return ", or ".join(f"{RECIPE_KEY}=[{own}]" for own in meant) or None


def _problem(name: str) -> str | None:
    """Return why a name can be no metric, or None where it can be one."""
    path, is_path = Path(name), _is_path(name)
    if not name.strip() or "," in name:
        return "no name" if not name.strip() else f"{len(name.split(','))} names in one text"
    if "\0" in name:
        return "a name with a NUL character"
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except OSError:  # the name is longer than the file system allows
        return "a name of more characters than a file can have"
    if is_folder and is_path:
        script = path / f"{path.resolve().name}.py"
        return None if script.is_file() else f"a folder without {script.name}"
    if exists and not is_folder:
        return None if path.suffix == ".py" else "a file that is no Python script"
    return "no such file or folder" if is_path else None


def _is_path(name: str) -> bool:
    """Return whether a name is a path and not the name of a metric on the Hub, metric or owner/metric."""
    return name.startswith((".", "/", "~")) or name.endswith(".py") or name.count("/") > 1
