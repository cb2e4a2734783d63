"""The encoding of a file: told where it is sure, asked for where it is not."""

import gzip
from pathlib import Path

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.data.files.encodings import find_encoding
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))


def find(folder: Path, content: bytes) -> str:
    (folder / "a.txt").write_bytes(content)
    return find_encoding(folder / "a.txt")


@pytest.mark.parametrize(
    ("text", "written", "told"),
    [
        ("caf\u00e9", "utf-8", "utf-8"),
        ("plain", "ascii", "utf-8"),
        ("text,label\nabc,d\n", "utf-16", "utf-16"),
        ("text,label\nabc,d\n", "utf-16-le", "utf-16-le"),
        ("text,label\nabc,d\n", "utf-16-be", "utf-16-be"),
        ("text,label\n", "utf-32", "utf-32"),
        ("it was \u201cgreat\u201d, wasn\u2019t it? 5 \u20ac \u2013 fine\u2026", "cp1252", "cp1252"),
        ("Sch\u00f6ne Gr\u00fc\u00dfe aus M\u00fcnchen", "cp1252", "cp1252"),
        (
            "Le gar\u00e7on a mang\u00e9 une pomme \u00e0 l'\u00e9cole pour les amis des \u00eeles",
            "cp1252",
            "cp1252",
        ),
        ("El ni\u00f1o comi\u00f3 una manzana para los sue\u00f1os del a\u00f1o que viene", "latin-1", "cp1252"),
    ],
)
def test_what_is_sure_is_told(tmp_path: Path, text: str, written: str, told: str) -> None:
    assert find(tmp_path, text.encode(written)) == told
    assert text.encode(written).decode(told) in (text, "\ufeff" + text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u0444\u0438\u043b\u044c\u043c", "cp1251"),
        ("za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144", "cp1250"),
        ("p\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148", "cp1250"),
        ("G\u00fczel bir film, \u00e7ok be\u011fendim ama k\u00f6t\u00fcyd\u00fc \u015fimdi", "cp1254"),
        ("caf\u00e9 cr\u00e8me", "mac_roman"),
        ("Le gar\u00e7on a mang\u00e9 une pomme et la for\u00eat", "cp850"),
        ("\u4eca\u5929\u5929\u6c14\u5f88\u597d", "gb18030"),
        ("\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044", "shift_jis"),
        ("na\u00efve p\u00e8re", "cp1252"),
        ("\u010de je \u010dlovek in se da priti do na\u0161e hi\u0161e", "cp1250"),
        ("c\u0103 la mas\u0103 \u00een de un se o", "cp1250"),
        ("\u00fcber der Tisch und die Bank ist nicht da", "mac_roman"),
        ("un caf\u00e9 pour les uns, une th\u00e9 dans des tasses", "cp850"),
    ],
)
def test_what_is_not_sure_is_asked_for_with_readings(tmp_path: Path, text: str, written: str) -> None:
    with pytest.raises(UserError, match="its encoding cannot be told for sure") as caught:
        find(tmp_path, b"text,label\n" + text.encode(written) + b",pos\n")
    assert f"{tmp_path / 'a.txt'}, line 2" in str(caught.value)
    assert "data.encoding=" in str(caught.value)


def test_the_right_reading_is_shown(tmp_path: Path) -> None:
    text = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u770b\u7535\u5f71\u3002"
    with pytest.raises(UserError) as caught:
        find(tmp_path, text.encode("gb18030") * 5)
    assert "gb18030" in str(caught.value)
    assert text in str(caught.value)


def test_a_packed_file_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("Sch\u00f6n".encode("cp1252")))
    assert find_encoding(tmp_path / "a.txt.gz") == "cp1252"


def write(folder: Path, encoding: str) -> str:
    rows = "".join(f"It was \u201cgreat\u201d number {number},{'ab'[number % 2]}\n" for number in range(20))
    (folder / "a.csv").write_bytes(f"text,label\n{rows}".encode(encoding))
    return str(folder / "a.csv")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_file_is_read_in_its_encoding_and_that_is_said(tmp_path: Path, encoding: str, streaming: bool) -> None:
    found = load_data(Data(path=write(tmp_path, encoding), streaming=streaming), FIELDS)
    assert found.train["text"][0] == "It was \u201cgreat\u201d number 0"
    assert f"{tmp_path / 'a.csv'}: read as {encoding} (data.encoding)" in found.notes


def read(path: str, encoding: str | None) -> LoadedData:
    return load_data(Data(path=path, encoding=encoding), FIELDS)


def test_utf_8_is_not_worth_a_word(tmp_path: Path) -> None:
    assert not any("read as" in note for note in read(write(tmp_path, "utf-8"), None).notes)


def test_the_encoding_that_is_given_is_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not utf-8") as caught:
        read(write(tmp_path, "cp1252"), "utf-8")
    assert "data.encoding=cp1252" in str(caught.value)


def test_signs_of_windows_that_are_read_as_latin_1_are_told(tmp_path: Path) -> None:
    notes = read(write(tmp_path, "cp1252"), "latin-1").notes
    assert any("data.encoding=cp1252 reads the quotation marks" in note for note in notes)


def test_aligned_files_in_different_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_bytes("fine\n".encode("utf-16"))
    (tmp_path / "train.de").write_text("gut\n")
    fields = (Field("source", "text", "en"), Field("target", "text", "de"))
    with pytest.raises(UserError, match="line-aligned files are in different encodings"):
        load_data(Data(path=str(tmp_path / "train")), fields)
