from finetune.metrics import score


def test_counts_examples_whose_class_is_right() -> None:
    assert score(["accuracy"], ["a", "b", "c", "a"], ["a", "b", "a", "c"]).values == {"accuracy": 2 / 4}
