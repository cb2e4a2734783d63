"""What masks are told of tokens: words, sentences, segments, and columns of the data set."""

from typing import Any

import pytest
from datasets import Dataset

from finetune import tasks
from finetune.attention import Program
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import Attention, TextClassification, TextToText, TokenClassification

ROWS = {"text": ["the red dog. a house", "a"], "label": ["b", "a"], "id": [0, 1]}


def masked(make: Any, config: Any, mask: str, architecture: str = "bert", **options: Any) -> tuple[Any, Any]:
    """A task whose recipe has this mask in the encoder."""
    task, context = make(config, architecture, **options)
    recipe = task.recipe.model_copy(update={"attention": Attention(encoder=mask)})
    return tasks.create(recipe), context


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_words_and_sentences_are_numbered(make: Any, architecture: str) -> None:
    task, context = masked(make, TextClassification(), "same(word) & same(sentence)", architecture, labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    encoding = context.tokenizer(ROWS["text"])
    assert features["mask_word"][0] == [-1 if word is None else word for word in encoding.word_ids(0)]
    texts: dict[int, list[str]] = {}
    for token, sentence in zip(encoding.tokens(0), features["mask_sentence"][0], strict=True):
        texts.setdefault(sentence, []).append(token)
    assert sorted(texts) == [-1, 0, 1]
    assert texts[0][-1].endswith(".")
    batch = task.collate(Features.of(features)[:], context)
    assert batch.mask_features["word"].shape == batch.inputs["input_ids"].shape


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_segments_of_a_pair(make: Any, architecture: str) -> None:
    columns = {"text_pair": "text_pair"}
    task, context = masked(
        make, TextClassification(), "same(segment)", architecture, labels=("a", "b"), columns=columns
    )
    features = task.encode(Dataset.from_dict(ROWS | {"text_pair": ["a dog", "the house"]}), context)
    segments = features["token_type_ids" if architecture == "bert" else "mask_segment"][0]
    assert segments == sorted(segments)
    assert set(segments) == {0, 1}
    assert ("mask_segment" in features.column_names) == (architecture == "t5")


def test_a_column_of_the_data_gives_each_word_an_integer(make: Any) -> None:
    task, context = masked(make, TokenClassification(), "same(entity)", labels=("O", "X"))
    assert [(field.name, field.kind, field.column) for field in task.fields[2:]] == [("mask_entity", "words", "entity")]
    rows = {"tokens": [["extraordinarily", "red"]], "labels": [["O", "X"]], "mask_entity": [["7", "9"]], "id": [0]}
    features = task.encode(Dataset.from_dict(rows), context)
    words = context.tokenizer(rows["tokens"], is_split_into_words=True).word_ids(0)
    assert features["mask_entity"][0] == [{None: -1, 0: 7, 1: 9}[word] for word in words]


def test_a_column_of_the_data_gives_each_example_a_value(make: Any) -> None:
    task, context = masked(make, TextToText(), "prefix(instruction)", "t5")
    assert task.fields[-1].column == "instruction"
    rows = {"source": ["the dog", "a"], "target": ["der hund", "ein"], "mask_instruction": ["3", "1"], "id": [0, 1]}
    features = task.encode(Dataset.from_dict(rows), context)
    batch = task.collate(Features.of(features)[:], context)
    assert batch.mask_features["instruction"].tolist() == [3, 1]


def test_a_column_that_holds_no_integers_is_refused(make: Any) -> None:
    task, context = masked(make, TextToText(), "prefix(instruction)", "t5")
    rows = {"source": ["the dog"], "target": ["der hund"], "mask_instruction": ["long"], "id": [0]}
    with pytest.raises(UserError, match="whole numbers") as caught:
        task.encode(Dataset.from_dict(rows), context)
    assert "'long'" in str(caught.value)


def test_a_token_column_that_nothing_gives_is_refused(make: Any) -> None:
    task, _ = masked(make, TextClassification(), "same(entity)", labels=("a",))
    with pytest.raises(UserError, match="'entity'") as caught:
        _ = task.fields
    assert "word, sentence, segment" in str(caught.value)


def test_masks_that_read_nothing_cost_nothing(make: Any) -> None:
    task, context = masked(make, TextClassification(), "window(3) | global_tokens(cls)", labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    assert not [name for name in features.column_names if name.startswith("mask_")]
    assert Program().needs.columns == frozenset()
