"""Entry point of the `finetune` command: checks that the package `finetune` is this toolkit's, then starts it.

PyPI's distribution `finetune` is another project that installs a package of the same name. In one environment the files
of both lie in one folder, and the distribution that is installed last overwrites files of the other. This module lies
outside that folder and imports the standard library alone, so that it can report such a conflict.
"""

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DISTRIBUTION = "finetune-masks"
PACKAGE = Path(__file__).resolve().parent / "finetune"
"""Folder of this toolkit's package."""
REPAIR = (
    f"pip uninstall OTHER, then pip install --force-reinstall --no-deps {DISTRIBUTION} (in a checkout: pip install "
    "-e .); to keep both, give each an environment of its own"
)


def main() -> None:
    """Run the `finetune` command; exit with status 2 and a message where the package is not this toolkit's."""
    if problem := find_problem():
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
    from finetune.cli import main as command

    command()


def find_problem() -> str | None:
    """Return what is wrong with the package that `import finetune` finds, or None where nothing is.

    Returns:
        The message for the user: the problem, what was expected, what was found, and how to fix it.
    """
    spec = importlib.util.find_spec("finetune")
    found = Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None
    ours = PACKAGE / "__init__.py"
    if found is not None and found != ours:
        return _message("Python finds another package named finetune before this toolkit's", found, _owner(found))
    for file, size in _recorded_files():
        if not file.is_file():
            return _message(f"a file of {DISTRIBUTION} is missing", file, None)
        if file.stat().st_size != size and (owner := _owner(file)) is not None:
            return _message(f"another distribution overwrote a file of {DISTRIBUTION}", file, owner)
    return None


def _recorded_files() -> Iterator[tuple[Path, int]]:
    """Yield the Python files of the package with their sizes in bytes as installed; none where it is a checkout."""
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return
    if Path(str(distribution.locate_file("finetune"))).resolve() != PACKAGE:
        return
    for file in distribution.files or ():
        if file.parts[0] == PACKAGE.name and file.suffix == ".py" and file.size is not None:
            yield PACKAGE.parent / file, file.size


def _owner(path: Path) -> str | None:
    """Return name and version of another distribution that installed a file, or None where there is none."""
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if re.sub(r"[-_.]+", "-", name).lower() == DISTRIBUTION:
            continue
        for file in distribution.files or ():
            if file.name == path.name and Path(str(distribution.locate_file(file))).resolve() == path:
                return f"{name} {distribution.version}"
    return None


def _message(problem: str, path: Path, owner: str | None) -> str:
    other = owner.rpartition(" ")[0] if owner else "finetune"
    return "\n".join(
        [
            problem,
            f"  where:    {path}",
            f"  expected: the package finetune of {DISTRIBUTION}, {PACKAGE}",
            *([f"  found:    a file of {owner}"] if owner else []),
            f"  fix:      {REPAIR.replace('OTHER', other)}",
        ]
    )
