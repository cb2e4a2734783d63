"""Scores by slice, read from results.json."""

from finetune.training.stored_slices import stored_slices

ENTRIES = [
    {"slice": "short", "examples": 30, "accuracy": 0.9, "interval": [0.8, 1.0]},
    {"slice": "none", "examples": 1, "accuracy": None, "interval": None},
    {"slice": "long", "examples": 20, "accuracy": 0.5, "interval": [0.3, 0.7]},
]


def test_the_worst_come_first_and_the_undefined_last() -> None:
    found = stored_slices({"slices": {"length": ENTRIES}})
    assert [(one.name, one.score, one.interval) for one in found] == [
        ("long", 0.5, (0.3, 0.7)),
        ("short", 0.9, (0.8, 1.0)),
        ("none", None, None),
    ]
    errors = [
        {"slice": name, "examples": 9, "wer": value, "interval": None} for name, value in [("a", 0.1), ("b", 0.4)]
    ]
    assert [one.name for one in stored_slices({"slices": {"speaker": errors}})] == ["b", "a"], "less is better"


def test_what_finetune_does_not_write_is_left_out() -> None:
    assert stored_slices({}) == []
    assert stored_slices({"slices": [1]}) == []
    odd = [
        {},
        {"slice": "a", "examples": "many", "accuracy": 1},
        {"slice": "b", "examples": 2, "accuracy": float("nan")},
    ]
    (one,) = stored_slices({"slices": {"length": odd, "label": None}})
    assert (one.name, one.score) == ("b", None)
