import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.data.rows import Rows
from finetune.data.targets import infer_label_kinds
from finetune.errors import UserError
from finetune.recipe import Data

TEXT = Field("text", "text", "text")
OPEN = Field("label", "label", "label", is_open=True)


def kind_of(values: Any) -> str:
    return infer_label_kinds([OPEN], Rows("train", {"label": values}))[0].kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"], "label"),
        ([1, 2], "label"),
        (["1", "2"], "label"),
        ([1.0, 2.0, None], "label"),
        ([True, False], "label"),
        (["1.5", "many"], "label"),
        ([1.0, 2.5], "number"),
        (["1", "2.5", ""], "number"),
        ([["a"], []], "label_list"),
        (pa.chunked_array([["a", "b"]]), "label"),
        (pa.chunked_array([[1, 2]]), "label"),
        (pa.chunked_array([[1.0, None, 2.0]]), "label"),
        (pa.chunked_array([[1.0, 2.5]]), "number"),
        (pa.chunked_array([["0.5", "1"]]), "number"),
        (pa.chunked_array([[["a"], ["a", "b"]]]), "label_list"),
    ],
)
def test_the_train_split_tells_what_answers_are(values: Any, kind: str) -> None:
    assert kind_of(values) == kind


def loaded(folder: Path, labels: list[Any], field: Field) -> LoadedData:
    rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(labels)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_data(Data(path=str(folder)), [TEXT, field])


def test_lists_of_labels_are_read_without_repeats(tmp_path: Path) -> None:
    found = loaded(tmp_path, [["b", "a", "b"], [], None, ["c "]], OPEN)
    assert found.train["label"][:] == [["b", "a"], [], [], ["c"]]
    assert found.labels == {"label": ("a", "b", "c")}


def test_texts_are_parted_where_lists_are_asked_for(tmp_path: Path) -> None:
    field = Field("label", "label_list", "label", separator="|")
    found = loaded(tmp_path, ["toxic|rude", "", "rude"], field)
    assert found.train["label"][:] == [["toxic", "rude"], [], ["rude"]]


def test_numbers_are_read_from_numbers_and_from_text(tmp_path: Path) -> None:
    assert loaded(tmp_path, [1, 2.5, -1e-3], OPEN).train["label"][:] == [1.0, 2.5, -1e-3]
    found = loaded(tmp_path, [" 1 ", "2.5"], Field("label", "number", "label"))
    assert found.train["label"][:] == [1.0, 2.5]
    assert found.labels == {}


@pytest.mark.parametrize("wrong", ["many", "", None])
def test_a_row_without_a_number_is_told(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(UserError, match="1 row without a number in column 'label'") as caught:
        loaded(tmp_path, ["1.5", "2", wrong], Field("label", "number", "label"))
    assert "line 3" in str(caught.value)


def test_lists_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another type than number"):
        loaded(tmp_path, [[1]], Field("label", "number", "label"))


def test_objects_are_no_lists(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another type than list"):
        loaded(tmp_path, [{"a": 1}], Field("label", "label_list", "label"))
