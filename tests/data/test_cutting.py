"""Cutting dev and test from train."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.compose import compose
from finetune.data.cutting import cut
from finetune.errors import UserError
from finetune.recipe import Data


@given(
    num_examples=st.integers(20, 300),
    missing=st.sampled_from([["dev"], ["test"], ["dev", "test"]]),
    seed=st.integers(0, 5),
)
def test_each_example_goes_to_one_split_and_order_stays(num_examples: int, missing: list[str], seed: int) -> None:
    plan = cut(num_examples, missing, Data(path="x", split_seed=seed), "x")
    parts = [plan.train, *plan.parts.values()]
    assert sorted(chain(*parts)) == list(range(num_examples))
    assert all(part == sorted(part) for part in parts)
    assert list(plan.parts) == missing


def test_shares_are_of_the_whole() -> None:
    plan = cut(1000, ["dev", "test"], Data(path="x", dev_share=0.2, test_share=0.1), "x")
    assert [len(plan.train), len(plan.parts["dev"]), len(plan.parts["test"])] == [700, 200, 100]


def test_the_seed_decides_and_nothing_else() -> None:
    same = [cut(100, ["dev"], Data(path="x", split_seed=1), name).parts for name in ("a", "b")]
    other = cut(100, ["dev"], Data(path="x", split_seed=2), "a").parts
    assert same[0] == same[1] != other


def test_the_cut_is_told() -> None:
    plan = cut(9000, ["dev"], Data(path="x"), "x")
    assert plan.notes == ("no dev split: cut 10% (900 of 9,000 examples) from train with seed 0",)


@pytest.mark.parametrize(("num_examples", "dev", "test"), [(4, 0.1, 0.1), (1, 0.6, 0.1), (100, 0.6, 0.5)])
def test_too_few_examples(num_examples: int, dev: float, test: float) -> None:
    with pytest.raises(UserError, match="too few to cut") as caught:
        cut(num_examples, ["dev", "test"], Data(path="x", dev_share=dev, test_share=test), "a.csv")
    assert "a.csv" in str(caught.value)
    assert "data.dev_share" in str(caught.value)


@pytest.mark.parametrize("seed", [-5, 2**32])
def test_a_seed_beyond_what_numpy_takes_is_refused(seed: int) -> None:
    with pytest.raises(UserError, match=r"data\.split_seed"):
        compose(["recipe=sst2", "data.path=a.csv", f"data.split_seed={seed}"])
