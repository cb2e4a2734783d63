"""The quick look at local files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import first_rows
from finetune.data.fields import Field
from finetune.data.first_rows import check_first_rows
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
ROWS = [{"text": "good", "label": "1"}, {"text": "bad", "label": "0"}]


def written(folder: Path, form: str, rows: list[dict[str, str]]) -> Path:
    path = folder / f"train.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif form == "json":
        path.write_text(json.dumps(rows))
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        sign = "," if form == "csv" else "\t"
        path.write_text("".join(sign.join(line) + "\n" for line in [list(rows[0]), *(row.values() for row in rows)]))
    return path


@pytest.mark.parametrize("small", [True, False], ids=["whole", "first"])
@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
def test_a_missing_column_is_reported(form: str, small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:
        monkeypatch.setattr(first_rows, "_SMALL", 0)
    path = written(tmp_path, form, ROWS)
    check_first_rows(Data(path=str(path)), FIELDS)
    with pytest.raises(UserError, match="there is no column 'review'") as caught:
        check_first_rows(Data(path=str(path)), (Field("text", "text", "review"), FIELDS[1]))
    assert caught.value.where == str(path)
    assert "data.columns.text=" in (caught.value.fix or "")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_rows_that_may_differ_are_looked_at_whole_or_not_at_all(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Data(path=str(written(tmp_path, form, ROWS)))
    absent = (Field("text", "text", "review"),)
    with pytest.raises(UserError, match="there is no column 'review'"):
        check_first_rows(data, absent)
    monkeypatch.setattr(first_rows, "_SMALL", 0)
    check_first_rows(data, absent)


def test_errors_of_all_splits_come_at_once(tmp_path: Path) -> None:
    train, dev = tmp_path / "train.csv", tmp_path / "dev.csv"
    train.write_text("text,label\na,1\n")
    dev.write_text("text,stars\na,1\n")
    with pytest.raises(UserError, match="there is no column 'label'") as caught:
        check_first_rows(Data(path=str(train), dev_path=str(dev), test_path=str(dev)), FIELDS)
    assert caught.value.where == str(dev)


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        check_first_rows(Data(path=str(tmp_path / "absent.csv")), FIELDS)


def test_columns_of_flags_are_looked_for_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,toxic\na,1\n")
    flags = Field("label", "label_list", "toxic, insult", flag_columns=("toxic", "insult"))
    with pytest.raises(UserError, match="there is no column 'insult'"):
        check_first_rows(Data(path=str(path)), (FIELDS[0], flags))


def test_other_data_are_left_alone(tmp_path: Path) -> None:
    check_first_rows(Data(sample="sentiment"), FIELDS)
    check_first_rows(Data(name="nobody/nothing"), FIELDS)
    check_first_rows(Data(function="absent.py:load"), FIELDS)
    check_first_rows(Data.model_validate({"sources": [{"path": str(tmp_path / "absent.csv")}]}), FIELDS)
