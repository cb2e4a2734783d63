"""Which file holds which split."""

import os
from pathlib import Path

import pytest

from finetune.compose import compose
from finetune.data import Field, load_data
from finetune.data.files.find import SplitFiles, find_split_files
from finetune.errors import UserError
from finetune.recipe import Data

LABELLED = (Field("text", "text", "text"), Field("label", "label", "label"))
PAIRS = (Field("source", "text", "en"), Field("target", "text", "de"))


def single_sources(data: Data, fields: tuple[Field, ...]) -> dict[str, SplitFiles]:
    """Each split's source, of which there is one."""
    found = find_split_files(data, fields)
    assert all(len(sources) == 1 for sources in found.values())
    return {split: source for split, (source,) in found.items()}


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("x")


def names(sources: dict[str, SplitFiles]) -> dict[str, list[str]]:
    return {split: [path.name for path in source.paths] for split, source in sources.items()}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.tsv.gz", "tsv"),
        ("a.b.json", "json"),
        ("a.jsonl.gz", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.conll", "conll"),
        ("a.char.bmes", "conll"),
    ],
)
def test_format_is_told_by_the_name(tmp_path: Path, name: str, known: str) -> None:
    make(tmp_path, name)
    assert single_sources(Data(path=str(tmp_path / name)), LABELLED)["train"].format == known


def test_format_can_be_given(tmp_path: Path) -> None:
    make(tmp_path, "a.annotated")
    data = Data(path=str(tmp_path / "a.annotated"), format="conll")
    assert single_sources(data, LABELLED) == {"train": SplitFiles("conll", (tmp_path / "a.annotated",))}


def test_unknown_format_names_those_known(tmp_path: Path) -> None:
    make(tmp_path, "a.xlsx")
    with pytest.raises(UserError, match=r"\.csv.*\.parquet"):
        single_sources(Data(path=str(tmp_path / "a.xlsx")), LABELLED)


@pytest.mark.parametrize("dev", ["dev.csv", "val.csv", "valid_1.csv", "Validation.csv"])
def test_folder(tmp_path: Path, dev: str) -> None:
    make(tmp_path, "train.csv", dev, "test-final.csv", "README.md", "labels.csv", ".train.csv.swp")
    found = names(single_sources(Data(path=str(tmp_path)), LABELLED))
    assert found == {"train": ["train.csv"], "dev": [dev], "test": ["test-final.csv"]}


def test_folder_without_dev_and_test(tmp_path: Path) -> None:
    make(tmp_path, "train.csv")
    assert list(single_sources(Data(path=str(tmp_path)), LABELLED)) == ["train"]


def test_given_paths_override_the_folder(tmp_path: Path) -> None:
    make(tmp_path, "train.csv", "test_a.csv", "test_b.csv", "other.csv")
    data = Data(path=str(tmp_path), dev_path=str(tmp_path / "other.csv"), test_path=str(tmp_path / "test_b.csv"))
    assert names(single_sources(data, LABELLED)) == {
        "train": ["train.csv"],
        "dev": ["other.csv"],
        "test": ["test_b.csv"],
    }


def test_several_files_for_one_split_are_listed(tmp_path: Path) -> None:
    make(tmp_path, "train.csv", "test_a.csv", "test_b.json")
    with pytest.raises(UserError, match="several files could be the test split") as caught:
        single_sources(Data(path=str(tmp_path)), LABELLED)
    assert "test_a.csv, test_b.json" in str(caught.value)
    assert "data.test_path=" in str(caught.value)


def test_given_format_leaves_out_line_aligned_files(tmp_path: Path) -> None:
    make(tmp_path, "train.en", "train.de", "train.csv")
    with pytest.raises(UserError, match="several files could be the train split"):
        single_sources(Data(path=str(tmp_path)), PAIRS)
    assert single_sources(Data(path=str(tmp_path), format="parallel"), PAIRS)["train"].format == "parallel"


def test_folder_without_train(tmp_path: Path) -> None:
    make(tmp_path, "reviews.csv")
    with pytest.raises(UserError, match="no train split") as caught:
        single_sources(Data(path=str(tmp_path)), LABELLED)
    assert "reviews.csv" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    make(tmp_path, "dev1.csv", "dev2.csv")
    with pytest.raises(UserError) as caught:
        single_sources(Data(path=str(tmp_path)), LABELLED)
    assert "no train split" in str(caught.value)
    assert "several files could be the dev split" in str(caught.value)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_common_start_of_line_aligned_files(tmp_path: Path, packed: str) -> None:
    make(tmp_path, "train.en", f"train.de{packed}", "train.fr")
    assert names(single_sources(Data(path=str(tmp_path / "train")), PAIRS)) == {
        "train": ["train.en", f"train.de{packed}"]
    }


def test_folder_of_line_aligned_files(tmp_path: Path) -> None:
    make(tmp_path, "train.en.gz", "train.de.gz", "train.fr.gz", "val.de", "val.en", "test.en", "test.fr", "test_x.de")
    found = names(single_sources(Data(path=str(tmp_path)), PAIRS))
    assert found == {"train": ["train.en.gz", "train.de.gz"], "dev": ["val.en", "val.de"]}


def test_several_starts_for_one_split_are_listed(tmp_path: Path) -> None:
    make(tmp_path, "train.en", "train.de", "test_2016.en", "test_2016.de", "test_2017.en", "test_2017.de")
    with pytest.raises(UserError, match="test_2016, test_2017") as caught:
        single_sources(Data(path=str(tmp_path)), PAIRS)
    assert f"data.test_path={tmp_path / 'test_2016'}" in str(caught.value)


def test_braces_name_both_files_source_first(tmp_path: Path) -> None:
    make(tmp_path, "news.src.en", "news.ref.A.de")
    found = names(single_sources(Data(path=f"{tmp_path}/news.{{src.en,ref.A.de}}"), PAIRS))
    assert found == {"train": ["news.src.en", "news.ref.A.de"]}


def test_braces_with_a_file_that_is_missing(tmp_path: Path) -> None:
    make(tmp_path, "news.src.en", "news.ref.de")
    with pytest.raises(UserError, match=r"no file .*news\.ref\.A\.de") as caught:
        single_sources(Data(path=f"{tmp_path}/news.{{src.en,ref.A.de}}"), PAIRS)
    assert "news.ref.de" in str(caught.value)


def test_braces_with_too_many_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="3 line-aligned files"):
        single_sources(Data(path=f"{tmp_path}/news.{{en,de,fr}}"), PAIRS)


def test_one_file_is_not_line_aligned(tmp_path: Path) -> None:
    make(tmp_path, "train.en")
    with pytest.raises(UserError, match="1 line-aligned file cannot give the columns en, de"):
        single_sources(Data(path=str(tmp_path / "train.en"), format="parallel"), PAIRS)


def test_labels_are_not_in_line_aligned_files(tmp_path: Path) -> None:
    make(tmp_path, "a.text", "a.label")
    with pytest.raises(UserError, match="2 line-aligned files cannot give the columns text, label"):
        single_sources(Data(path=f"{tmp_path}/a.{{text,label}}"), LABELLED)


def test_one_of_two_line_aligned_files_is_missing(tmp_path: Path) -> None:
    make(tmp_path, "train.en", "train.fr")
    with pytest.raises(UserError, match=r"no file .*train\.de") as caught:
        single_sources(Data(path=str(tmp_path / "train")), PAIRS)
    assert "train.en, train.fr" in str(caught.value)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    make(tmp_path, "train.csv", "notes.txt")
    with pytest.raises(UserError, match=r"there is no file .*trian\.csv") as caught:
        single_sources(Data(path=str(tmp_path / "trian.csv")), LABELLED)
    assert f"data.path={tmp_path / 'train.csv'}" in str(caught.value)


def test_missing_dev_file_names_its_key(tmp_path: Path) -> None:
    make(tmp_path, "train.csv")
    with pytest.raises(UserError, match=r"data\.dev_path="):
        single_sources(Data(path=str(tmp_path / "train.csv"), dev_path=str(tmp_path / "dev.csv")), LABELLED)


def test_missing_start_of_line_aligned_files_names_the_nearest(tmp_path: Path) -> None:
    make(tmp_path, "train.en", "train.de")
    with pytest.raises(UserError, match=r"trian\.en and trian\.de") as caught:
        single_sources(Data(path=str(tmp_path / "trian")), PAIRS)
    assert f"data.path={tmp_path / 'train'}" in str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        single_sources(Data(path=str(tmp_path / "nowhere" / "train.csv")), LABELLED)


def test_folder_where_a_file_belongs(tmp_path: Path) -> None:
    make(tmp_path, "train.csv")
    with pytest.raises(UserError, match="dev_path is a folder"):
        single_sources(Data(path=str(tmp_path / "train.csv"), dev_path=str(tmp_path)), LABELLED)


def test_patterns_and_lists_name_several_files(tmp_path: Path) -> None:
    make(tmp_path, "b.csv", "a.csv", "c.jsonl", "t1.csv", "t2.csv", "deep.csv")
    given = Data(path=(str(tmp_path / "c.jsonl"), str(tmp_path / "[ab].csv")), test_path=str(tmp_path / "t*"))
    found = find_split_files(given, LABELLED)
    assert [path.name for source in found["train"] for path in source.paths] == ["c.jsonl", "a.csv", "b.csv"]
    assert [source.format for source in found["train"]] == ["jsonl", "csv", "csv"]
    assert [path.name for source in found["test"] for path in source.paths] == ["t1.csv", "t2.csv"]


def test_a_pattern_reaches_into_folders(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        make(tmp_path / name, f"{name}.csv")
    found = find_split_files(Data(path=str(tmp_path / "**" / "*.csv")), LABELLED)
    assert [path.name for source in found["train"] for path in source.paths] == ["x.csv", "y.csv"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    make(tmp_path, "a[1].csv")
    assert names(single_sources(Data(path=str(tmp_path / "a[1].csv")), LABELLED)) == {"train": ["a[1].csv"]}


def test_a_pattern_without_a_match_says_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    with pytest.raises(UserError, match="no file matches") as caught:
        find_split_files(Data(path=str(tmp_path / "*.tsv")), LABELLED)
    assert "a.csv" in str(caught.value)


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file is named"):
        find_split_files(Data(path=()), LABELLED)


def test_every_file_of_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_split_files(Data(path=(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))), LABELLED)
    assert str(caught.value).count("there is no file") == 2


def test_a_pipe_is_called_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/null")):
        with pytest.raises(UserError, match="is no file but a pipe or a device") as caught:
            find_split_files(Data(path=str(path)), LABELLED)
        assert f"data.path={path}" in str(caught.value)


@pytest.mark.parametrize("key", ["path", "dev_path", "function", "name"])
def test_an_empty_key_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=f"data.{key}: it is empty"):
        compose(["recipe=sst2", *([] if key == "path" else ["data.path=a.csv"]), f"data.{key}="])


def test_a_file_of_evaluation_is_dev_where_nothing_else_is(tmp_path: Path) -> None:
    for name in ("training", "testing", "evaluation"):
        (tmp_path / f"{name}.csv").write_text("text,label\nx,a\n")
    found = find_split_files(Data(path=str(tmp_path)), LABELLED)
    assert {split: [source.name for source in sources] for split, sources in found.items()} == {
        split: [str(tmp_path / f"{name}.csv")]
        for split, name in (("train", "training"), ("dev", "evaluation"), ("test", "testing"))
    }
    (note,) = [note for note in load_data(Data(path=str(tmp_path)), LABELLED).notes if "evaluation" in note]
    assert note.startswith("evaluation.csv is read as the dev split")
    named = Data(path=str(tmp_path), dev_path=str(tmp_path / "evaluation.csv"))
    assert not [note for note in load_data(named, LABELLED).notes if "read as the dev split" in note]


def test_files_that_are_not_used_are_named(tmp_path: Path) -> None:
    for name in ("train", "test", "validation", "evaluation", "more"):
        (tmp_path / f"{name}.csv").write_text("text,label\nx,a\n")
    (note,) = [note for note in load_data(Data(path=str(tmp_path)), LABELLED).notes if "not used" in note]
    assert note.endswith("evaluation.csv, more.csv")
