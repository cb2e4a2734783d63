from datasets import Dataset

from finetune.tasks.predictions import EvaluationRecord, references


def test_references_are_a_column_or_as_many_none() -> None:
    split = Dataset.from_dict({"id": [0, 1], "label": ["a", "b"]})
    assert list(references(split, "label")) == ["a", "b"]
    assert references(split.remove_columns("label"), "label") == [None, None]


def test_records_do_not_share_what_they_show() -> None:
    first, second = (EvaluationRecord(number, "text", None, "a") for number in range(2))
    first.extra["probability"] = 0.5
    assert second.extra == {}
