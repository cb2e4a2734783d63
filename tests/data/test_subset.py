"""Parts of splits: as many examples as the recipe says, the first or the same ones each time."""

from typing import Any

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.subset import keep_some
from finetune.recipe import Data


def kept(count: int, **options: Any) -> tuple[list[int], tuple[str, ...]]:
    splits = {"train": Dataset.from_dict({"id": list(range(count))})}
    found, notes = keep_some(splits, Data.model_validate({"path": "a.csv", **options}))
    return found["train"]["id"][:], notes


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 99), st.sampled_from(["first", "random"]))
def test_a_number_keeps_as_many_in_their_order(count: int, most: int, seed: int, subset: str) -> None:
    options = {"max_train_examples": most, "subset": subset, "split_seed": seed}
    ids, notes = kept(count, **options)
    assert len(ids) == min(count, most)
    assert ids == sorted(set(ids)), "each once, in the order of the split"
    assert set(ids) <= set(range(count))
    assert bool(notes) == (most < count)
    assert ids == kept(count, **options)[0], "the same ones each time"


@pytest.mark.parametrize(("share", "count", "expected"), [(0.25, 80, 20), (0.5, 3, 2), (0.001, 10, 1), (0.99, 10, 10)])
def test_a_share_is_rounded_up_so_that_some_are_left(share: float, count: int, expected: int) -> None:
    assert len(kept(count, max_train_examples=share)[0]) == expected


def test_one_is_an_example_and_not_the_whole() -> None:
    assert kept(5, max_train_examples=1)[0] == [0]


def test_another_seed_draws_others() -> None:
    drawn = {tuple(kept(100, max_train_examples=10, subset="random", split_seed=seed)[0]) for seed in range(5)}
    assert len(drawn) == 5


def test_notes_say_how_many_of_how_many_and_which() -> None:
    assert kept(1200, max_train_examples=2)[1] == ("train: the first 2 of 1,200 examples (data.max_train_examples)",)
    random = kept(8, max_train_examples=2, subset="random")[1]
    assert random == ("train: 2 of 8 examples (data.max_train_examples), by chance",)


def test_each_split_has_its_own_limit() -> None:
    splits = {split: Dataset.from_dict({"id": list(range(9))}) for split in ("train", "dev", "test")}
    found, notes = keep_some(splits, Data(path="a.csv", max_dev_examples=4, max_test_examples=20))
    assert {split: len(one) for split, one in found.items()} == {"train": 9, "dev": 4, "test": 9}
    assert [note.partition(":")[0] for note in notes] == ["dev"]
