from pathlib import Path

import pytest

from finetune.drafting.pairs_of_files import aligned_languages, choose_pair, of_braces
from finetune.errors import UserError


def test_files_of_several_languages_with_one_start(tmp_path: Path) -> None:
    for name in ("train.en", "train.de.gz", "train.csv", "dev.en", "test.fr", "test.zh"):
        (tmp_path / name).touch()
    assert aligned_languages(tmp_path) == {"train": ("de", "en"), "test": ("fr", "zh")}
    assert aligned_languages(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("path", "languages"),
    [
        ("news.{src.de,ref.en}", ("de", "en")),
        ("a/{en,de}.txt", ("source", "target")),
        ("news.{x,y}", ("source", "target")),
        ("news.{de,en,fr}", ()),
        ("{}", ()),
        ("news", ()),
    ],
)
def test_braces(path: str, languages: tuple[str, ...]) -> None:
    assert of_braces(path) == languages


def test_english_is_the_source_of_two_and_said_to_be() -> None:
    pair = choose_pair("train", ("de", "en"), (None, None))
    assert (pair.columns, pair.codes) == (("en", "de"), ("en", "de"))
    assert pair.doubt == "nothing tells the direction: --source de --target en turns it round"


def test_an_order_decides() -> None:
    pair = choose_pair("train", ("fr", "de"), (None, None), is_ordered=True)
    assert (pair.columns, pair.doubt) == (("fr", "de"), "")


@pytest.mark.parametrize("wanted", [("de", "en"), ("de", None), (None, "en")])
def test_what_is_given_decides(wanted: tuple[str | None, str | None]) -> None:
    pair = choose_pair("train", ("de", "en"), wanted)
    assert (pair.columns, pair.reason, pair.doubt) == (("de", "en"), "given", "")


@pytest.mark.parametrize("languages", [("de", "fr"), ("de", "en", "fr")])
def test_nothing_decides(languages: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="nothing tells which language is translated into which") as raised:
        choose_pair("train", languages, (None, None))
    assert raised.value.fix == f"--source {languages[0]} --target {languages[1]}, say"


def test_a_language_that_is_not_there() -> None:
    with pytest.raises(UserError, match="there is no target 'es'"):
        choose_pair("train", ("de", "en"), (None, "es"))
