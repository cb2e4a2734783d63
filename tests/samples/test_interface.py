import json
import re
import sys
import zipfile
from itertools import product
from pathlib import Path
from string import ascii_lowercase

import pytest

from finetune.errors import MissingExtra, UserError
from finetune.samples.interface import MOST_WORDS, convert_interface, load_interface
from finetune.samples.split import SampleRow

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
FILLER = "".join(f'msgid "filler {a}{b}"\nmsgstr "Füller {a}{b}"\n\n' for a, b in product(ascii_lowercase, repeat=2))
"""Enough strings for each split to get some."""


def gettext_wheel(folder: Path, **catalogues: str) -> Path:
    """A wheel with a catalogue for each language, named by language."""
    path = folder / "gettext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for language, entries in catalogues.items():
            file.writestr(f"app/conf/locale/{language}/LC_MESSAGES/django.po", HEADER + FILLER + entries)
    return path


def json_wheel(folder: Path, **strings: object) -> Path:
    path = folder / "json-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for language, content in strings.items():
            file.writestr(f"home/components/lamp/translations/{language}.json", json.dumps(content))
    return path


def all_rows(wheels: list[Path], *languages: str) -> list[SampleRow]:
    return [row for rows in convert_interface(wheels, languages).values() for row in rows]


def german(*wheels: Path) -> dict[object, object]:
    """English strings and their German translations, without the filler."""
    pairs = {row["en"]: row["de"] for row in all_rows(list(wheels), "en", "de")}
    return {english: text for english, text in pairs.items() if not str(english).startswith("filler")}


def test_confirmed_translations_are_taken_and_placeholders_kept(tmp_path: Path) -> None:
    entries = """
msgid "Delete %(name)s?"
msgstr "%(name)s löschen?"

#, fuzzy
msgid "Unsure"
msgstr "Unsicher"

msgid "Nobody has translated this"
msgstr ""

#~ msgid "Obsolete"
#~ msgstr "Veraltet"
"""
    assert german(gettext_wheel(tmp_path, de=entries)) == {"Delete %(name)s?": "%(name)s löschen?"}


def test_two_plural_forms_make_two_pairs(tmp_path: Path) -> None:
    entries = 'msgid "one page"\nmsgid_plural "%d pages"\nmsgstr[0] "eine Seite"\nmsgstr[1] "%d Seiten"\n'
    assert german(gettext_wheel(tmp_path, de=entries)) == {"one page": "eine Seite", "%d pages": "%d Seiten"}


def test_other_numbers_of_plural_forms_are_left_out(tmp_path: Path) -> None:
    entries = 'msgid "one page"\nmsgid_plural "%d pages"\nmsgstr[0] "a"\nmsgstr[1] "b"\nmsgstr[2] "c"\n'
    assert german(gettext_wheel(tmp_path, de=entries)) == {}


def test_of_several_translations_the_most_frequent_is_kept_then_the_first(tmp_path: Path) -> None:
    entries = "".join(
        f'msgctxt "{context}"\nmsgid "{source}"\nmsgstr "{target}"\n\n'
        for context, source, target in [
            ("1", "Save", "Retten"),
            ("2", "Save", "Speichern"),
            ("3", "Save", "Speichern"),
            ("1", "May", "Mai"),
            ("2", "May", "Dürfen"),
        ]
    )
    assert german(gettext_wheel(tmp_path, de=entries)) == {"Save": "Speichern", "May": "Mai"}


def test_blanks_are_mended_and_what_teaches_nothing_is_dropped(tmp_path: Path) -> None:
    long = " ".join(["word"] * (MOST_WORDS + 1))
    pairs = {" two\\n  lines ": " zwei\\nZeilen", "Status": "Status", "100%": "100 %", "T": "Di", long: "lang"}
    entries = "".join(f'msgid "{source}"\nmsgstr "{target}"\n\n' for source, target in pairs.items())
    assert german(gettext_wheel(tmp_path, de=entries)) == {"two lines": "zwei Zeilen"}


def test_json_translations_are_paired_by_key(tmp_path: Path) -> None:
    english = {"title": "Lamp", "state": {"on": "On", "off": "Off", "new": "New"}, "odd": "Odd"}
    translated = {"title": "Lampe", "state": {"on": "An", "off": "Aus"}, "odd": {"not": "a string"}, "extra": "Mehr"}
    wheels = [gettext_wheel(tmp_path, de=""), json_wheel(tmp_path, en=english, de=translated)]
    assert german(*wheels) == {"Lamp": "Lampe", "On": "An", "Off": "Aus"}


def test_two_languages_other_than_english_meet_in_its_strings(tmp_path: Path) -> None:
    wheel = gettext_wheel(
        tmp_path,
        de='msgid "Yes"\nmsgstr "Ja"\n\nmsgid "No"\nmsgstr "Nein"\n',
        pt_BR='msgid "Yes"\nmsgstr "Sim"\n',
    )
    rows = all_rows([wheel], "de", "pt-br")
    assert {"de": "Ja", "pt-br": "Sim"} in rows
    assert all(row["de"] != "Nein" for row in rows)


def test_a_region_that_tells_nothing_is_no_other_language(tmp_path: Path) -> None:
    wheel = gettext_wheel(tmp_path, fi_FI='msgid "Yes"\nmsgstr "Kyllä"\n')
    assert {"en": "Yes", "fi": "Kyllä"} in all_rows([wheel], "en", "fi")


def test_variants_of_a_string_share_a_split_in_every_language(tmp_path: Path) -> None:
    variants = [f"Phase {number} of {{name}}" for number in range(40)] + ["phase %(number)s of %s!"]
    wheel = gettext_wheel(
        tmp_path,
        de="".join(f'msgid "{text}"\nmsgstr "de {text}"\n\n' for text in variants),
        fr="".join(f'msgid "{text}"\nmsgstr "fr {text}"\n\n' for text in variants[:20]),
    )
    held = [
        {
            name
            for name, rows in convert_interface([wheel], ("en", language)).items()
            for row in rows
            if row["en"] in variants
        }
        for language in ("de", "fr")
    ]
    assert len(held[0]) == 1
    assert held[0] == held[1]


def test_an_unknown_language_is_told_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no language 'xx'(.|\n)*one of de, en, pt-br"):
        convert_interface([gettext_wheel(tmp_path, de="", pt_BR="")], ("en", "xx"))


@pytest.mark.parametrize("languages", [(), ("de",), ("en",), ("pt_BR", "pt-br")])
def test_one_language_is_not_enough(tmp_path: Path, languages: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="two languages"):
        convert_interface([gettext_wheel(tmp_path, de="", pt_BR="")], languages)


def test_too_few_strings_are_told(tmp_path: Path) -> None:
    wheel = json_wheel(tmp_path, en={"a": "Lamp"}, de={"a": "Lampe"})
    with pytest.raises(UserError, match=r"too few strings in en and de(.|\n)*1"):
        convert_interface([wheel], ("en", "de"))


def test_without_polib_the_extra_is_named_before_anything_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polib", None)
    with pytest.raises(MissingExtra, match="samples"):
        load_interface("train", ("en", "de"))
    assert not cache.exists()


@pytest.mark.network
def test_the_real_strings(needs_network: None) -> None:
    splits = {split: load_interface(split, ("en", "de")) for split in ("train", "dev", "test")}
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 17511, "dev": 1018, "test": 1094}
    english = [str(row["en"]) for rows in splits.values() for row in rows]
    assert len(set(english)) == len(english)
    assert all(row["en"] != row["de"] and row["de"] for rows in splits.values() for row in rows)
    assert all(text == " ".join(text.split()) for text in english)
    letters = {
        name: {
            re.sub(r"[\W\d_]+", "", str(row["en"]).casefold()) for row in rows if not set("{%") & set(str(row["en"]))
        }
        for name, rows in splits.items()
    }
    assert letters["train"].isdisjoint(letters["dev"] | letters["test"])
    assert letters["dev"].isdisjoint(letters["test"])
    other = load_interface("test", ("fr", "pt_BR", "en"))
    assert {row["en"] for row in other}.isdisjoint(row["en"] for row in splits["train"])
