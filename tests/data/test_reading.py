"""Rows of every source: those that the filter keeps, unchecked, with the mistakes of all sources at once."""

from pathlib import Path
from typing import Any

import pytest

from finetune.data.fields import Field
from finetune.data.reading import AuxiliaryField, of_source, read_sources
from finetune.errors import UserError, UserErrors
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
WORDS = (Field("tokens", "words", "word"), Field("labels", "word_labels", "tag"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))


def write(folder: Path, name: str = "a", header: str = "text,label,author", cells: tuple[str, ...] = ("x",)) -> str:
    path = folder / f"{name}.csv"
    lines = [f"{name} {number},{cells[number % len(cells)]},{number // 2}" for number in range(6)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def data(**options: Any) -> Data:
    return Data.model_validate(options)


def test_one_source_is_the_section_itself(tmp_path: Path) -> None:
    section = data(path=write(tmp_path))
    (source,) = read_sources(section, FIELDS)
    assert (source.data, source.fields, source.weight, source.notes) == (section, FIELDS, None, ())
    assert source.rows["train"].columns["label"] == ["x"] * 6


def test_rows_are_not_checked_yet(tmp_path: Path) -> None:
    (source,) = read_sources(data(path=write(tmp_path, cells=("",))), FIELDS)
    assert source.rows["train"].columns["label"] == [""] * 6


def test_several_sources_have_columns_weights_and_filters_of_their_own(tmp_path: Path) -> None:
    a, b = write(tmp_path, "a"), write(tmp_path, "b", header="body,stars,author")
    second = {"path": b, "columns": {"text": "body", "label": "stars"}, "weight": 3, "filter": "author > 1"}
    first, other = read_sources(data(sources=[{"path": a, "weight": 1}, second]), FIELDS)
    assert [first.weight, other.weight] == [1, 3]
    assert [field.column for field in other.fields] == ["body", "stars"]
    assert other.data.sources == ()
    assert other.data.columns.label == "stars"
    assert other.rows["train"].columns["body"] == ["b 4", "b 5"]
    assert len(first.rows["train"]) == 6
    assert other.notes == (f"{b}: data.filter keeps 2 of 6 rows",)


def test_mistakes_of_all_sources_are_told_with_their_number(tmp_path: Path) -> None:
    sources = [{"path": write(tmp_path)}, {"path": "none.csv"}, {"path": write(tmp_path, "b", header="a,b,c")}]
    with pytest.raises(UserErrors) as caught:
        read_sources(data(sources=sources), FIELDS)
    places = [str(error.where).partition(":")[0] for error in caught.value.errors]
    assert places == ["data.sources[1]", "data.sources[2]", "data.sources[2]"]


def test_an_error_keeps_what_it_says_beside_its_source() -> None:
    error = UserError("wrong", expected="right", found="left", where="my.csv", fix="turn")
    assert vars(of_source(error, 2)) == vars(error) | {"where": "data.sources[2]: my.csv"}
    assert of_source(UserError("wrong"), 0).where == "data.sources[0]"
    both = of_source(UserErrors([error, UserError("other")]), 1)
    assert isinstance(both, UserErrors)
    assert [one.where for one in both.errors] == ["data.sources[1]: my.csv", "data.sources[1]"]


@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_the_filter_and_of_groups_are_named_by_their_keys(tmp_path: Path, streaming: bool) -> None:
    path = write(tmp_path)
    (source,) = read_sources(data(path=path, group_column="author", streaming=streaming), FIELDS)
    assert list(map(str, source.rows["train"].columns["author"])) == ["0", "0", "1", "1", "2", "2"]
    for key, value in (("data.group_column", "auther"), ("data.filter", "auther > 1")):
        with pytest.raises(UserError, match="there is no column 'auther'") as caught:
            read_sources(data(path=path, streaming=streaming, **{key.removeprefix("data."): value}), FIELDS)
        assert str(caught.value.fix).startswith(f"{key}=author")
    assert AuxiliaryField("filter", "text", "author", of="data.filter").key == "data.filter"


def test_a_filter_that_keeps_nothing_of_two_splits_is_told_for_both(tmp_path: Path) -> None:
    write(tmp_path, "train")
    write(tmp_path, "test")
    with pytest.raises(UserError, match=r"data\.filter keeps none of 6 rows") as caught:
        read_sources(data(path=str(tmp_path), filter="author > 9"), FIELDS)
    assert "train.csv" in str(caught.value)
    assert "test.csv" in str(caught.value)


def test_forms_are_found_from_the_rows_that_the_filter_keeps(tmp_path: Path) -> None:
    path = write(tmp_path, cells=("['x']", "y"))
    field = Field("label", "label", "label", is_open=True)
    (source,) = read_sources(data(path=path, filter="label != 'y'"), (FIELDS[0], field))
    assert source.rows["train"].columns["label"] == [["x"]] * 3
    assert "column 'label' holds lists written as text: they are read as lists" in source.notes


def test_sentences_are_of_words_and_not_streamed(tmp_path: Path) -> None:
    path = write(tmp_path, header="word,tag,number")
    columns = {"sentence": "number"}
    (source,) = read_sources(data(path=path, columns=columns), WORDS)
    assert source.rows["train"].columns["tag"] == [["x", "x"]] * 3
    with pytest.raises(UserError, match="only words can be grouped into sentences") as caught:
        read_sources(data(path=path, columns=columns), FIELDS)
    assert (caught.value.where, caught.value.expected) == ("data.columns.sentence=number", "token classification")
    with pytest.raises(UserError, match="rows that are streamed cannot be grouped into sentences") as caught:
        read_sources(data(path=path, columns=columns, streaming=True), WORDS)
    assert caught.value.fix == "data.streaming=false"


def test_columns_of_flags_are_joined_and_not_streamed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,toxic,rude\n" + "t,0,1\nt,1,1\n")
    field = Field("label", "label_list", "toxic, rude", flag_columns=("toxic", "rude"))
    path = str(tmp_path / "a.csv")
    (source,) = read_sources(data(path=path), (FIELDS[0], field))
    assert len(source.rows["train"].columns["toxic, rude"]) == 2
    assert source.notes
    with pytest.raises(
        UserError, match="columns of 0 and 1 cannot be read as labels where rows are streamed"
    ) as caught:
        read_sources(data(path=path, streaming=True), (FIELDS[0], field))
    assert caught.value.where == "data.columns.label=[toxic, rude]"
    assert caught.value.fix == "data.streaming=false"
