"""Translations are read from both forms of catalogues."""

import json
import sys
import zipfile
from pathlib import Path

import pytest

from finetune.errors import MissingExtra
from finetune.samples.catalogues import check_parser, languages_of, normal, translations

HEADER = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
FILES = {
    "app/locale/de/LC_MESSAGES/django.po": HEADER + 'msgid "Yes"\nmsgstr "Ja"\n\n#, fuzzy\nmsgid "No"\nmsgstr "Nie"\n',
    "app/locale/pt_BR/LC_MESSAGES/django.po": HEADER + 'msgid "Yes"\nmsgstr "Sim"\n',
    "lamp/translations/en.json": json.dumps({"state": {"on": "On", "off": "Off"}, "title": "Lamp"}),
    "lamp/translations/de.json": json.dumps({"state": {"on": "An"}, "title": {"other": "Lampe"}}),
    "lamp/translations/README.md": "No catalogue.",
    "translations.json": "{}",
}


@pytest.fixture
def wheel(tmp_path: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as file:
        for name, text in FILES.items():
            file.writestr(name, text)
    return zipfile.ZipFile(tmp_path / "a.whl")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("pt_BR", "pt-br"), ("pt-br", "pt-br"), ("fi_FI", "fi"), ("zh-Hans", "zh-hans")],
)
def test_a_language_has_one_spelling(given: str, expected: str) -> None:
    assert normal(given) == expected


def test_languages_are_those_of_files_that_are_catalogues(wheel: zipfile.ZipFile) -> None:
    with wheel:
        assert languages_of(wheel) == {"de", "pt-br", "en"}


def test_pairs_are_confirmed_translations_and_strings_of_one_key(wheel: zipfile.ZipFile) -> None:
    with wheel:
        pairs = [pair for pair in translations(wheel, "de") if pair[0]]
        assert pairs == [("Yes", "Ja"), ("On", "An")]
        assert ("Yes", "Sim") in list(translations(wheel, "pt-br"))
        assert list(translations(wheel, "fr")) == []


def test_without_polib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_parser()
    monkeypatch.setitem(sys.modules, "polib", None)
    with pytest.raises(MissingExtra, match="samples"):
        check_parser()
