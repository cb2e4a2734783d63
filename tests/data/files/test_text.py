"""Text files: encodings, packing, and the byte that is wrong."""

import gzip
import io
import sys
from pathlib import Path

import pytest

from finetune.data.files.options import COMMAND_OPTIONS
from finetune.data.files.text import STDIN, TextSource, guarded, open_text, read_lines
from finetune.errors import UserError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "gb18030"])
@pytest.mark.parametrize("suffix", [".txt", ".gz"])
def test_lines_come_back_in_every_encoding(tmp_path: Path, encoding: str, suffix: str) -> None:
    lines = ["caf\u00e9\n", "two\r\n", "last"]
    content = "".join(lines).encode(encoding)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".gz" else content)
    assert list(read_lines(path, "utf-8" if encoding == "utf-8-sig" else encoding)) == lines


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    content = "one\rstill one\u2028and\x0bone\x85\ntwo\n"
    path.write_bytes(content.encode())
    assert list(read_lines(path, "utf-8")) == ["one\rstill one\u2028and\x0bone\x85\n", "two\n"]


def test_wrong_encoding_names_line_and_byte_and_proposes_another(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    start = b"x" * 20_000 + b"\n"
    path.write_bytes(start + "caf\u00e9\n".encode("latin-1"))
    with pytest.raises(UserError, match="not utf-8") as caught:
        list(read_lines(path, "utf-8"))
    message = str(caught.value)
    assert "line 2" in message
    assert f"byte {len(start) + len('caf'):,} " in message
    assert "0xe9" in message
    assert "data.encoding=latin-1" in message


@pytest.mark.parametrize("suffix", [".txt", ".gz"])
def test_utf_16_is_proposed_where_its_mark_stands(tmp_path: Path, suffix: str) -> None:
    content = "text".encode("utf-16")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".gz" else content)
    with pytest.raises(UserError, match=r"data\.encoding=utf-16"):
        list(read_lines(path, "utf-8"))


def test_unknown_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    with pytest.raises(UserError, match="no text encoding 'utf9'"):
        list(read_lines(path, "utf9"))


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    with pytest.raises(UserError, match="file is empty") as caught:
        list(read_lines(path, "utf-8"))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"not packed", gzip.compress(b"cut short" * 100)[:-20]])
def test_broken_gz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as caught:
        list(read_lines(path, "utf-8"))
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read") as caught:
        list(read_lines(tmp_path / "none.txt", None))
    assert caught.value.where == str(tmp_path / "none.txt")


def lenient(path: Path | None, encoding: str = "utf-8") -> TextSource:
    return TextSource(path, encoding, "surrogateescape", COMMAND_OPTIONS)


def test_prediction_reads_empty_files_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content, expected in ((b"", ""), (b"caf\xe9", "caf\udce9")):
        path.write_bytes(content)
        with open_text(lenient(path)) as text:
            assert text.read() == expected


@pytest.mark.parametrize(
    ("content", "encoding", "option"),
    [
        (b"a", "utf9", "--encoding"),
        ("a".encode("utf-16"), "utf-8", "--encoding utf-16"),
        (b"a\x80b", "utf-16", "--encoding cp1252"),
    ],
)
def test_messages_name_the_option_of_the_entrance(tmp_path: Path, content: bytes, encoding: str, option: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    source = lenient(path, encoding)
    with pytest.raises(UserError) as caught, open_text(source) as text:
        list(guarded(text, source))
    assert option in str(caught.value)
    assert "data.encoding" not in str(caught.value)


def test_standard_input_stays_open_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"a\nb\n"))))
    source = lenient(None)
    with open_text(source) as text:
        lines = guarded(text, source)
        assert next(lines) == "a\n"
        del lines
    assert not sys.stdin.buffer.closed
    assert source.name == STDIN


def test_errors_of_a_caller_are_not_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    with pytest.raises(BrokenPipeError), open_text(lenient(path)):
        raise BrokenPipeError
