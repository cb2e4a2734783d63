import pytest

from finetune.drafting.amounts import amount_keys, split_keys
from tests.drafting.tables import values


def test_few_rows_are_cut_into_larger_shares() -> None:
    assert values(split_keys(10_000, ["train"], is_whole=True)) == {"data.dev_share": 0.1, "data.test_share": 0.1}
    assert values(split_keys(300, ["train", "dev"], is_whole=True)) == {"data.test_share": 0.17}
    assert values(split_keys(20, ["train"], is_whole=True))["data.dev_share"] == 0.2
    assert split_keys(20, ["train", "dev", "test"], is_whole=True) == []
    assert values(split_keys(0, ["train", "dev"], is_whole=True)) == {"data.test_share": 0.1}


@pytest.mark.parametrize("rows", [1, 60, 500, 3_000, 9_000, 50_000])
def test_there_are_steps_enough_or_the_most_epochs(rows: int) -> None:
    found = values(amount_keys(rows, ["train", "dev", "test"], is_whole=True, from_scratch=False))
    steps = found["training.epochs"] * -(-rows // found["training.batch_size"])
    assert steps >= 200 or found["training.epochs"] == 30
    scratch = values(amount_keys(rows, ["train", "dev", "test"], is_whole=True, from_scratch=True))
    assert scratch["training.epochs"] == 3 * found["training.epochs"]


def test_more_rows_take_fewer_epochs() -> None:
    counts = (500, 5_000, 50_000, 500_000)
    splits = ["train", "dev", "test"]
    keys = [values(amount_keys(count, splits, is_whole=True, from_scratch=False)) for count in counts]
    epochs = [one["training.epochs"] for one in keys]
    assert epochs == sorted(epochs, reverse=True)


def test_rows_that_were_not_all_read_are_said_to_be_more() -> None:
    epochs, _ = amount_keys(10_000, ["train"], is_whole=False, from_scratch=False)
    assert epochs.reason == "more than 8,000 rows of train: 750 steps or more"
