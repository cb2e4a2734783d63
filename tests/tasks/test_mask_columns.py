"""What masks are told of tokens: words, sentences, segments, and columns of the data set."""

import json
import re
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


def test_spans_of_characters_give_each_token_a_number(make: Any) -> None:
    task, context = masked(make, TextClassification(), "same(entity)", labels=("a", "b"))
    text = "the réd dog. extraordinarily 🐕 a house"
    spans = [[0, 7, 4], [12, 28, 0], [30, 39, 7]]  # the last two begin with a space
    rows = {"text": [text, "a"], "label": ["b", "a"], "mask_entity": [json.dumps(spans), "[]"], "id": [0, 1]}
    features = task.encode(Dataset.from_dict(rows), context)
    encoding = context.tokenizer(rows["text"])
    expected = []
    for text_of, (first, last) in zip(encoding.sequence_ids(0), encoding.encodings[0].offsets, strict=True):
        inside = [value for start, end, value in spans if start < last and first < end]
        expected.append(inside[0] if inside and text_of is not None else -1)
    assert features["mask_entity"][0] == expected
    assert {*expected} == {-1, 4, 0, 7}
    assert {*features["mask_entity"][1]} == {-1}
    batch = task.collate(Features.of(features)[:], context)
    assert batch.mask_features["entity"].shape == batch.inputs["input_ids"].shape


@pytest.mark.parametrize("prefix", ["", "read this: "])
@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_spans_of_words_are_words(make: Any, architecture: str, prefix: str) -> None:
    """The numbers of spans that are the words of a text are those of the column `word`, after a prefix as well."""
    mask = "same(word) & near(entity, 1)"
    task, context = masked(make, TextToText(prefix=prefix), mask, architecture)
    texts = ["the red dog sees extraordinarily green houses", "a dog", "unbelievable"]
    words_of = [[*re.finditer(r"\S+", text)] for text in texts]
    spans = [[[word.start(), word.end(), number] for number, word in enumerate(words)] for words in words_of]
    rows = {"source": texts, "target": ["ein"] * 3, "mask_entity": [*map(json.dumps, spans)], "id": [0, 1, 2]}
    features = task.encode(Dataset.from_dict(rows), context)
    for words, entities in zip(features["mask_word"], features["mask_entity"], strict=True):
        first = min(word for word, entity in zip(words, entities, strict=True) if entity >= 0)
        assert bool(first) == bool(prefix)
        assert entities == [word - first if word >= first else -1 for word in words]


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_each_text_of_a_pair_has_spans_of_its_own(make: Any, architecture: str) -> None:
    columns = {"text_pair": "answer"}
    task, context = masked(make, TextClassification(), "same(who)", architecture, labels=("a", "b"), columns=columns)
    assert [(one.name, one.kind, one.column, one.text) for one in task.fields[3:]] == [
        ("mask_who", "spans", "who", "text"),
        ("mask_who_pair", "spans", "who_pair", "text_pair"),
    ]
    rows = {"text": ["the dog"], "text_pair": ["a dog"], "label": ["a"], "id": [0]}
    rows |= {"mask_who": ["[[4, 7, 3]]"], "mask_who_pair": ["[[2, 5, 3]]"]}
    features = task.encode(Dataset.from_dict(rows), context)
    tokens = context.tokenizer(rows["text"], rows["text_pair"])
    numbers: dict[int | None, list[int]] = {None: [], 0: [], 1: []}
    for text, number in zip(tokens.sequence_ids(0), features["mask_who"][0], strict=True):
        numbers[text].append(number)
    assert {*numbers[None]} == {-1}
    assert numbers[0][0] == numbers[1][0] == -1
    assert numbers[0][-1] == numbers[1][-1] == 3


def test_a_token_of_two_spans_has_the_number_of_the_greater_share(make: Any) -> None:
    task, context = masked(make, TextClassification(), "same(entity)", labels=("a", "b"))
    encoding = context.tokenizer("a the")
    at = encoding.tokens().index("▁th")
    assert encoding.encodings[0].offsets[at] == (1, 4)
    for spans, number in [([[0, 2, 5], [2, 4, 6]], 6), ([[0, 3, 5], [3, 4, 6]], 5), ([[2, 3, 5], [3, 4, 6]], 5)]:
        rows = {"text": ["a the"], "label": ["a"], "mask_entity": [json.dumps(spans)], "id": [0]}
        assert task.encode(Dataset.from_dict(rows), context)["mask_entity"][0][at] == number


def test_spans_of_a_text_that_is_cut_away_are_left_out(make: Any) -> None:
    task, context = masked(
        make, TextClassification(max_length=6), "same(who)", labels=("a", "b"), columns={"text_pair": "answer"}
    )
    rows = {"text": ["a a a a a a a a"], "text_pair": [""], "label": ["a"], "id": [0]}
    rows |= {"mask_who": ["[[0, 15, 3]]"], "mask_who_pair": ["[[0, 5, 4]]"]}
    (numbers,) = task.encode(Dataset.from_dict(rows), context)["mask_who"]
    assert len(numbers) == 6
    assert {*numbers} == {-1, 3}


def test_masks_that_read_nothing_cost_nothing(make: Any) -> None:
    task, context = masked(make, TextClassification(), "window(3) | global_tokens(cls)", labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    assert not [name for name in features.column_names if name.startswith("mask_")]
    assert Program().needs.columns == frozenset()
