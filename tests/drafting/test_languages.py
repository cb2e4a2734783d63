import pytest

from finetune.drafting.languages import count_words, find_language, language_code, mean

SENTENCES = {
    "en": "The film was not bad and it is one of those that I would see again with my friends",
    "de": "Der Film war nicht schlecht und ich würde ihn mit meinen Freunden auch ein zweites Mal sehen, das ist klar",
    "fr": "Le film est dans la salle et les gens ne sont pas contents, mais il est une fois de plus avec nous",
    "es": "La película no está mal y los actores son muy buenos, pero el final es como una broma para el público",
    "it": "Il film non è male e gli attori sono bravi, ma la fine del film è anche una cosa che non mi piace più",
    "nl": "De film is niet slecht en het is een van de films die ik met mijn vrienden zou zien op een avond",
    "pl": "Film nie jest zły i to jest jeden z tych, które bym obejrzał jeszcze raz, ale się nie da, bo go już nie ma",
    "ru": "Фильм не плохой, и я бы его посмотрел еще раз, но это не то, что все хотят",  # noqa: RUF001
    "zh": "这个电影很好看，我很喜欢",  # noqa: RUF001
    "ja": "この映画はとても面白かったです",
    "ko": "이 영화는 정말 재미있었어요",
    "el": "Η ταινία ήταν πολύ καλή",  # noqa: RUF001
    "he": "הסרט היה טוב מאוד",
    "th": "หนังเรื่องนี้สนุกมาก",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_languages_are_told(code: str) -> None:
    assert find_language([SENTENCES[code]]).code == code


@pytest.mark.parametrize("texts", [[], ["1234"], ["Lorem ipsum dolor sit amet"], ["È"], ["Привет"], ["مرحبا"]])
def test_what_cannot_be_told_is_unknown(texts: list[str]) -> None:
    assert find_language(texts).code is None


def test_capital_letters() -> None:
    assert find_language([SENTENCES["en"].lower()]).is_lower
    assert not find_language([SENTENCES["en"]]).is_lower
    assert not find_language([SENTENCES["zh"]]).is_lower


def test_names_of_languages() -> None:
    assert find_language(["Привет"]).name == "a language in Cyrillic letters"
    assert find_language([SENTENCES["en"]]).name == "English"
    assert find_language(["12"]).name == "texts without letters"


@pytest.mark.parametrize(
    ("name", "code"),
    [("en", "en"), ("de-AT", "de"), ("pt_BR", "pt"), ("cn", "zh"), ("German", "de"), ("text", None), ("xx", None)],
)
def test_codes(name: str, code: str | None) -> None:
    assert language_code(name) == code


@pytest.mark.parametrize(("text", "count"), [("a good film", 3), ("这个 film 很好", 5), ("schöne Welt", 2), ("", 0)])
def test_words_are_counted(text: str, count: int) -> None:
    assert count_words(text) == count


def test_the_mean_of_nothing() -> None:
    assert (mean([]), mean([1, 2])) == (0.0, 1.5)
