from finetune.metrics import Scores, merge_scores


def test_merge_keeps_every_value_and_detail() -> None:
    first = Scores({"f1": 0.1}, {"a": {"recall": 0.5}}, {"own": "average:macro"})
    second = Scores({"f1": 0.2, "bleu": 30.0}, {"a": {"count": 3.0}, "b": {}}, {"peer": "version:1"})
    third = Scores({"f1": 0.3})
    assert merge_scores([first, second, third]) == Scores(
        values={"f1": 0.1, "f1_2": 0.2, "bleu": 30.0, "f1_3": 0.3},
        details={"a": {"recall": 0.5, "count": 3.0}, "b": {}},
        signatures={"own": "average:macro", "peer": "version:1"},
    )


def test_merge_leaves_its_parts_alone() -> None:
    part = Scores({"f1": 0.1}, {"a": {"recall": 0.5}})
    merge_scores([part, Scores({}, {"a": {"recall": 0.7}})])
    assert part == Scores({"f1": 0.1}, {"a": {"recall": 0.5}})
