"""Features of text to text: starts, shifts, prompts, cuts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from datasets import Dataset

from finetune.data.features import Features
from finetune.errors import UserError
from finetune.models import load_model
from finetune.recipe import Attention, TextToText
from finetune.tasks import create
from finetune.tasks.batch import IGNORE_INDEX
from finetune.tasks.tensors import example_rows

ROWS = {"source": ["the red dog", "a house"], "target": ["der rote hund", "ein haus"], "id": [0, 1]}


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_the_decoder_reads_the_target_one_token_late(make: Any, architecture: str) -> None:
    task, context = make(TextToText(), architecture)
    features = task.encode(Dataset.from_dict(ROWS), context)
    batch = task.collate(Features.of(features)[:], context)
    start, end = context.config.decoder_start_token_id, features["label_ids"][0][-1]
    for row, labels in enumerate(features["label_ids"]):
        assert labels[0] != start
        assert labels[-1] == end
        shifted = batch.inputs["decoder_input_ids"][row].tolist()
        assert shifted[: len(labels)] == [start, *labels[:-1]]
        assert set(shifted[len(labels) :]) <= {context.tokenizer.pad_token_id}
        assert batch.label_ids[row].tolist() == labels + [IGNORE_INDEX] * (len(shifted) - len(labels))


def test_the_targets_padding_is_masked_where_a_mask_could_see_it(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    recipe = task.recipe.model_copy(update={"attention": Attention(decoder="causal() | prefix(3)")})
    for masked, expected in ((task, False), (create(recipe), True)):
        features = masked.encode(Dataset.from_dict(ROWS), context)
        batch = masked.collate(Features.of(features)[:], context)
        assert ("decoder_attention_mask" in batch.inputs) == expected
        if expected:
            assert torch.equal(batch.inputs["decoder_attention_mask"].bool(), batch.label_ids != IGNORE_INDEX)


def test_the_target_is_read_back_from_its_labels(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    features = task.encode(Dataset.from_dict(ROWS), context)
    texts = [context.tokenizer.decode(ids, skip_special_tokens=True) for ids in features["label_ids"]]
    assert texts == ROWS["target"]


def test_cut_sources_and_targets_are_counted(make: Any) -> None:
    task, context = make(TextToText(max_source_length=4, max_target_length=99), "t5")
    features = task.encode(Dataset.from_dict(ROWS), context)
    full = context.tokenizer(ROWS["source"])["input_ids"]
    assert features["cut"][:] == [len(ids) > 4 for ids in full]
    task, context = make(TextToText(max_source_length=99, max_target_length=3), "t5")
    assert task.encode(Dataset.from_dict(ROWS), context)["cut"][:] == [True, True]


def test_length_counts_source_and_target(make: Any) -> None:
    task, context = make(TextToText(), "t5")
    row = task.encode(Dataset.from_dict(ROWS), context)[0]
    assert row["length"] == len(row["input_ids"]) + len(row["label_ids"])
    assert row["targets"] == len(row["label_ids"])


@pytest.mark.parametrize(
    ("architecture", "mark"), [("t5", "</s>"), ("t5", "<pad>"), ("bert", "[SEP]"), ("bert", "[CLS]")]
)
def test_names_of_special_tokens_in_targets_are_told(make: Any, architecture: str, mark: str) -> None:
    task, context = make(TextToText(), architecture)
    assert mark in context.tokenizer.get_vocab()
    rows = {**ROWS, "target": ["der rote hund", f"ein {mark} haus"], "id": [0, 7]}
    with pytest.raises(UserError, match=r"a target holds .* which the tokenizer takes for a special token") as caught:
        task.encode(Dataset.from_dict(rows), context)
    assert "example 7 of its split" in str(caught.value.where)
    task.encode(Dataset.from_dict({**ROWS, "source": rows["target"]}), context)


PROMPT = "das ist "


@pytest.mark.parametrize("architecture", ["bert", "t5"])
@pytest.mark.parametrize("ragged", [True, False])
def test_a_prompt_is_read_by_the_decoder_and_not_learned(make: Any, architecture: str, ragged: bool) -> None:
    task, context = make(TextToText(target_prompt=PROMPT), architecture)
    plain, _ = make(TextToText(), architecture)
    context = replace(context, ragged=ragged)
    prompt = task.prompt_ids(context.tokenizer)
    features = task.encode(Dataset.from_dict(ROWS), context)
    expected = plain.encode(Dataset.from_dict(ROWS), context)
    batch = task.collate(Features.of(features)[:], context)
    read = example_rows(batch.inputs["decoder_input_ids"], batch.target_layout)
    labels = example_rows(batch.label_ids, batch.target_layout)
    assert prompt
    for number, ids in enumerate(expected["label_ids"]):
        assert read[number][: len(prompt) + len(ids)] == [context.config.decoder_start_token_id, *prompt, *ids[:-1]]
        assert labels[number][: len(prompt) + len(ids)] == [IGNORE_INDEX] * len(prompt) + ids
    assert features["targets"][:] == expected["targets"][:]


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_outputs_go_on_from_the_prompt_which_is_cut_off(make: Any, architecture: str) -> None:
    """The text has as many new tokens as without a prompt, and the forced tokens are those of the target alone."""
    kind = TextToText(target_prompt=PROMPT, max_target_length=5, num_beams=2)
    task, context = make(kind, architecture)
    model: Any = load_model(task.recipe.model, task.head, context.tokenizer, labels=None, seed=0)
    model.train(False)
    features = Features.of(task.encode(Dataset.from_dict(ROWS), context))
    with torch.no_grad():
        found = task.predict(model, task.collate(features[:], context), context, final=True, scores=True)
        prompt = task.prompt_ids(context.tokenizer)
        start = torch.tensor([[context.config.decoder_start_token_id, *prompt]] * 2)
        batch = task.collate(features[:], context)
        given = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
        written = model.generate(**given, decoder_input_ids=start, max_new_tokens=5, num_beams=2)
    texts = context.tokenizer.batch_decode(written[:, start.shape[1] :], skip_special_tokens=True)
    assert [prediction.output["text"] for prediction in found] == [text.strip() for text in texts]
    for prediction, ids in zip(found, features.columns["label_ids"].rows(), strict=True):
        assert prediction.output["labels"] == ids[len(prompt) :].tolist()
        assert len(prediction.output["guessed"]) == prediction.num_targets == len(ids) - len(prompt)
        assert prediction.scores <= 0


def test_a_tokenizer_of_its_own_can_write_the_prompt(make: Any) -> None:
    task, _ = make(TextToText(target_prompt=PROMPT, prefix="so: "), "t5")
    assert list(task.texts(Dataset.from_dict(ROWS)))[:2] == ["so: ", PROMPT]
