"""Prints constraints for pip: of each dependency in pyproject.toml, extras included, the oldest version allowed."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def oldest_versions(project: dict[str, Any]) -> Iterator[str]:
    """Yield a constraint NAME==VERSION for each dependency that has a lower bound.

    Args:
        project: The table `project` of a pyproject.toml.
    """
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    for text in [*project["dependencies"], *(text for extra in extras.values() for text in extra)]:
        requirement = Requirement(text)
        for bound in requirement.specifier:
            if bound.operator == ">=":
                yield f"{requirement.name}=={bound.version}"


def main() -> None:
    """Print the constraints of this checkout, one a line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.writelines(f"{line}\n" for line in oldest_versions(project))


if __name__ == "__main__":
    main()
