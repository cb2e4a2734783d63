"""The README shows one batch at each stage, and its examples run as shown."""

import doctest
from pathlib import Path

import finetune.attention.planning


def test_what_the_readme_shows_is_what_is_computed() -> None:
    readme = Path(finetune.attention.planning.__file__).with_name("README.md")
    result = doctest.testfile(str(readme), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0
