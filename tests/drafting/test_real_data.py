"""Real data sets, where the folder with them is there."""

from pathlib import Path
from typing import Any

import pytest

from finetune.drafting import draft_recipe
from finetune.errors import UserError
from tests.drafting.test_draft import value

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")
CLASSES = {"task.kind": "text_classification", "task.problem_type": "single_label"}
WORDS = {"task.kind": "token_classification", "data.columns.tokens": "tokens", "data.columns.labels": "labels"}
TRANSLATION = {"task.kind": "translation"}


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        (
            "afqmc",
            {},
            CLASSES
            | {"data.column_names": ("text", "text_pair", "label"), "data.columns.text_pair": "text_pair"}
            | {"model.name": "google-bert/bert-base-chinese"},
        ),
        (
            "bitext_customer_service",
            {},
            CLASSES
            | {"data.columns.text": "utterance", "data.columns.label": "intent"}
            | {"model.name": "google-bert/bert-base-cased"},
        ),
        (
            "dialogsum/dialogsum.dev.jsonl",
            {},
            {"task.kind": "text_to_text", "data.columns.source": "dialogue", "data.columns.target": "summary"}
            | {"task.prefix": "summarize: "},
        ),
        (
            "financial_phrasebank/Sentences_50Agree.txt",
            {"overrides": {"data.format": "csv", "data.delimiter": "@"}},
            CLASSES | {"data.column_names": ("text", "label"), "model.name": "google-bert/bert-base-cased"},
        ),
        ("goodbooks/books.csv", {}, {"task.problem_type": "regression", "data.columns.label": "average_rating"}),
        (
            "mrpc",
            {},
            CLASSES
            | {"data.columns.text": "#1 String", "data.columns.text_pair": "#2 String"}
            | {"data.columns.label": "Quality", "data.format": "tsv"},
        ),
        (
            "multi30k",
            {
                "columns": {"source": "en", "target": "de"},
                "overrides": {"data.test_path": str(DATA / "multi30k/test_2016_flickr")},
            },
            TRANSLATION | {"task.source": "en", "task.target": "de", "model.name": "google-t5/t5-small"},
        ),
        ("resume_ner", {}, WORDS | {"model.name": "google-bert/bert-base-chinese"}),
        ("sst2", {}, CLASSES | {"data.column_names": ("text", "label"), "model.name": "google-bert/bert-base-uncased"}),
        (
            "tatoeba_en_zh/cmn.txt",
            {},
            TRANSLATION | {"data.column_names": ("en", "zh"), "model.name": "google/mt5-small"},
        ),
        (
            "wmt21/newstest2021.zh-en.{src.zh,ref.A.en}",
            {},
            TRANSLATION | {"task.source": "zh", "task.target": "en"},
        ),
        ("wnut17", {}, WORDS | {"model.name": "google-bert/bert-base-cased"}),
    ],
)
def test_guesses_are_right(path: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    recipe = draft_recipe(DATA / path, options.get("overrides"), columns=options.get("columns")).recipe
    assert {key: value(recipe, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("multi30k", "nothing tells which language is translated into which"),
        ("scitldr", "no column seems to hold the labels"),
        ("xquad/xquad.en.json", "the file holds no list"),
        ("wmt21", "the folder holds no train split"),
        ("financial_phrasebank/Sentences_50Agree.txt", "neither the file's name nor its first lines tell its format"),
    ],
)
def test_what_cannot_be_told_is_asked_for(path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        draft_recipe(DATA / path)
