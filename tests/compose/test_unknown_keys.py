"""Keys that no recipe has: what is meant by them."""

import pytest

from finetune.compose.unknown_keys import meant_keys, near_key, part_of_value, unknown_key
from tests.compose.recipes import message


@pytest.mark.parametrize(
    ("recipe", "word", "key"),
    [
        ("sst2", "lr=1e-4", "training.learning_rate=0.0001"),
        ("sst2", "num_train_epochs=2", "training.epochs=2"),
        ("sst2", "epochs=2", "training.epochs=2"),
        ("sst2", "batch_size=8", "training.batch_size=8"),
        ("sst2", "per_device_train_batch_size=8", "training.batch_size=8"),
        ("sst2", "max_seq_length=64", "task.max_length=64"),
        ("wmt14", "max_length=64", "task.max_source_length=64"),
        ("sst2", "train_file=a.csv", "data.path=a.csv"),
        ("sst2", "validation_file=a.csv", "data.dev_path=a.csv"),
        ("sst2", "test_file=a.csv", "data.test_path=a.csv"),
        ("sst2", "model_name_or_path=a/b", "model.name=a/b"),
        ("sst2", "dataset_name=a/b", "data.name=a/b"),
        ("sst2", "report_to=wandb", "training.trackers=wandb"),
        ("sst2", "fp16=true", "training.precision=fp16"),
        ("sst2", "dev_num_beams=2", "task.dev_num_beams=2"),
    ],
)
def test_names_of_other_tools_lead_home(recipe: str, word: str, key: str) -> None:
    text = message([f"recipe={recipe}", word])
    name = word.partition("=")[0]
    assert f"{name} is not a key of a recipe; here it is called {key.partition('=')[0]}" in text
    assert f"fix:      write {key}" in text
    assert text.count("\n") == 2


def test_what_has_no_key_is_explained() -> None:
    assert "leave it out: a run trains" in message(["recipe=sst2", "do_train=true"])


def test_a_key_without_its_section_is_the_only_one_of_that_name() -> None:
    assert meant_keys("label_smoothing") == ("training.label_smoothing",)
    assert meant_keys("seed") == ("seed",)
    assert meant_keys("revision") == ()
    assert meant_keys("nothing") == ()


def test_near_spellings() -> None:
    assert near_key("training.epoch") == "training.epochs"
    assert near_key("labl_smoothing") == "training.label_smoothing"
    assert near_key("zzz") is None
    assert unknown_key("zzz", "1").fix == "finetune help lists the sections and their keys"


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("data.sources.weight=3", "data.sources=[{weight: 3, ...}]"),
        ("training.class_weights.spam=3", "training.class_weights={spam: 3}"),
        ("training.trackers.0=wandb", "leave .0 out: training.trackers=wandb"),
        ("attention.encoder.layers.0=full()", "attention.encoder.layers={0: full()}"),
    ],
)
def test_parts_of_a_value_are_no_keys(word: str, fix: str) -> None:
    text = message(["recipe=sst2", word])
    assert "is one value, whose parts are not keys" in text
    assert fix in text
    assert part_of_value("training.epochs", "1") is None
