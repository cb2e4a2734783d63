from pathlib import Path

from finetune.data.files.all_columns import read_first_rows
from finetune.drafting import reading_facts
from finetune.drafting.sources import find_data_files
from tests.drafting.files import WRITERS
from tests.drafting.tables import values


def facts(path: Path) -> tuple[dict[str, object], tuple[str, ...]]:
    files = find_data_files(str(path), {}, (None, None))
    rows = read_first_rows(files.train, files.data)
    return values(reading_facts.keys(files, rows)), reading_facts.sentences(files, rows)


def test_a_usual_file_needs_no_keys(tmp_path: Path) -> None:
    path = WRITERS["csv"](tmp_path)
    found, (sentence,) = facts(path)
    assert found == {}
    assert sentence == f"{path}: csv, utf-8, separated by commas, with a header; 120 rows; columns review, stars"


def test_what_was_found_out_is_written_and_said(tmp_path: Path) -> None:
    found, sentences = facts(WRITERS["cp1252"](tmp_path))
    assert found == {"data.encoding": "cp1252", "data.delimiter": ";"}
    assert "cp1252, separated by semicolons" in sentences[0]
    assert any("read as cp1252" in sentence for sentence in sentences)


def test_several_files_are_left_to_training(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        WRITERS["semicolons"](tmp_path).rename(tmp_path / f"{name}.csv")
    found, sentences = facts(tmp_path)
    assert found == {}
    assert "files for dev are there" in sentences


def test_files_that_are_not_looked_at_are_counted(tmp_path: Path) -> None:
    for name in ("a1", "a2", "a3"):
        WRITERS["csv"](tmp_path).rename(tmp_path / f"{name}.csv")
    assert "2 further files of train: not looked at" in facts(Path(f"{tmp_path}/a*.csv"))[1]
