"""Text files: encodings, packing, and the byte that is wrong."""

import gzip
from pathlib import Path

import pytest

from finetune.data.files.text import read_lines
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
