from pathlib import Path

from finetune.drafting import draft_recipe
from tests.drafting.files import ROWS, write_table


def write(folder: Path) -> None:
    rows = [(number, text, label) for number, (text, label) in enumerate(ROWS)]
    write_table(folder / "train.csv", [("id", "text", "target"), *rows[:80]])
    write_table(folder / "valid.csv", [("id", "text", "target"), *rows[80:]])
    write_table(folder / "test.csv", [("id", "text"), *(row[:2] for row in rows)])


def test_a_test_file_without_labels_is_not_scored_on(tmp_path: Path) -> None:
    write(tmp_path)
    for path in (tmp_path, tmp_path / "train.csv"):
        draft = draft_recipe(path)
        data = draft.recipe.data
        assert (data.path, data.test_path) == (str(tmp_path / "train.csv"), None)
        assert data.dev_path == str(tmp_path / "valid.csv")
        assert "test.csv has no column 'target'" in draft.text
        assert "data.test_share" in {key.key for key in draft.keys}
