"""Files as their publishers write them; only where a folder of them lies beside the checkout."""

from pathlib import Path

import pytest

from finetune.data import Field, LoadedData, load_data
from finetune.recipe import Data

FOLDER = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the published files are not beside the checkout")

WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))


def texts(text: str = "text", label: str = "label", pair: str | None = None) -> tuple[Field, ...]:
    second = () if pair is None else (Field("text_pair", "text", pair),)
    return (Field("text", "text", text), *second, Field("label", "label", label))


def pairs(source: str, target: str) -> tuple[Field, ...]:
    return (Field("source", "text", source), Field("target", "text", target))


def read(fields: tuple[Field, ...], path: str, **options: object) -> LoadedData:
    located = {key: str(FOLDER / str(value)) for key, value in options.items() if key.endswith("_path")}
    return load_data(Data.model_validate({"path": str(FOLDER / path), **options, **located}), fields)


def sizes(loaded: LoadedData) -> tuple[int, int, int]:
    return len(loaded.train), len(loaded.dev), len(loaded.test)


def test_sst2_has_no_header_and_quotes_that_do_not_pair() -> None:
    loaded = read(texts(), "sst2", column_names=["text", "label"])
    assert sizes(loaded) == (6920, 872, 1821)
    assert loaded.labels["label"] == ("0", "1")


def test_wnut17_has_words_that_look_like_comments_and_a_suffix_of_its_own() -> None:
    files = {"dev_path": "wnut17/emerging.dev.conll", "test_path": "wnut17/emerging.test.annotated"}
    loaded = read(WORDS, "wnut17/wnut17train.conll", format="conll", **files)
    assert sizes(loaded) == (3394, 1009, 1287)
    assert any(word.startswith("#") for words in loaded.train["tokens"] for word in words)
    assert {label[:2] for label in loaded.labels["labels"]} == {"B-", "I-", "O"}


def test_resume_ner_has_a_letter_a_line() -> None:
    loaded = read(WORDS, "resume_ner")
    assert sizes(loaded) == (3821, 463, 477)
    assert {label[0] for label in loaded.labels["labels"]} == set("BMESO")


@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("fr", "en")])
def test_multi30k_is_line_aligned_in_three_languages(source: str, target: str) -> None:
    loaded = read(pairs(source, target), "multi30k", test_path="multi30k/test_2016_flickr")
    assert sizes(loaded) == (29000, 1014, 1000)


def test_wmt21_keeps_its_languages_in_names_of_other_kinds() -> None:
    loaded = read(pairs("en", "de"), "wmt21/newstest2021.en-de.{src.en,ref.A.de}")
    assert sum(sizes(loaded)) == 1002


def test_mrpc_has_a_byte_order_mark_and_quotes_that_do_not_pair() -> None:
    fields = texts("#1 String", "Quality", "#2 String")
    train, test = "mrpc/msr_paraphrase_train.txt", "mrpc/msr_paraphrase_test.txt"
    loaded = read(fields, train, format="tsv", test_path=test)
    assert len(loaded.train) + len(loaded.dev) == 4076
    assert len(loaded.test) == 1725


def test_bitext_has_cells_in_quotes() -> None:
    start = "bitext_customer_service/Bitext_Sample_Customer_Service_"
    files = {"dev_path": f"{start}Validation_Dataset.csv", "test_path": f"{start}Testing_Dataset.csv"}
    loaded = read(texts("utterance", "intent"), f"{start}Training_Dataset.csv", **files)
    assert sizes(loaded) == (6480, 810, 810)
    assert len(loaded.labels["label"]) == 27


def test_scitldr_has_an_object_a_line() -> None:
    loaded = read(pairs("title", "paper_id"), "scitldr")
    assert sizes(loaded) == (1992, 619, 618)


def test_financial_phrasebank_separates_by_a_sign_of_its_own() -> None:
    options = {"format": "tsv", "delimiter": "@", "column_names": ["text", "label"]}
    loaded = read(texts(), "financial_phrasebank/Sentences_50Agree.txt", **options)
    assert sum(sizes(loaded)) == 4846
    assert loaded.labels["label"] == ("negative", "neutral", "positive")
