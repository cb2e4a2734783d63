from typing import get_args

from finetune.samples import SOURCES, SampleName

PERMISSIVE = ("MIT", "BSD-3-Clause", "Apache-2.0", "CC-BY-4.0")


def test_every_sample_names_pinned_packages_under_permissive_licences() -> None:
    assert set(SOURCES) == {*get_args(SampleName), "minilm"}
    for packages in SOURCES.values():
        for package in packages:
            assert package.licence.startswith(PERMISSIVE)
            assert len(bytes.fromhex(package.sha256)) == 32
