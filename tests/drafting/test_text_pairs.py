import pytest

from finetune.drafting.pairs_of_files import LanguagePair
from finetune.drafting.text_pairs import io_keys, language_columns, named_output, translation_keys
from finetune.errors import UserError
from tests.drafting.files import GERMAN
from tests.drafting.tables import REVIEWS, table, values

TEXTS = [f"{text} {n}" for n, text in enumerate(GERMAN * 20)]


def test_columns_that_are_languages() -> None:
    data = table({"id": REVIEWS, "en": REVIEWS, "translation.de": TEXTS, "no": TEXTS, "German": TEXTS, "x": TEXTS})
    assert language_columns(data) == ("en", "translation.de")


def test_names_tell_the_languages_and_their_order_the_direction() -> None:
    source, target = translation_keys(table({"de": TEXTS, "en": REVIEWS}), None)
    assert (source.value, target.value) == ("de", "en")
    assert source.doubt == "--source en --target de turns the direction round"
    given = {"data.columns.source": "en", "data.columns.target": "de"}
    source, target = translation_keys(table({"de": TEXTS, "en": REVIEWS}, given), None)
    assert (source.value, target.value, source.doubt) == ("en", "de", "")


def test_texts_tell_the_languages() -> None:
    found = values(translation_keys(table({"a": REVIEWS, "b": TEXTS}), None))
    assert found == {
        "task.source": "en",
        "task.target": "de",
        "data.columns.source": "a",
        "data.columns.target": "b",
    }


def test_several_languages_are_asked_for() -> None:
    with pytest.raises(UserError, match="nothing tells which language"):
        translation_keys(table({"de": TEXTS, "en": REVIEWS, "fr": REVIEWS}), None)


def test_an_unknown_language_is_asked_for() -> None:
    data = {"a": REVIEWS, "b": [f"lorem ipsum dolor {n}" for n in range(40)]}
    with pytest.raises(UserError, match="the texts do not tell in which language column 'b' is") as raised:
        translation_keys(table(data), None)
    assert "task.target=de, say" in str(raised.value)
    assert values(translation_keys(table(data, {"task.target": "la"}), None))["task.target"] == "la"


def test_line_aligned_files_tell_the_languages() -> None:
    pair = LanguagePair(("en", "cn"), ("en", "zh"), "given")
    found = values(translation_keys(table({"en": REVIEWS, "cn": TEXTS}), pair))
    assert found == {"task.source": "en", "task.target": "zh", "data.columns.target": "cn"}


def test_input_and_output() -> None:
    assert values(io_keys(table({"summary": REVIEWS, "document": TEXTS})))["data.columns.source"] == "document"
    columns = {"instruction": REVIEWS, "input": ["", *REVIEWS[1:]], "output": TEXTS}
    found = values(io_keys(table(columns)))
    assert found == {"data.columns.source": "instruction", "data.columns.target": "output"}
    source, target = io_keys(table({"a": REVIEWS, "b": TEXTS}))
    assert (source.value, target.value) == ("a", "b")
    assert target.doubt == "--source b --target a turns the direction round"
    given = {"data.columns.source": "b"}
    assert values(io_keys(table({"a": REVIEWS, "b": TEXTS}, given)))["data.columns.target"] == "a"


def test_too_many_or_too_few_texts() -> None:
    with pytest.raises(UserError, match="nothing tells which column holds the output"):
        io_keys(table({"a": REVIEWS, "b": TEXTS, "c": TEXTS}))
    with pytest.raises(UserError, match="no column seems to hold the input"):
        io_keys(table({"a": REVIEWS}))


def test_names_of_outputs() -> None:
    assert named_output(table({"a": REVIEWS, "summary": TEXTS}), ("summary",))
    assert not named_output(table({"a": REVIEWS, "my_summary": TEXTS}), ("summary",))
    assert not named_output(table({"summary": TEXTS}), ("summary",))
