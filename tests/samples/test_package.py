"""What the samples are taken from is pinned and may be used."""

import importlib
import tomllib
from pathlib import Path

import pytest

from finetune.samples.package import Package

PERMISSIVE = ("MIT", "BSD-3-Clause", "Apache-2.0", "CC-BY-4.0")
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
MODULES = {value.partition(":")[0] for value in PROJECT["entry-points"]["finetune.data"].values()}


def packages_of(module: str) -> tuple[Package, ...]:
    found = vars(importlib.import_module(module))
    return found.get("PACKAGES") or (found["PACKAGE"],)


@pytest.mark.parametrize("module", sorted({*MODULES, "finetune.samples.minilm"}))
def test_every_sample_names_pinned_packages_under_permissive_licences(module: str) -> None:
    for package in packages_of(module):
        assert package.licence.startswith(PERMISSIVE)
        assert len(bytes.fromhex(package.sha256)) == 32


def test_another_archive_or_other_files_have_a_folder_of_their_own() -> None:
    package = Package("tiny", "1.0", "sdist", "0" * 64, "MIT", ("data/*",))
    others = [
        Package("tiny", "1.0", "sdist", "1" * 64, "MIT", ("data/*",)),
        Package("tiny", "1.0", "sdist", "0" * 64, "MIT", ("data/*", "LICENSE")),
    ]
    assert package.folder_name == Package("tiny", "1.0", "wheel", "0" * 64, "", ("data/*",)).folder_name
    assert len({package.folder_name, *(other.folder_name for other in others)}) == 3
    assert package.folder_name.startswith("tiny-1.0-")
