import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from finetune.data.batched import ROWS
from finetune.data.files import all_columns
from finetune.data.files.all_columns import FirstRows, read_first_rows
from finetune.data.files.find import SplitFiles
from finetune.errors import UserError
from finetune.recipe import Data


def first(path: Path, format_: str, **keys: object) -> FirstRows:
    return read_first_rows(SplitFiles(format_, (path,)), Data(path=str(path), **keys))


def test_a_table_has_all_its_columns_whatever_separates_them(tmp_path: Path) -> None:
    for delimiter in ",;\t|":
        path = tmp_path / "a.csv"
        path.write_text(f"text{delimiter}label\ngood, or so{delimiter}1\n".replace(", or", " or"))
        found = first(path, "csv")
        assert found.columns == {"text": ["good or so"], "label": ["1"]}
        assert (found.data.delimiter or ",") == delimiter
        assert found.is_whole


def test_a_column_that_occurs_twice_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,a\n1,2,3\n")
    assert first(tmp_path / "a.csv", "csv").columns == {"b": ["2"]}
    (tmp_path / "b.csv").write_text("a,a\n1,2\n")
    assert first(tmp_path / "b.csv", "csv").columns == {}


def test_large_files_are_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "good\n" * (ROWS + 5))
    (tmp_path / "a.jsonl").write_text('{"text": "good"}\n' * (ROWS + 5))
    (tmp_path / "a.json").write_text(json.dumps([{"text": "good"}] * (ROWS + 5)))
    pq.write_table(pa.table({"text": ["good"] * (ROWS + 5)}), tmp_path / "a.parquet")
    for format_ in ("csv", "jsonl", "json", "parquet"):
        found = first(tmp_path / f"a.{format_}", format_)
        assert len(found) == ROWS
        assert not found.is_whole


def test_nothing_is_read_behind_the_first_objects(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" + '{"text": "good"}, ' * ROWS + "broken")
    assert len(first(tmp_path / "a.json", "json")) == ROWS


def test_inner_columns_have_dotted_names(tmp_path: Path) -> None:
    rows = [{"translation": {"en": "good", "de": "gut"}, "id": 1}]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    expected = {"translation.en": ["good"], "translation.de": ["gut"], "id": [1]}
    assert first(tmp_path / "a.json", "json").columns == expected
    assert first(tmp_path / "a.parquet", "parquet").columns == expected
    assert first(tmp_path / "saved", "saved").columns == expected


def test_damaged_values(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [*pa.array(["a"]).buffers()[:2], pa.py_buffer(b"\x80")])
    pq.write_table(pa.table({"text": broken}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="the file is not valid parquet"):
        first(tmp_path / "a.parquet", "parquet")
    pq.write_table(pa.table({"day": pa.array([10**15], pa.timestamp("s"))}), tmp_path / "b.parquet")
    with pytest.raises(UserError, match="the file holds values that cannot be read"):
        first(tmp_path / "b.parquet", "parquet")


def test_conll_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Ada N B-PER\nruns V O\n\nShe P O\n")
    found = first(path, "conll")
    assert found.columns == {
        "tokens": [["Ada", "runs"], ["She"]],
        "column_2": [["N", "V"], ["P"]],
        "labels": [["B-PER", "O"], ["O"]],
    }
    table = tmp_path / "a.tsv"
    table.write_text("Ada\tB-PER\nruns\tO\n\nShe\tO\n")
    assert first(table, "tsv").source.format == "conll"
    path.write_text("".join(f"{n}\tw{n}" + "\tx" * 8 + "\n" for n in (1, 2)))
    assert list(first(path, "conll").columns)[:4] == ["id", "form", "lemma", "upos"]


def test_long_files_of_conll_columns_are_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_columns, "_MOST_LINES", 4)
    path = tmp_path / "a.conll"
    path.write_text("a O\n\n" * 5)
    found = first(path, "conll")
    assert len(found) == 2
    assert not found.is_whole


def test_one_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ada\nruns\n")
    with pytest.raises(UserError, match="only one column"):
        first(tmp_path / "a.conll", "conll")


def test_spans_become_words(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Ada runs", "label": [[0, 3, "PER"]]}\n')
    found = first(tmp_path / "a.jsonl", "jsonl")
    assert found.columns["tokens"] == [["Ada", "runs"]]
    assert found.columns["labels"] == [["B-PER", "O"]]


def test_memories_have_a_column_for_each_language(tmp_path: Path) -> None:
    def variant(language: str, text: str) -> str:
        return f'<tuv xml:lang="{language}"><seg>{text}</seg></tuv>'

    unit = variant("en", "good") + variant("de", "gut")
    (tmp_path / "a.tmx").write_text(f"<tmx><body><tu>{unit}</tu></body></tmx>")
    assert first(tmp_path / "a.tmx", "tmx").columns == {"en": ["good"], "de": ["gut"]}


def test_line_aligned_files(tmp_path: Path) -> None:
    paths = []
    for language, text in (("en", "good\n"), ("de", "gut\n")):
        paths.append(tmp_path / f"train.{language}.gz")
        paths[-1].write_bytes(gzip.compress(text.encode()))
    found = read_first_rows(SplitFiles("parallel", tuple(paths)), Data(path="train"), ["en", "de"])
    assert found.columns == {"en": ["good"], "de": ["gut"]}


def test_wide_tables_are_read_in_part(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(300)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join(names) + "\n")
    found = first(tmp_path / "a.csv", "csv")
    assert len(found.columns) == 200
    assert "the first 200 of 300 columns" in found.notes[-1]
