"""Rows of every format, one after another, whatever is wrong with some."""

import csv
import gzip
import io
import json
import os
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import Field
from finetune.data.files import json_stream, read_files
from finetune.errors import UserError
from finetune.recipe import Data
from finetune.serve import BadRow, Input, reading
from finetune.serve.examples import InputRow, read_example
from finetune.serve.reading import open_rows
from tests.serve.conftest import Endless

TEXT = (Field("text", "text", "text"),)


def read(path: Path, content: str | bytes, fields: tuple[Field, ...] = TEXT, **options: Any) -> list[InputRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_rows(Input(path, **options), fields) as rows:
        return list(rows)


def reason(row: InputRow, fields: tuple[Field, ...] = TEXT) -> str:
    problem = read_example(row, fields, "utf-8")
    assert isinstance(problem, BadRow)
    return problem.reason


def test_csv_cells_may_hold_lines_quotes_and_delimiters(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", 'id,text\n1,"a, ""b""\nc"\n\n2,d\n')
    assert [(row.number, row.columns) for row in rows] == [
        (2, {"id": "1", "text": 'a, "b"\nc'}),
        (5, {"id": "2", "text": "d"}),
    ]


def test_broken_csv_rows_cost_no_others(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", 'id,text\n1,a\n2,"b"c\n3\n4,d,e\n5,"never closed\n6,f\n')
    assert [row.columns.get("id") for row in rows] == ["1", None, None, None, None, "6"]
    assert [row.number for row in rows] == [2, 3, 4, 5, 6, 7]
    for row, expected in zip(rows[1:5], ["broken quoting", "1 cell in", "3 cells in", "broken quoting"], strict=True):
        assert expected in reason(row)


def test_an_open_quote_does_not_swallow_the_rest_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LONGEST_CSV", 5)
    rows = read(tmp_path / "a.csv", 'text\n"open\n' + "row\n" * 20)
    assert "does not end within 5 lines" in reason(rows[0])
    assert [row.columns for row in rows[1:]] == [{"text": "row"}] * 20


def test_tsv_takes_quotes_as_they_stand(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.tsv", 'text\tid\n"a\t1\nb"\t2\n')
    assert [row.columns["text"] for row in rows] == ['"a', 'b"']


def test_other_delimiters_and_repeated_names(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.csv", "text;;\na;1;2\n", delimiter=";")
    assert rows[0].columns == {"text": "a", "": "1", "_2": "2"}


def test_json_lines(tmp_path: Path) -> None:
    lines = ['{"text": "a", "n": 1}', "", "{broken", "[1]", '{"text": 5}', '{"text": true}', '{"text": null}', "{}"]
    rows = read(tmp_path / "a.jsonl", "\n".join([*lines, '{"text": "half \\ud800"}']))
    assert [row.number for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert read_example(rows[0], TEXT, "utf-8") == {"text": "a"}
    assert read_example(rows[3], TEXT, "utf-8") == {"text": "5"}
    wrong = [reason(row) for row in (*rows[1:3], *rows[4:])]
    expected = ["broken JSON", "no JSON object", "does not hold text", "no text in", "no column 'text'", "surrogate"]
    for found, words in zip(wrong, expected, strict=True):
        assert words in found


@pytest.mark.parametrize("chunk", [1, 7, 2**16])
@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "a, ]"}, 12345, {"text": "b\\n", "n": [1, {}]}]',
        ' \n[ {"text": "a, ]"}\n,12345,\n{"text": "b\\n", "n": [1, {}]} ]\n',
        '{"text": "a, ]"}\n12345\n{\n"text": "b\\n", "n": [1, {}]\n}\n',
    ],
)
def test_objects_in_a_list_or_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, chunk: int
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    rows = read(tmp_path / "a.json", content)
    assert [row.columns for row in rows] == [{"text": "a, ]"}, {}, {"text": "b\n", "n": [1, {}]}]
    assert [row.place for row in rows] == ["row 1", "row 2", "row 3"]
    assert "no JSON object: 12345" in reason(rows[1])
    assert read(tmp_path / "a.json", "[]") == read(tmp_path / "a.json", " \n") == []


def test_of_a_long_list_little_is_held(endless: Endless, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LONGEST_JSON", 1000)
    endless.line = b'[{"text": "a"},' + b'{"text": "a"},' * 99
    with open_rows(Input(None, "json"), TEXT) as rows:
        assert len(list(islice(rows, 100))) == 100
        assert endless.taken <= 4 * json_stream._CHUNK
        endless.line = b'{"text": "' + b"a" * 10_000
        with pytest.raises(UserError, match="the JSON is broken"):
            list(rows)


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None, "c"] * 1000, "tags": [["x"]] * 3000})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=700)
    with open_rows(Input(tmp_path / "a.parquet"), TEXT) as rows:
        assert rows.header == ("text", "tags")
        read_rows = list(rows)
    assert len(read_rows) == 3000
    assert read_rows[0] == InputRow(1, {"text": "a", "tags": ["x"]}, unit="row")
    assert "no text" in reason(read_rows[2999 - 1])
    with pytest.raises(UserError, match="parquet is read from a file alone"), open_rows(Input(None, "parquet"), TEXT):
        pass


def test_files_without_a_header(tmp_path: Path) -> None:
    for name, content in (("a.csv", "1,a\n2,b\n"), ("a.tsv", "1\ta\n2\tb\n")):
        rows = read(tmp_path / name, content, column_names=("id", "text"))
        assert [(row.number, row.columns["text"]) for row in rows] == [(1, "a"), (2, "b")]


def test_lines_of_text_keep_their_numbers(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.txt", "a\u2028b\r\n\nc")
    assert [(row.number, row.columns["text"]) for row in rows] == [(1, "a\u2028b"), (2, ""), (3, "c")]
    assert "no text" in reason(rows[1])


def test_bytes_that_are_no_text_are_one_rows_affair(tmp_path: Path) -> None:
    for name, content in (("a.txt", b"good\nb\xe9d\n"), ("a.csv", b"text,x\ngood,1\nb\xe9d,2\nfine,\xe9\n")):
        rows = read(tmp_path / name, content)
        assert "is not utf-8: the byte 0xe9" in reason(rows[1])
        assert all(not isinstance(read_example(row, TEXT, ""), BadRow) for row in (rows[0], *rows[2:]))
    assert read(tmp_path / "a.txt", b"b\xe9d", encoding="latin-1")[0].columns["text"] == "béd"


def test_byte_order_marks_and_packed_files(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", b"\xef\xbb\xbftext\na\n")[0].columns == {"text": "a"}
    assert read(tmp_path / "a.txt", "é".encode("utf-16"), encoding="utf-16")[0].columns == {"text": "é"}
    assert read(tmp_path / "a.txt.gz", gzip.compress(b"a\nb\n"))[1].columns == {"text": "b"}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.csv", "review\na\n", {}, "there is no column 'text'"),
        ("a.csv", "text,text\na,b\n", {}, "the column 'text' occurs twice"),
        ("a.csv", "", {}, "the file is empty"),
        ("a.csv", "a;text\n", {"delimiter": ";;"}, "a delimiter is one character"),
        ("a.txt", "é".encode("utf-16"), {}, "the file is not utf-8"),
        ("a.txt", b"a", {"encoding": "utf-9"}, "there is no text encoding 'utf-9'"),
        ("a.txt", b"\xff\xfea", {"encoding": "utf-16"}, "the file is not utf-16"),
        ("a.txt.gz", b"a", {}, "the file cannot be unpacked"),
        ("a.docx", b"[]", {}, "the format is not known"),
        ("a.json", '[{"text": "a"}, {"text": "b"', {}, "the JSON is broken after 1 objects"),
        ("a.json", '[{"text": "a"}, {"text": b}]', {}, "the JSON is broken after 1 objects"),
        ("a.json", '{"text": "a"} ]', {}, "the JSON is broken after 1 objects"),
        ("a.json", '[{"text": "a"}', {}, "the JSON is broken after 1 objects"),
        ("a.parquet", b"PAR1", {}, "the file is not valid parquet"),
        ("a.parquet.gz", gzip.compress(b"a"), {}, "the file is not valid parquet"),
        ("a.csv", "a good film,pos\n", {}, r"data.column_names=\[...\] where the file has no header"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: str | bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, content, **options)


def test_no_file_and_too_many_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"), open_rows(Input(tmp_path / "none.txt"), TEXT):
        pass
    with pytest.raises(UserError, match="lines of text hold one column"):
        read(tmp_path / "a.txt", "a", (*TEXT, Field("text_pair", "text", "second")))
    with pytest.raises(UserError, match="the format is not known"), open_rows(Input(None), TEXT):
        pass


def test_no_more_is_read_than_asked_for(endless: Endless) -> None:
    with open_rows(Input(None, "jsonl"), TEXT) as rows:
        assert len(list(islice(rows, 100))) == 100
        few = endless.taken
        assert len(list(islice(rows, 10_000))) == 10_000
    assert few <= 4 * io.DEFAULT_BUFFER_SIZE
    assert endless.taken - few <= 10_000 * len(endless.line) + 4 * io.DEFAULT_BUFFER_SIZE


def test_training_and_prediction_read_the_same_rows(tmp_path: Path) -> None:
    values = [{"text": f'a "{number}", b', "id": str(number)} for number in range(5)]
    lines = ["text\tid", *("\t".join(row.values()) for row in values)]
    table = io.StringIO()
    csv.writer(table).writerows([("text", "id"), *(row.values() for row in values)])
    contents = {
        "csv": table.getvalue(),
        "tsv": "\n".join(lines),
        "jsonl": "\n\n".join(json.dumps(row) for row in values),
        "json": json.dumps(values, indent=1),
    }
    fields = (*TEXT, Field("id", "text", "id"))
    for ending, content in contents.items():
        path = tmp_path / f"a.{ending}"
        predicted = [row.columns for row in read(path, content)]
        trained = read_files(Data(path=str(path)), fields)["train"]
        columns = {name: list(trained.columns[name]) for name in ("text", "id")}
        assert predicted == values
        assert columns == {name: [row[name] for row in values] for name in ("text", "id")}


def test_lines_that_end_with_a_carriage_return_alone(tmp_path: Path) -> None:
    for name, content in (("a.txt", "a\rb\r"), ("a.tsv", "text\tid\ra\t1\rb\t2\r"), ("a.csv", "text\ra\rb\r")):
        assert [row.columns["text"] for row in read(tmp_path / name, content)] == ["a", "b"]


def test_a_second_list_is_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the JSON is broken after 1 objects") as caught:
        read(tmp_path / "a.json", '[{"text": "a"}]\n[{"text": "b"}]')
    assert "a.json, line 2, column 1" in str(caught.value)
    assert "Extra data" in str(caught.value)


def test_the_header_is_broken(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quoting is broken") as caught:
        read(tmp_path / "a.csv", '"text"x,id\na,1\n')
    assert "a.csv, line 1" in str(caught.value)
    assert "--format tsv" in str(caught.value)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("text\na\nb\n",))
    writer.start()
    with open_rows(Input(pipe, "csv"), TEXT) as rows:
        assert [row.columns["text"] for row in rows] == ["a", "b"]
        assert rows.position == 0
    writer.join()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_the_position_is_that_in_the_file_on_the_disk(tmp_path: Path, name: str) -> None:
    content = b"text\n" + b"some text\n" * 1000
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with open_rows(Input(path), TEXT) as rows:
        assert len(list(rows)) == 1000
        assert rows.position == path.stat().st_size
