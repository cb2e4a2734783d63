import pytest

from finetune.errors import UserError
from finetune.samples.columns import check_columns, select_columns
from finetune.samples.split import SampleSplits

SPLITS: SampleSplits = {"train": [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], "dev": [], "test": []}


def test_the_columns_and_the_split_that_are_asked_for() -> None:
    assert select_columns(SPLITS, "train", ("text",)) == [{"text": "a"}, {"text": "b"}]
    assert select_columns(SPLITS, "dev", ("text",)) == []


def test_rows_are_new_so_that_whoever_changes_them_changes_no_split() -> None:
    select_columns(SPLITS, "train", ("text", "label"))[0]["text"] = "changed"
    assert SPLITS["train"][0]["text"] == "a"


def test_an_unknown_column_is_told_with_the_nearest() -> None:
    check_columns("toy", ("text", "label"), ("text", "label"))
    with pytest.raises(UserError) as caught:
        check_columns("toy", ("text", "lable"), ("text", "label"))
    assert str(caught.value).splitlines() == [
        "the toy sample has no column 'lable'",
        "  expected: one of text, label",
        "  fix:      did you mean 'label'?",
    ]
    with pytest.raises(UserError) as caught:
        check_columns("toy", ("zzz",), ("text", "label"))
    assert caught.value.fix is None
