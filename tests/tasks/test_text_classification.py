"""Features and batches of text classification."""

from typing import Any

import pytest
from datasets import Dataset

from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import TextClassification

ROWS = {"text": ["the red dog", "a house", "the dog sees a red house"], "label": ["b", "a", "b"], "id": [0, 1, 2]}


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_inputs_are_the_tokenizers_and_labels_are_numbered(make: Any, architecture: str) -> None:
    task, context = make(TextClassification(), architecture, labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    assert features["input_ids"][:] == context.tokenizer(ROWS["text"])["input_ids"]
    assert features["label_ids"][:] == [1, 0, 1]
    assert features["length"][:] == [len(ids) for ids in features["input_ids"]]
    assert features["targets"][:] == [1, 1, 1]


def test_padding_is_on_the_right_and_masked(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    batch = task.collate(Features.of(features)[:], context)
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == features["length"][:]
    padding = batch.inputs["input_ids"][batch.inputs["attention_mask"] == 0]
    assert (padding == context.tokenizer.pad_token_id).all()
    assert batch.label_ids.tolist() == [1, 0, 1]


def test_pairs_keep_their_segments(make: Any) -> None:
    task, context = make(TextClassification(), labels=("a", "b"), columns={"text_pair": "second"})
    assert [field.column for field in task.fields] == ["text", "second", "label"]
    features = task.encode(Dataset.from_dict(ROWS | {"text_pair": ["a", "b", "c"]}), context)
    assert features["input_ids"][0] == context.tokenizer("the red dog", "a")["input_ids"]
    assert set(features["token_type_ids"][0]) == {0, 1}


def test_the_end_token_written_in_a_text_is_refused_for_t5(make: Any) -> None:
    task, context = make(TextClassification(), "t5", labels=("a", "b"))
    rows = ROWS | {"text": ["the red dog", f"a {context.tokenizer.eos_token} house", "a dog"], "id": [3, 4, 5]}
    with pytest.raises(UserError, match="takes for a special token") as caught:
        task.encode(Dataset.from_dict(rows), context)
    assert "example 4" in str(caught.value)


def test_cut_inputs_are_counted_and_told(make: Any) -> None:
    task, context = make(TextClassification(max_length=5), labels=("a", "b"))
    features = task.encode(Dataset.from_dict(ROWS), context)
    assert max(features["length"]) <= 5
    assert features["cut"][0] == (len(context.tokenizer("the red dog")["input_ids"]) > 5)
    assert features["cut"][2]
    (note,) = task.notes({"train": features})
    assert "of 3 train inputs are cut" in note
