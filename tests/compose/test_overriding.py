"""Other values for keys of a recipe: sections, tasks, masks, and every mistake told at once."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.errors import UserErrors
from tests.compose.recipes import message


def test_overrides_reach_into_sections_and_read_yaml(mine: str) -> None:
    recipe = compose.compose(
        [mine, "training.learning_rate=1e-3", "data.labels=[a, b]", "task.max_length=7", "data.name=null", "seed=3"]
    )
    assert recipe.training.learning_rate == 1e-3
    assert recipe.data.labels == ("a", "b")
    assert (recipe.seed, recipe.task.kind) == (3, "text_classification")


def test_another_kind_of_task_keeps_what_both_have() -> None:
    recipe = compose.compose(["recipe=wmt14", "task.kind=text_to_text", "task.num_beams=2", "task.prefix=say: "])
    assert (recipe.task.kind, recipe.task.max_source_length) == ("text_to_text", 128)  # type: ignore[attr-defined]
    assert "text_classification" in message(["recipe=wmt14", "task.kind=text_classifcation"])


def test_another_task_replaces_the_recipes(mine: str) -> None:
    recipe = compose.compose(["recipe=wmt14", "task.source=fr", "task.target=en", "task.num_beams=1"])
    assert (recipe.task.source, recipe.task.num_beams) == ("fr", 1)  # type: ignore[attr-defined]


def test_from_pretrained_to_scratch(mine: str) -> None:
    recipe = compose.compose(["recipe=wmt14", "model.name=null", "model.scratch.architecture=t5"])
    assert recipe.model.scratch is not None
    assert recipe.model.description == "t5-mini from scratch"


def test_all_mistakes_are_told_at_once(mine: str) -> None:
    text = message(
        [mine, "training.lerning_rate=1", "training.epochs=0", "training.precision=int8", "data.max_dev_examples=few"]
    )
    assert "training.lerning_rate is not a key" in text
    assert "did you mean training.learning_rate?" in text
    assert "training.epochs is wrong" in text
    assert "a whole number from 1 to 2,147,483,647" in text
    assert "one of 'auto', 'fp32', 'bf16', 'fp16', or null" in text
    assert "'few'" in text
    assert text.count("lerning_rate is not a key") == 1


def test_a_key_of_another_task_says_so(mine: str) -> None:
    assert "task.num_beams does not go with this recipe's task" in message([mine, "task.num_beams=2"])


def test_a_recipe_cannot_be_changed() -> None:
    recipe = compose.compose(["recipe=sst2"])
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1  # type: ignore[misc]


def test_several_errors_are_one_exception_with_each_inside(mine: str) -> None:
    with pytest.raises(UserErrors) as caught:
        compose.compose([mine, "seed=-1", "training.epochs=0"])
    assert len(caught.value.errors) == 2


def test_masks_are_read_from_text_and_survive_yaml(tmp_path: Path) -> None:
    words = [
        "recipe=wmt14",
        "attention.encoder=window(8) | global_tokens(0)",
        'attention.cross={layers: {"-1": none()}}',
    ]
    recipe = compose.compose(words)
    assert str(recipe.attention.program.for_layer("encoder", 0, 6)) == "window(8) | global_tokens(0)"
    assert str(recipe.attention.program.for_layer("cross", 5, 6)) == "none()"
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    assert compose.load_recipe(str(path)).attention == recipe.attention


def test_masks_are_written_in_python_too() -> None:
    from finetune.attention.masks import global_tokens, window
    from finetune.recipe import Attention, SiteSection

    site = SiteSection(mask=window(3), layers={"-1": window(3) | global_tokens(0)})
    assert Attention(encoder=site).program.for_layer("encoder", 1, 2) == window(3) | global_tokens(0)
    assert Attention(encoder=window(3)).program.for_layer("encoder", 0, 2) == window(3)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("attention.encoder=widnow(8)", "did you mean 'window'?"),
        ("attention.encoder.bidirectional=true", "only the decoder's masks are made causal"),
        ("attention.encodr=full()", "did you mean attention.encoder?"),
        ("attention.encoder.layers={a: full()}", "'a' does not name layers"),
        ("attention.encoder.layers={3/2: full()}", "'3/2' does not name layers: a step is a number after a range"),
    ],
)
def test_mistakes_in_masks(word: str, expected: str) -> None:
    assert expected in message(["recipe=sst2", word])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (
            "training.class_weights={spam: 0}",
            "training.class_weights: the weight of 'spam' is 0, expected a number above 0",
        ),
        ("training.class_weights={spam: -1.5}", "the weight of 'spam' is -1.5"),
        ("training.class_weights={spam: .inf}", "the weight of 'spam' is inf"),
        ("training.class_weights={spam: true}", "the weight of 'spam' is True"),
        ("training.class_weights=blanced", "expected balanced, or a weight for each class such as {spam: 5}"),
        ("data.labels=[a, b, a]", "data.labels: 'a' is there more than once; name each class once"),
    ],
)
def test_classes_that_weigh_nothing_or_are_named_twice(word: str, expected: str) -> None:
    assert expected in message(["recipe=sst2", word])


def test_class_weights_by_number_name_the_class() -> None:
    recipe = compose.compose(["recipe=sst2", "training.class_weights={1: 2}"])
    assert recipe.training.class_weights == {"1": 2.0}


def test_a_target_prompt_does_not_go_with_prefix_tuning() -> None:
    words = ["recipe=wmt14", "adapter.kind=prefix_tuning", "task.target_prompt=In short: "]
    assert "take adapter.kind=lora or ia3, or no prompt" in message(words)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["training=3", "training.epochs=2"], "leave training=... out; training.epochs=2 sets that key alone"),
        (["training={seed: 3}", "training.epochs=2"], "or give all as one: training={seed: 3, epochs: 2}"),
        (["attention.encoder=window(3)", "attention.encoder.mask=full()"], "leave attention.encoder=... out"),
        (
            ["data={path: a.csv}", "data.columns.text=b"],
            "data=... out; data.columns.text='b' sets that key alone",
        ),
    ],
)
def test_a_section_and_a_key_in_it_are_not_both_given(words: list[str], fix: str) -> None:
    text = message(["recipe=sst2", *words])
    assert "are both given" in text
    assert f"found:    {words[0].partition('=')[0]}=" in text
    assert fix in text
    assert ".mask=..." not in text


def test_an_unknown_data_set_is_answered_with_the_nearest_and_other_mistakes() -> None:
    text = message(["recipe=sst2", "data.sample=sentimnt", "training.epochs=few"])
    assert "no installed package brings a data set 'sentimnt'" in text
    assert "the data sets address, interface, licence, sentiment" in text
    assert "did you mean data.sample=sentiment?" in text
    assert "training.epochs is wrong" in text
    sources = "data.sources=[{sample: sentimnt}, {path: a.csv}]"
    assert "did you mean data.sources[0].sample=sentiment?" in message(["recipe=sst2", sources])


def test_a_stored_recipe_is_read_where_the_package_of_its_data_is_not_installed(tmp_path: Path) -> None:
    text = compose.to_yaml(compose.compose(["recipe=sentiment_sample"])).replace("sample: sentiment", "sample: corpus")
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    stored = compose.load_recipe(str(path))
    assert stored.data.sample == "corpus"
    assert compose.override(stored, {"training.epochs": 3}).data.sample == "corpus"
    assert "no installed package brings a data set 'corpus'" in message([str(path)])
    assert compose.compose([str(path), "data.path=a.csv"]).data.path == "a.csv"
    assert compose.compose([f"resume={tmp_path}"]).data.sample == "corpus"


def test_changes_are_the_users_and_not_those_of_a_file_in_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: sst2\ntraining:\n  epochs: 7\n")
    changes = compose.compose([str(path), "training.batch_size=5"]).changes.listed
    assert [change.key for change in changes] == ["training.batch_size"]


def test_every_third_layer_is_named_by_a_step() -> None:
    recipe = compose.compose(["recipe=sst2", "attention.encoder={mask: window(8), layers: {0-11/3: full()}}"])
    masks = recipe.attention.program.by_layer("encoder", 12)
    assert [str(mask) for mask in masks] == ["full()", "window(8)", "window(8)"] * 4
