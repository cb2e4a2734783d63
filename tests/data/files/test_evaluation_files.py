"""Files of evaluation beside training and testing files."""

from pathlib import Path

import pytest

from finetune.data.files.evaluation_files import evaluation_note
from finetune.data.files.find import SplitFiles
from finetune.recipe import Data


@pytest.mark.parametrize(("name", "is_told"), [("evaluation.csv", True), ("Eval.csv", True), ("dev.csv", False)])
def test_a_file_of_evaluation_that_is_the_dev_split_is_told(name: str, is_told: bool, tmp_path: Path) -> None:
    sources = [SplitFiles("csv", (tmp_path / name,))]
    note = evaluation_note(Data(path=str(tmp_path)), sources)
    assert (note is not None) == is_told
    assert note is None or name in note
    assert evaluation_note(Data(path="train.csv"), sources) is None
    assert evaluation_note(Data(path=str(tmp_path), dev_path="dev.csv"), sources) is None
