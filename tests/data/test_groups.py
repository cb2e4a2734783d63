"""Groups of examples."""

from pathlib import Path

import pyarrow as pa

from finetune.data import GROUP, Field, load_data
from finetune.data.groups import group_keys, slice_values
from finetune.recipe import Data


def test_keys_are_the_same_within_a_group() -> None:
    keys = group_keys(["a ", "b", None, "a", None, 3, "3"])
    assert keys[0] == keys[3]
    assert keys[5] == keys[6]
    assert len(set(keys)) == 5, "an example without a value is a group of its own"
    assert group_keys(pa.chunked_array([["a"], ["b"]])) == ["a", "b"]


def test_each_split_has_the_groups_of_its_examples(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("text,label,document\n" + "".join(f"text {n},{'ab'[n % 2]},d{n // 2}\n" for n in range(40)))
    test.write_text("text,label,document\nx,a,e1\ny,b,e1\nz,b,e2\n")
    fields = (Field("text", "text", "text"), Field("label", "label", "label"))
    loaded = load_data(Data(path=str(train), test_path=str(test), group_column="document"), fields)
    assert loaded.test[GROUP][:] == ["e1", "e1", "e2"]
    assert all(number // 2 == int(group[1:]) for number, group in zip(loaded.dev["id"], loaded.dev[GROUP], strict=True))
    alone = load_data(Data(path=str(train), test_path=str(test)), fields)
    assert GROUP not in alone.test.column_names


def test_values_of_slices_are_texts() -> None:
    assert slice_values([None, " a ", "", 3, True]) == ["(empty)", "a", "(empty)", "3", "True"]
    assert slice_values([0, 1, None], ("news", "mail")) == ["news", "mail", "(empty)"]
