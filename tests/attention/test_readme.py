import doctest
from pathlib import Path

import finetune.attention


def test_examples_of_the_readme_run_as_shown() -> None:
    readme = Path(finetune.attention.__file__).with_name("README.md")
    result = doctest.testfile(str(readme), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0
