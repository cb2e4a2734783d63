from pathlib import Path

import pytest

from finetune.data.files.all_columns import FirstRows, read_first_rows
from finetune.data.files.find import SplitFiles
from finetune.drafting.headers import with_header
from finetune.drafting.keys import DraftedKey
from finetune.recipe import Data


def read(path: Path, text: str) -> tuple[FirstRows, tuple[DraftedKey, ...]]:
    path.write_text(text)
    return with_header(read_first_rows(SplitFiles("csv", (path,)), Data(path=str(path))))


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("a film,1\nno film,0\n", "the number 1"),
        ("a film,good\nno film,bad\nno,good\n", "'good', which comes again below it,"),
        ("It is one of the best films of the year,x\nb,y\n", "the text 'It is one of the best films of the year'"),
        ("Hello.,Hallo\nYes.,Ja\n", "the sentence 'Hello.'"),
        ("a,a,x\nb,c,y\n", "'a' twice"),
    ],
)
def test_a_first_row_of_values_is_no_header(text: str, evidence: str, tmp_path: Path) -> None:
    rows, (key,) = read(tmp_path / "a.csv", text)
    width = text.split("\n")[0].count(",") + 1
    assert key.value == [f"column_{number}" for number in range(1, width + 1)]
    assert key.reason == f"there is no header: {evidence} in the first row"
    assert len(rows) == text.count("\n")
    assert list(rows.columns) == key.value


@pytest.mark.parametrize(
    "text",
    [
        "text,label\na,b\n",
        "foo,bar\nx y z,1\ny,2\n",
        "foo,bar\nx,good\ny,good\nz,bad\nw,bad\n",
        "en,xx\nyes,oui\n",
        "0,1\na text,good\nanother,bad\n",
    ],
)
def test_a_header(text: str, tmp_path: Path) -> None:
    rows, keys = read(tmp_path / "a.csv", text)
    assert list(rows.columns) == text.split("\n")[0].split(",")
    assert [key for key in keys if not key.doubt] == []


def test_what_may_be_either_is_said(tmp_path: Path) -> None:
    rows, (key,) = read(tmp_path / "a.csv", "house,Haus\ncat,Katze\n")
    assert list(rows.columns) == ["house", "Haus"]
    assert key.value is None
    assert key.doubt == 'if it is an example: "data.column_names=[column_1, column_2]"'


def test_names_that_the_user_gives_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a film,1\n")
    data = Data(path="a.csv", column_names=("text", "label"))
    rows = read_first_rows(SplitFiles("csv", (tmp_path / "a.csv",)), data)
    assert with_header(rows) == (rows, ())
