import pytest

from finetune.drafting.languages import TextLanguage
from finetune.drafting.model_choice import ModelChoice, choose_model, writes_text
from tests.drafting.tables import values

ENGLISH, GERMAN = TextLanguage("Latin", "en"), TextLanguage("Latin", "de")
CHINESE, RUSSIAN = TextLanguage("Han", "zh"), TextLanguage("Cyrillic", "ru")


def chosen(
    kind: str,
    source: TextLanguage,
    target: TextLanguage | None = None,
    codes: tuple[str, str] = ("", ""),
    *,
    offline: bool = False,
    summarises: bool = False,
) -> ModelChoice:
    return choose_model(kind, source, target, codes, offline=offline, summarises=summarises)


@pytest.mark.parametrize(
    ("kind", "language", "name"),
    [
        ("text_classification", ENGLISH, "google-bert/bert-base-cased"),
        ("text_classification", TextLanguage("Latin", "en", is_lower=True), "google-bert/bert-base-uncased"),
        ("token_classification", ENGLISH, "google-bert/bert-base-cased"),
        ("text_classification", GERMAN, "google-bert/bert-base-german-cased"),
        ("text_classification", CHINESE, "google-bert/bert-base-chinese"),
        ("text_classification", RUSSIAN, "google-bert/bert-base-multilingual-cased"),
        ("text_classification", TextLanguage(""), "google-bert/bert-base-multilingual-cased"),
    ],
)
def test_encoders(kind: str, language: TextLanguage, name: str) -> None:
    assert values(chosen(kind, language).keys) == {"model.name": name}
    assert all(key.reason for key in chosen(kind, language).keys)


def test_encoder_decoders() -> None:
    t5 = chosen("translation", ENGLISH, GERMAN, ("en", "de"))
    assert t5.hub_name == "google-t5/t5-small"
    assert t5.prefix is not None
    assert chosen("translation", GERMAN, ENGLISH, ("de", "en")).hub_name == "google/mt5-small"
    assert chosen("translation", ENGLISH, CHINESE, ("en", "zh")).hub_name == "google/mt5-small"
    plain = chosen("text_to_text", ENGLISH, ENGLISH)
    assert (plain.hub_name, plain.prefix) == ("google-t5/t5-small", None)
    summary = chosen("text_to_text", ENGLISH, ENGLISH, summarises=True).prefix
    assert summary is not None
    assert summary.value == "summarize: "
    assert chosen("text_to_text", ENGLISH, CHINESE).hub_name == "google/mt5-small"


def test_without_the_hub() -> None:
    sample = chosen("text_classification", ENGLISH, offline=True)
    assert values(sample.keys) == {"model.sample": "minilm"}
    assert sample.keys[0].doubt == ""
    assert "trained on English" in chosen("text_classification", GERMAN, offline=True).keys[0].doubt
    own = values(chosen("text_classification", CHINESE, offline=True).keys)
    assert own["model.scratch.architecture"] == "bert"
    scratch = chosen("translation", ENGLISH, GERMAN, ("en", "de"), offline=True)
    assert values(scratch.keys)["model.scratch.architecture"] == "t5"
    assert values(scratch.training)["training.optimizer"] == "adafactor"


def test_which_tasks_write_text() -> None:
    kinds = ("text_classification", "token_classification", "translation", "text_to_text", "nothing")
    assert [writes_text(kind) for kind in kinds] == [False, False, True, True, False]
