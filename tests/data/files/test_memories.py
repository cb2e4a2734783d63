"""Translation memories: TMX and XLIFF."""

import gzip
from pathlib import Path

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("source", "text", "en"), Field("target", "text", "de"))
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>{}</body></tmx>"""
UNIT = (
    '<tu><tuv xml:lang="en-US"><seg>good <bpt i="1">&lt;b&gt;</bpt>day<ept i="1">&lt;/b&gt;</ept> {0}</seg></tuv>'
    '<tuv xml:lang="de-DE"><seg>guten <hi>Tag</hi> {0}</seg></tuv></tu>'
)
XLIFF_1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en" target-language="de"><body>{}</body></file></xliff>"""
UNIT_1 = (
    '<trans-unit id="{0}"><source>good <g id="1">day</g> {0}<x id="2"/></source>'
    "<target>guten Tag {0}</target></trans-unit>"
)
XLIFF_2 = """<xliff version="2.0" srcLang="en" trgLang="de" xmlns="urn:oasis:names:tc:xliff:document:2.0">
<file id="f">{}</file></xliff>"""
UNIT_2 = (
    '<unit id="{0}"><segment><source>good <pc id="1">day</pc> {0}</source>'
    "<target>guten Tag {0}</target></segment></unit>"
)


def read(folder: Path, name: str, document: str, units: list[str]) -> LoadedData:
    content = document.format("\n".join(units)).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return load_data(Data(path=str(folder / name)), FIELDS)


@pytest.mark.parametrize(
    ("name", "document", "unit"),
    [
        ("a.tmx", TMX, UNIT),
        ("a.tmx.gz", TMX, UNIT),
        ("a.xlf", XLIFF_1, UNIT_1),
        ("a.xliff", XLIFF_2, UNIT_2),
    ],
)
def test_texts_are_read_without_markup(tmp_path: Path, name: str, document: str, unit: str) -> None:
    found = read(tmp_path, name, document, [unit.format(number) for number in range(20)])
    rows = found.train.to_list()
    assert len(rows) == 16
    assert all(row["source"] == f"good day {row['id']}" for row in rows)
    assert all(row["target"] == f"guten Tag {row['id']}" for row in rows)


def test_regions_stand_for_a_language_and_that_is_said(tmp_path: Path) -> None:
    units = [UNIT.format(number) for number in range(20)]
    assert f"{tmp_path / 'a.tmx'}: en is en-US; de is de-DE" in read(tmp_path, "a.tmx", TMX, units).notes


def test_units_without_both_languages_are_left_out_and_counted(tmp_path: Path) -> None:
    units = [UNIT.format(number) for number in range(20)]
    units[3:3] = ['<tu><tuv xml:lang="en"><seg>alone</seg></tuv><tuv xml:lang="de"><seg> </seg></tuv></tu>']
    found = read(tmp_path, "a.tmx", TMX, units)
    assert len(found.train) + len(found.dev) + len(found.test) == 20
    assert any("1 unit without a text in each of en, de left out" in note for note in found.notes)
    assert found.where("train", 3).endswith("row 4 (counted from 0)")


def test_targets_that_wait_for_a_translation_are_left_out(tmp_path: Path) -> None:
    units = [UNIT_1.format(number) for number in range(20)]
    units.append(UNIT_1.format(20).replace("<target>", '<target state="needs-translation">'))
    found = read(tmp_path, "a.xlf", XLIFF_1, units)
    assert len(found.train) + len(found.dev) + len(found.test) == 20


def test_other_languages_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no unit has a text in each of en, de") as caught:
        read(tmp_path, "a.tmx", TMX, [UNIT.format(1).replace("de-DE", "fr-FR")])
    assert "1 unit in en-US, fr-FR" in str(caught.value)


def test_broken_xml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the file is no tmx") as caught:
        read(tmp_path, "a.tmx", TMX, ["<tu>\n</seg>"])
    assert f"{tmp_path / 'a.tmx'}, line 4" in str(caught.value)


def test_entities_that_grow_are_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    document = f'<!DOCTYPE tmx [<!ENTITY e0 "aaaaaaaaaa">{entities}]><tmx><body>' + "{}</body></tmx>"
    with pytest.raises(UserError, match="the file is no tmx"):
        read(tmp_path, "a.tmx", document, [UNIT.format("&e9;")])
