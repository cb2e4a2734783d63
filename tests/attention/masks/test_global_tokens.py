from finetune.attention.masks import global_tokens
from tests.attention.masks.grid import grid


def test_a_position_attends_to_all_and_all_to_it() -> None:
    assert grid(global_tokens(1), 4) == ".#.. #### .#.. .#.."


def test_negative_positions_count_from_the_end_of_each_side() -> None:
    assert grid(global_tokens(-1), 3) == "..# ..# ###"
    assert grid(global_tokens(-1), 2, 4) == "...# ####"
    assert grid(global_tokens(-9, 9), 2) == ".. .."


def test_a_name_stands_for_the_tokens_that_its_column_marks() -> None:
    assert grid(global_tokens("cls", 2), 3, is_cls=[1, 0, 0]) == "### #.# ###"


def test_the_length_is_needed_for_positions_from_the_end_alone() -> None:
    assert global_tokens("cls", -1).needs.columns == {"is_cls"}
    assert global_tokens(0, -1).needs.length
    assert not global_tokens(0, 5, "cls").needs.length


def test_a_token_that_is_named_twice_is_one() -> None:
    assert global_tokens(0, 0, "cls", "cls") == global_tokens(0, "cls")
    assert global_tokens(0, -4).count(4) == global_tokens(0).count(4) == 7
