from finetune.attention.masks import same
from tests.attention.masks.grid import grid


def test_a_query_attends_to_keys_with_its_own_number() -> None:
    assert grid(same("word"), 4, word=[0, 1, 0, 2]) == "#.#. .#.. #.#. ...#"


def test_each_side_has_its_own_column_in_cross_attention() -> None:
    dense = same("word").dense(2, 3, features={"word": [1, 5]}, key_features={"word": [5, 1, 1]})
    assert dense[0].tolist() == [[False, True, True], [True, False, False]]


def test_keys_with_other_numbers_are_out_of_reach() -> None:
    word = [number // 10 for number in range(100)]
    assert same("word").key_ranges(range(35, 42), 100, features={"word": word}) == [range(30, 50)]
    assert same("word").key_ranges(range(35, 42), 100) == [range(100)]
