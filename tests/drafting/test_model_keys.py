from typing import Any

from finetune.drafting.keys import DraftedKey
from finetune.drafting.model_keys import DraftedModel, length_keys, model_of, reads_of
from tests.drafting.tables import REVIEWS, table, values

KEYS = [DraftedKey("task.kind", "text_classification"), DraftedKey("data.columns.text", "text")]
READ = reads_of(KEYS, table({"text": REVIEWS, "label": ["a", "b"] * 20}))


def model(given: dict[str, Any]) -> DraftedModel:
    return model_of(READ, given, offline=False)


def test_a_model_that_fits_is_named() -> None:
    assert READ.source.code == "en"
    assert values(model({}).keys) == {"model.name": "google-bert/bert-base-cased"}


def test_the_users_model_gets_a_learning_rate_of_its_own() -> None:
    for given, rate in (
        ({"model.name": "my/model"}, 3e-5),
        ({"model.sample": "minilm"}, 1e-4),
        ({"model.scratch.architecture": "bert"}, 5e-4),
        ({"model": {"scratch": {"architecture": "bert"}}}, 5e-4),
    ):
        found = model(given)
        assert (found.keys, found.learning_rate) == ((), rate)
    assert model({"model.scratch.architecture": "bert"}).from_scratch
    assert model({"model.revision": "v2"}).keys


def test_lengths_of_inputs_and_outputs() -> None:
    (key,) = length_keys(READ, model({"model.name": "nobody/has-this"}))
    assert (key.key, key.value) == ("task.max_length", 32)
    assert "estimated as 1.4 a word; finetune check counts them" in key.reason
    keys = [DraftedKey("task.kind", "text_to_text"), DraftedKey("data.columns.source", "a")]
    keys.append(DraftedKey("data.columns.target", "b"))
    read = reads_of(keys, table({"a": [text * 9 for text in REVIEWS], "b": REVIEWS}))
    found = values(length_keys(read, model_of(read, {}, offline=False)))
    assert found == {"task.max_source_length": 112, "task.max_target_length": 32}


def test_texts_that_are_longer_than_the_model_reads_are_said() -> None:
    read = reads_of(KEYS, table({"text": [text * 100 for text in REVIEWS]}))
    (key,) = length_keys(read, model({}))
    assert key.value == 512
    assert key.doubt == "the model reads 512 tokens, and 100% of the texts are longer"
