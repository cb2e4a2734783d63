"""Names of columns that are written occur once."""

from finetune.serve.column_names import unique_names


def test_names_that_occur_again_get_a_number_that_is_free() -> None:
    assert unique_names(["a", "b"]) == ("a", "b")
    assert unique_names(["a", "a", "a_2", "a"]) == ("a", "a_2", "a_2_2", "a_3")
